"""Figures of a live room over two nodes with one Redis, all on core 0: phones, walls, moderation."""

import os
import tempfile

from bench_cluster import addresses, nodes
from bench_nodes import load, spread
from bench_redis import redis

PHONES = 10_000
WALLS = 3
SECRET = "a-secret-of-32-characters-or-more"
# What phones say a second, all together: each is heard by all of them.
RATES = ("1", "5", "10")
SECONDS = "20"
LATENCIES = {"say_to_wall": "say to wall", "approval_to_phone": "approval to each phone",
             "approval_to_last_phone": "approval to last phone"}


def live(rounds):
    # Whoever measures shares the core of the load generator.
    os.sched_setaffinity(0, {1})
    os.environ["LOADTEST_LIVE_SECRET"] = SECRET
    with redis() as server, tempfile.TemporaryDirectory() as folder:
        settings = {
            "DIALECT__LIVE__AUTH": "jwt",
            "DIALECT__LIVE__KEYS": f'[{{ alg = "HS256", secret = "{SECRET}" }}]',
            # Phones that say nothing stay for as long as a run takes.
            "LIMITS__IDLE": "10m",
            "STORE__URL": f"sqlite://{folder}/shared.db",
        }
        for rate in RATES:
            with nodes(server.port, **settings) as both:
                room(server, both, rate, rounds)


def room(server, both, rate, rounds):
    figures = []
    for turn in range(rounds):
        options = ("-n", str(PHONES + WALLS), "--walls", str(WALLS), "--rate", rate, "--secs", SECONDS,
                   "--code", f"room{turn}", "--other-pid", str(server.process.pid))
        report = load("live", addresses(both), both, *options)
        if report["unheard"] or report["refused"]:
            print(f"  {report['unheard']} words not heard by all, {report['refused']} refused")
        figures.append(report)
    print(f"{PHONES:,} phones, {WALLS} walls, {rate} words a second:"
          f" {spread([it['deliveries_per_second'] for it in figures])} deliveries a second,"
          f" {spread([it['deliveries_per_server_cpu_second'] for it in figures])} per CPU-second of both nodes")
    for key, name in LATENCIES.items():
        p50, p99 = ([it[key][f"{part}_ms"] for it in figures] for part in ("p50", "p99"))
        print(f"  {name:22} p50 {spread(p50, 2)} ms, p99 {spread(p99, 2)} ms")
