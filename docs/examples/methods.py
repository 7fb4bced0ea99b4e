"""Answers methods that clients call, with nothing but Python: python3 methods.py PORT

[[backend.methods]]
prefix = "shop."
url = "http://127.0.0.1:PORT/"
secret_file = "/run/secrets/shop"     # the same text as in SECRET
"""

import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = os.environ["SECRET"].encode()
ORDERS = {7: "on its way"}


def is_genuine(signature: str, body: bytes) -> bool:
    """Whether the gateway has sent this, within the last five minutes."""
    fields = dict(field.partition("=")[::2] for field in signature.split(","))
    sent = fields.get("t", "")
    if not sent.isdecimal() or abs(time.time() - int(sent)) > 300:
        return False
    expect = hmac.new(SECRET, f"{sent}.".encode() + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expect.encode(), fields.get("v1", "").encode())


def answer(method: str, data, user: str):
    """The answer to a call: any JSON. None: there is no such method."""
    if method == "shop.order":
        return {"order": data["id"], "state": ORDERS.get(data["id"], "unknown"), "for": user}
    return None


class Handler(BaseHTTPRequestHandler):
    # Connections are kept, and answers leave in one piece.
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not is_genuine(self.headers.get("X-Tidegate-Signature", ""), body):
            return self.respond(401, None)
        frame = json.loads(body)
        user = self.headers.get("X-Tidegate-User", "")
        found = answer(frame["type"], frame["data"], user)
        return self.respond(404 if found is None else 200, found)

    def respond(self, status: int, value):
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
