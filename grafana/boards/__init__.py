"""What stands on each board, one module per board."""
