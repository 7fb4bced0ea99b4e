"""Figures of stored chat: one node with SQLite, and nodes with Redis and MariaDB, all on core 0."""

import contextlib
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench_nodes import gateway, load, on_core_0, spread
from bench_redis import Client, command, redis

MARIADB_PORT = 18110
# Clients of the greatest case: the first of each pair writes to the second.
CONNECTIONS = 2000
# Clients, and messages that each sender has under way.
EMBEDDED = {"1 sender": (2, 1), "1 sender, 32 under way": (2, 32), "100 senders": (200, 1),
            "1,000 senders": (2000, 1), "1,000 senders, 8 under way": (2000, 8)}
CLUSTER = {"100 senders": (200, 1), "1,000 senders": (2000, 1), "1,000 senders, 8 under way": (2000, 8)}
ASKED = {"O": '{"id":"{seq}","to":0,"type":"O","msg":{i}}',
         "H, newest": '{"id":"{seq}","to":0,"type":"H","msg":{"id":-1,"from":-1}}'}
SECONDS = "5"
MESSAGES = 1_000_000
FIRST_MS = 1_750_000_000_000
TIME = f"{FIRST_MS} + n * 10"
# Every tenth message is of user 1, the others are of users of whom each writes twenty.
FILL = f"""INSERT INTO message (id, "from", "to", type, msg, send, timestamp, packet_id)
    SELECT ({TIME}) * 1024, CASE WHEN n % 10 = 0 THEN 1 ELSE 100 + CAST((n - n % 20) / 20 AS INTEGER) END, 2 + n % 10, 't',
        'are you here yet? I am at the door, the bell does not work', 1, {TIME}, NULL FROM numbers"""


def chat(rounds):
    # Whoever measures shares the core of the load generator.
    os.sched_setaffinity(0, {1})
    with key() as keys:
        embedded(keys, rounds)
        for persistent in (True, False):
            for count in (1, 2):
                cluster(keys, rounds, count, persistent)
        histories(keys, rounds)


@contextlib.contextmanager
def key():
    """A private key and its public half."""
    with tempfile.TemporaryDirectory() as folder:
        private, public = Path(folder) / "key.pem", Path(folder) / "public.pem"
        subprocess.run(["openssl", "genrsa", "-out", private, "2048"], check=True, stderr=subprocess.DEVNULL)
        subprocess.run(["openssl", "rsa", "-in", private, "-pubout", "-out", public], check=True,
                       stderr=subprocess.DEVNULL)
        yield private, public


def settings(keys):
    return {"DIALECT__IM__PUBLIC_KEY_FILES": f'["{keys[1]}"]'}


def embedded(keys, rounds):
    with gateway(STORE__URL="sqlite://chat.db", **settings(keys)) as node:
        befriend_in_sqlite(Path(node.folder.name) / "chat.db")
        figures = {name: [] for name in [*EMBEDDED, *ASKED]}
        for _ in range(rounds):
            for name, (clients, outstanding) in EMBEDDED.items():
                figures[name].append(run(keys, [node], clients, outstanding))
            for name, packet in ASKED.items():
                figures[name].append(run(keys, [node], 2, 1, "--packet", packet))
    for name, reports in figures.items():
        tell(f"SQLite, {name}", reports)


def cluster(keys, rounds, count, persistent):
    title = f"{count} nodes, Redis {'with appendonly everysec' if persistent else 'in memory'}"
    with redis(appendonly=persistent) as server, mariadb() as base, contextlib.ExitStack() as stack:
        befriend_in_redis(server.port)
        nodes = [stack.enter_context(gateway(
            number, CLUSTER__NODE=f"gw-{number}", CLUSTER__REDIS=f"redis://127.0.0.1:{server.port}/0",
            STORE__URL=base.url, **settings(keys))) for number in range(count)]
        figures, lags = {name: [] for name in CLUSTER}, {}
        others = f"{server.process.pid},{base.process.pid}"
        for _ in range(rounds):
            for name, (clients, outstanding) in CLUSTER.items():
                figures[name].append(run(keys, nodes, clients, outstanding, "--other-pid", others))
                behind = waiting(server)
                began = time.monotonic()
                while waiting(server) and time.monotonic() - began < 120:
                    time.sleep(0.2)
                lags.setdefault(name, []).append((behind, time.monotonic() - began))
    for name, reports in figures.items():
        tell(f"{title}, {name}", reports, [*(f"gateway {number}" for number in range(count)), "Redis", "MariaDB"])
        behind, seconds = zip(*lags[name])
        rate = [entries / took for entries, took in zip(behind, seconds) if 0.5 < took]
        print(f"  behind at the end: {spread(behind)} messages, moved after {spread(seconds)} s"
              + (f", {spread(rate)} a second" if rate else ""))


def run(keys, nodes, clients, outstanding, *options):
    to = ",".join(node.public for node in nodes)
    return load("chat", to, nodes, "-n", str(clients), "--outstanding", str(outstanding), "--secs", SECONDS,
                "--im-key", str(keys[0]), *options)


