"""Is told what happens: HOOK_SECRET=... python3 hook.py <port>

Prints each happening once. In an application, remembering an id and what follows from its happening
belong into one transaction.
"""

import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = os.environ["HOOK_SECRET"].encode()
# Older requests may be ones that somebody has recorded.
AGE_MAX = 300
# Here in memory; an application has a table with a unique column.
seen = set()


def is_genuine(header, body):
    fields = dict(field.split("=", 1) for field in header.split(",") if "=" in field)
    time_of_signing, signature = fields.get("t", ""), fields.get("v1", "")
    if not time_of_signing.isdigit() or AGE_MAX < abs(time.time() - int(time_of_signing)):
        return False
    signed = time_of_signing.encode() + b"." + body
    expected = hmac.new(SECRET, signed, hashlib.sha256).hexdigest()
    # Takes as long whatever is wrong, so that nobody can guess a signature digit by digit.
    return hmac.compare_digest(expected.encode(), signature.encode())


class Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not is_genuine(self.headers.get("X-Tidegate-Signature", ""), body):
            # The gateway tries again: the secrets may be about to be changed on both sides.
            return self.answer(401)
        happening = json.loads(body)
        # What comes again is taken again, and nothing follows from it.
        if happening["id"] not in seen:
            print(happening["event"], happening["id"], happening["user"], flush=True)
            seen.add(happening["id"])
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Hook).serve_forever()
