"""Publishes to a user over HTTP, with nothing but Python: python3 publish.py USER ORDER"""

import json
import os
import sys
from urllib.request import Request, urlopen

user, order = sys.argv[1:]
gateway = os.environ.get("GATEWAY_URL", "http://127.0.0.1:8081")
message = {
    "to": f"user:{user}",
    "event": "order_ready",
    "data": {"order_id": int(order), "from": "python over http"},
}
request = Request(
    f"{gateway}/api/publish",
    data=json.dumps(message).encode(),
    headers={
        "Authorization": f"Bearer {os.environ['GATEWAY_KEY']}",
        "Content-Type": "application/json",
    },
)
# Raises for every status but 2xx. 503 means that the gateway is busy: repeat it, with an id.
with urlopen(request, timeout=5) as answer:
    print(answer.read().decode())
