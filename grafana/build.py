#!/usr/bin/env python3
"""Makes the boards: `python3 grafana/build.py` writes grafana/*.json from grafana/boards/*.py.

`--check` writes nothing, and fails if a file is not what would be written. Needs nothing but Python.
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE))

from boards import cluster, dialects, loadtest, node, overview, services, storage  # noqa: E402

BOARDS = [overview, node, cluster, dialects, storage, services, loadtest]


def files():
    """Every file, and what stands in it."""
    for module in BOARDS:
        board = module.board()
        text = json.dumps(board, indent=1, ensure_ascii=False) + "\n"
        yield HERE / (module.__name__.rsplit(".", 1)[-1] + ".json"), text


def main():
    made = dict(files())
    if "--check" not in sys.argv[1:]:
        for path, text in made.items():
            path.write_text(text)
        return
    wrong = [path.name for path, text in made.items() if not path.exists() or path.read_text() != text]
    wrong += [path.name for path in HERE.glob("*.json") if path not in made]
    if wrong:
        sys.exit(f"not what grafana/build.py makes: {', '.join(sorted(wrong))}")


if __name__ == "__main__":
    main()
