"""A Redis on core 0, and a client of it that is cheap enough to measure with."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench_nodes import end, on_core_0

PORT = 18100
TICKS = os.sysconf("SC_CLK_TCK")


class redis:
    """A server that keeps nothing on disk, or a log of which a second may be lost."""

    def __init__(self, appendonly=False, port=PORT):
        self.appendonly, self.port = "yes" if appendonly else "no", port

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        self.process = on_core_0(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1",
                                  "--save", "", "--appendonly", self.appendonly,
                                  "--dir", self.folder.name])
        for _ in range(100):
            try:
                self.client = Client(self.port)
                return self
            except OSError:
                time.sleep(0.1)
        sys.exit("redis-server did not start: is it installed, is its port taken?")

    def __exit__(self, *_):
        end(self.process)
        self.folder.cleanup()

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def traffic_bytes(self):
        """Bytes that came in and that went out so far."""
        lines = self.client.call("INFO", "stats").decode().splitlines()
        values = dict(line.split(":") for line in lines if ":" in line)
        return [int(values[f"total_net_{way}_bytes"]) for way in ("input", "output")]

    def calls(self):
        """Commands carried out so far, by name, without those of whoever measures."""
        lines = self.client.call("INFO", "commandstats").decode().splitlines()
        rows = [line.removeprefix("cmdstat_").split(":calls=") for line in lines if ":calls=" in line]
        calls = {name: int(rest.split(",")[0]) for name, rest in rows}
        return {name: count for name, count in calls.items() if name not in ("info", "ping")}


class Client:
    """One connection."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")
        self.bytes_read = 0

    def call(self, *words):
        self.socket.sendall(command(*words))
        return self.read()

    def read(self):
        """One answer."""
        line = self.take(self.file.readline())
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            sys.exit(f"redis: {rest.decode()}")
        if kind in b"+:":
            return rest
        if kind == b"$":
            return None if rest == b"-1" else self.take(self.file.read(int(rest) + 2))[:-2]
        return None if rest == b"-1" else [self.read() for _ in range(int(rest))]

    def take(self, data):
        self.bytes_read += len(data)
        return data

    def exchange(self, data, length):
        """Sends what is encoded already, and reads answers of that length, unseen."""
        self.socket.sendall(data)
        answer = self.file.read(length)
        if not answer.endswith(b"\r\n") or b"-ERR" in answer:
            sys.exit(f"redis: {answer[-200:]}")


def command(*words):
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(it), it) for it in parts)


def ping_ms(port, count, pause):
    """Times of round trips, sorted."""
    client, times = Client(port), []
    for _ in range(count):
        time.sleep(pause)
        began = time.perf_counter()
        client.exchange(command("PING"), len(b"+PONG\r\n"))
        times.append((time.perf_counter() - began) * 1000)
    return sorted(times)


def percentile(ordered, percent):
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


class Entries:
    """One message per entry: added, read, acknowledged and deleted, by a command for each.

    Commands go out in pipelines of several messages on one connection, which is the cheapest for
    Redis; `singly` has a round trip for each command, as a server does that awaits its calls.
    """

    def __init__(self, server, body):
        self.client, self.body, self.number = Client(server.port), body, 10**9
        self.client.call("DEL", "bench:inbox")
        self.client.call("XGROUP", "CREATE", "bench:inbox", "members", "$", "MKSTREAM")
        self.lengths = []
        for each in self.commands():
            before = self.client.bytes_read
            self.client.socket.sendall(each)
            self.client.read()
            self.lengths.append(self.client.bytes_read - before)

    def commands(self):
        """Those of the next message. Ids have one length, so that answers have too."""
        self.number += 1
        key, id = "bench:inbox", f"{self.number}-1"
        return [
            command("XADD", key, id, "f", "gw-0.1", "l", 1, "s", self.number, "b", self.body),
            command("XREADGROUP", "GROUP", "members", "me", "COUNT", 1, "STREAMS", key, ">"),
            command("XACK", key, "members", id), command("XDEL", key, id),
        ]

    def send(self, count):
        data = b"".join(each for _ in range(count) for each in self.commands())
        self.client.exchange(data, count * sum(self.lengths))

    def send_singly(self, count):
        for _ in range(count):
            for each, length in zip(self.commands(), self.lengths):
                self.client.exchange(each, length)

    def check(self):
        if self.client.call("XLEN", "bench:inbox") != b"0":
            sys.exit("one per entry: not everything was read and deleted")


class Published:
    """Pub/sub with one subscriber, which reads what was published before more is."""

    def __init__(self, server, body):
        self.client, self.subscriber = Client(server.port), Client(server.port)
        self.subscriber.call("SUBSCRIBE", "bench:channel")
        self.data = command("PUBLISH", "bench:channel", body)
        self.push = len(command("message", "bench:channel", body))

    def send(self, count):
        self.client.exchange(self.data * count, count * len(b":1\r\n"))
        self.subscriber.exchange(b"", count * self.push)

    def check(self):
        pass


def per_cpu_second(server, send, seconds, rate=None, most=256):
    """Messages per CPU-second of Redis: as fast as it goes, or what is due of so many a second."""
    cpu, began, sent = server.cpu_seconds(), time.perf_counter(), 0
    while (elapsed := time.perf_counter() - began) < seconds:
        due = int(elapsed * rate) - sent if rate else most
        if due:
            send(min(due, most))
            sent += min(due, most)
    elapsed = time.perf_counter() - began
    return sent / (server.cpu_seconds() - cpu), sent / elapsed


def envelope_body(server, during):
    """The body of an entry that carries one message while `during` runs: the shortest that is seen."""
    watcher, bodies = Client(server.port), []
    watcher.call("MONITOR")
    watcher.socket.settimeout(0.2)
    while during.poll() is None:
        try:
            line = watcher.file.readline()
        except OSError:
            watcher.file = watcher.socket.makefile("rb")
            continue
        if b'"XADD"' in line and b":inbox:" in line and b"pair_" in line:
            bodies.append(body_of(line))
    if not bodies:
        sys.exit("no entry with a message was seen")
    return min(bodies, key=len)


def body_of(line):
    """The last argument of a command as MONITOR shows it."""
    quoted = line.rsplit(b' "', 1)[1].rsplit(b'"', 1)[0]
    return quoted.decode("unicode_escape").encode("latin-1")


class distant:
    """A way to Redis that takes so many milliseconds in each direction, as a process of its own."""

    def __init__(self, server, milliseconds):
        self.server, self.milliseconds, self.port = server, milliseconds, PORT + 1

    def __enter__(self):
        script = Path(__file__).with_name("bench_distance.py")
        arguments = [self.port, self.server.port, self.milliseconds]
        self.process = subprocess.Popen(["taskset", "-c", "1", sys.executable, script,
                                         *map(str, arguments)])
        for _ in range(100):
            try:
                Client(self.port).call("PING")
                return self
            except OSError:
                time.sleep(0.1)
        sys.exit("the way to Redis did not open")

    def __exit__(self, *_):
        end(self.process)