def tell(title, reports, processes=("gateway",)):
    per_second = [it["acknowledged_per_second"] for it in reports]
    p50, p99 = ([it["latency"][name] for it in reports] for name in ("p50_ms", "p99_ms"))
    print(f"{title}: {spread(per_second)} a second, p50 {spread(p50, 2)} ms, p99 {spread(p99, 2)} ms")
    for place, name in enumerate(processes):
        micros = [it["processes"][place]["cpu_seconds"] * 1e6 / it["acknowledged"] for it in reports]
        print(f"  {name}: {spread(micros, 1)} us CPU each")
    generator = [it["cpu"]["generator_percent"] for it in reports]
    logins = [it["logins_per_server_cpu_second"] or 0 for it in reports]
    print(f"  generator at {spread(generator)} %, logins per server CPU-second {spread(logins)}")
    for it in reports:
        if it["errors"] or it["unanswered"] or it["undelivered"]:
            print(f"  errors {it['errors']}, unanswered {it['unanswered']}, undelivered {it['undelivered']}")


def waiting(server):
    return int(server.client.call("XLEN", "tg:mq"))


def befriend_in_sqlite(path):
    """Directly, since the API takes one pair at a time. The node has made the tables."""
    with contextlib.closing(sqlite3.connect(path, timeout=10)) as database, database:
        database.executemany("INSERT OR IGNORE INTO im_friend (of, friend) VALUES (?, ?)", pairs())


def befriend_in_redis(port):
    client = Client(port)
    for of, friend in pairs():
        client.exchange(command("SADD", f"URS:{of}", friend), len(b":1\r\n"))


def pairs():
    return [(user, user + 1) for user in range(1, CONNECTIONS, 2)]


class mariadb:
    """A server with a database of its own, which commits to the disk as it does by default."""

    def __init__(self, port=MARIADB_PORT):
        self.port, self.url = port, f"mysql://bench:bench@127.0.0.1:{port}/chat"

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        data, self.socket = f"{self.folder.name}/data", f"{self.folder.name}/socket"
        subprocess.run(["mariadb-install-db", "--no-defaults", "--user=root", "--skip-test-db",
                        "--auth-root-authentication-method=normal", f"--datadir={data}"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.process = on_core_0(["mariadbd", "--no-defaults", "--user=root", "--skip-log-bin",
                                  "--bind-address=127.0.0.1", "--innodb-buffer-pool-size=512M",
                                  f"--port={self.port}", f"--datadir={data}",
                                  f"--socket={self.socket}", f"--pid-file={self.folder.name}/pid"])
        for _ in range(150):
            if self.ask("SELECT 1", check=False).returncode == 0:
                self.ask("CREATE DATABASE chat; CREATE USER bench@'%' IDENTIFIED BY 'bench';"
                         " GRANT ALL ON chat.* TO bench@'%'")
                return self
            time.sleep(0.2)
        sys.exit("mariadbd did not start: is it installed, is its port taken?")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()

    def ask(self, statement, check=True):
        return subprocess.run(["mariadb", "--no-defaults", "--user=root", "--batch", "--socket", self.socket,
                               "-e", statement], check=check, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def histories(keys, rounds):
    """What the newest 40 messages cost among a million, of which one user has 100,000 and another one 18."""
    with gateway(STORE__URL="sqlite://chat.db", **settings(keys)) as node:
        with contextlib.closing(sqlite3.connect(Path(node.folder.name) / "chat.db", timeout=30)) as base, base:
            base.execute(f"""WITH RECURSIVE numbers (n) AS
                (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {MESSAGES}) {FILL}""")
        ask("SQLite", keys, node, rounds, None)
    with redis() as server, mariadb() as base:
        options = {"CLUSTER__NODE": "gw-0", "CLUSTER__REDIS": f"redis://127.0.0.1:{server.port}/0"}
        with gateway(0, STORE__URL=base.url, **options, **settings(keys)) as node:
            numbers = f"(SELECT seq AS n FROM seq_0_to_{MESSAGES - 1}) AS numbers"
            base.ask("USE chat; " + FILL.replace('"', "`").replace("FROM numbers", f"FROM {numbers}")
                     .replace(TIME, f"FROM_UNIXTIME(({TIME}) / 1000)"))
            ask("MariaDB", keys, node, rounds, base)
            for by in ("from", "to"):
                plan = base.ask(f"USE chat; EXPLAIN SELECT id FROM message FORCE INDEX (message_{by})"
                                f" WHERE `{by}` = 1 AND 0 < id ORDER BY id DESC LIMIT 40")
                print(plan.stdout.decode().strip())


def ask(title, keys, node, rounds, base):
    middle = FIRST_MS + MESSAGES // 2 * 10
    for who, user in (("100,000 messages", 1), ("18 messages", 40_100)):
        for what, query in (("newest", '{"id":-1,"from":-1}'), ("by id", f'{{"id":{middle * 1024},"from":-1}}'),
                            ("by time", str(middle))):
            packet = '{"id":"{seq}","to":0,"type":"H","msg":' + query + "}"
            others = ("--other-pid", str(base.process.pid)) if base else ()
            reports = [run(keys, [node], 2, 1, "--first-user", str(user), "--packet", packet, *others)
                       for _ in range(rounds)]
            tell(f"{title}, H of {who}, {what}", reports, ("gateway", "MariaDB")[:2 if base else 1])
