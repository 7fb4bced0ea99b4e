"""Pushes to a user through Redis, with redis-py: python3 push.py USER ORDER"""

import json
import os
import sys

import redis

user, order = sys.argv[1:]
server = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"))
message = {
    # A repeat with the same id within ten minutes is not sent again.
    "id": f"order-{order}-python",
    "to": f"user:{user}",
    "event": "order_ready",
    "data": {"order_id": int(order), "from": "python"},
}
server.xadd("tg:push", {"message": json.dumps(message)})
