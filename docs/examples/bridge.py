"""Publishes to a user as applications of the original ride system do: python3 bridge.py USER ORDER

It needs backend.pubsub_channel = "websocket_messages".
"""

import json
import os
import sys

import redis

user, order = sys.argv[1:]
server = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"))
data = {"flag": "order_ready", "order_id": int(order), "from": "the bridge"}
server.publish("websocket_messages", json.dumps({"target_token": user, "data": data}))
