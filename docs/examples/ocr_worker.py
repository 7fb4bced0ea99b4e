"""Does jobs of the kind "ocr": python3 ocr_worker.py PORT

backend.jobs = [{ kind = "ocr", url = "http://127.0.0.1:PORT/ocr", secret = "..." }]
"""

import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = os.environ["JOB_SECRET"].encode()
# What was done, by the id of the job: a job may come twice.
done = {}


def recognise(url):
    return {"words_result": [{"words": f"the text in {url}"}]}


def is_signed(header, body):
    parts = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    signed = parts.get("t", "").encode() + b"." + body
    expect = hmac.new(SECRET, signed, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(parts.get("v1", ""), expect):
        return False
    return abs(time.time() - int(parts["t"])) < 300


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if not is_signed(self.headers.get("x-tidegate-signature", ""), body):
            return self.answer(403, {"error": "not signed"})
        job = json.loads(body)
        if job["id"] not in done:
            done[job["id"]] = recognise(job.get("url"))
        # Any status but 2xx means: try again later.
        self.answer(200, done[job["id"]])

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print("ready", server.server_port, flush=True)
server.serve_forever()
