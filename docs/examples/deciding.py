"""Decides who comes in and who joins a room, with nothing but Python: python3 deciding.py PORT

[backend.connect]
url = "http://127.0.0.1:PORT/"
secret_file = "/run/secrets/deciding"     # the same text as in SECRET

[backend.subscribe]
url = "http://127.0.0.1:PORT/"
secret_file = "/run/secrets/deciding"
"""

import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = os.environ["SECRET"].encode()
BANNED = {"mallory"}
MEMBERS = {"vip": {"anna"}}


def is_genuine(signature: str, body: bytes) -> bool:
    """Whether the gateway has sent this, within the last five minutes."""
    fields = dict(field.partition("=")[::2] for field in signature.split(","))
    sent = fields.get("t", "")
    if not sent.isdecimal() or abs(time.time() - int(sent)) > 300:
        return False
    expect = hmac.new(SECRET, f"{sent}.".encode() + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expect.encode(), fields.get("v1", "").encode())


def decide(question: dict) -> dict:
    user = question["user"]
    if question["event"] == "connect":
        if user in BANNED:
            return {"allow": False, "reason": "this account is closed"}
        return {"allow": True, "rooms": ["lobby"]}
    if question["event"] == "subscribe":
        return {"allow": user in MEMBERS.get(question["room"], ()), "reason": "members only"}
    return {"allow": False}


class Handler(BaseHTTPRequestHandler):
    # Connections are kept, and answers leave in one piece.
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if is_genuine(self.headers.get("X-Tidegate-Signature", ""), body):
            self.respond(200, decide(json.loads(body)))
        else:
            # Not 401, which would mean that the client is refused.
            self.respond(400, {})

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
