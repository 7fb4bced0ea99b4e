"""Figures of applications: pushes over HTTP and through Redis, and webhooks; all servers on core 0."""

import contextlib
import os
import subprocess
import time
from pathlib import Path

from bench_nodes import TARGET, end, gateway, load, spread
from bench_redis import TICKS, redis

USERS = "1000"
SECONDS = "5"
KEY = "bench-key-of-thirty-two-characters"
# Pushers side by side, and pushes in one call of each.
CASES = {"1 in a call": ("8", "1"), "100 in a call": ("8", "100")}
# Calls per second, far below what a node can take.
LIGHT = ("--pushers", "2", "--rate", "100")
HOOKS_SINK = "127.0.0.1:18120"
HOOKS_EVENTS = '["session.opened", "session.closed"]'
SESSIONS = 20000


def push(rounds):
    # Whoever measures shares the core of the load generator.
    os.sched_setaffinity(0, {1})
    os.environ["LOADTEST_API_KEY"] = KEY
    for count in (None, 1, 2):
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(redis()) if count else None
            nodes = [stack.enter_context(node(number, server)) for number in range(count or 1)]
            title = f"{count} node{'s' * (count > 1)}, Redis" if count else "1 node, no Redis"
            ways = {"HTTP": ("--admin", ",".join(it.admin for it in nodes))}
            if server:
                ways["Redis"] = ("--redis", f"127.0.0.1:{server.port}")
            for name, way in ways.items():
                measure(f"{title}, by {name}", rounds, nodes, server, way)


def node(number, server, **settings):
    settings |= {"API__KEYS": f'[{{ key = "{KEY}", scopes = ["publish"] }}]'}
    if server:
        settings |= {"CLUSTER__NODE": f"gw-{number}", "CLUSTER__REDIS": f"redis://127.0.0.1:{server.port}/0",
                     "STORE__URL": "sqlite://push.db"}
    return gateway(number, **settings)


def measure(title, rounds, nodes, server, way):
    cases = {name: ("--pushers", pushers, "--batch", batch) for name, (pushers, batch) in CASES.items()}
    cases["1 in a call, 100 calls a second"] = LIGHT
    figures = {name: [] for name in cases}
    others = ("--other-pid", str(server.process.pid)) if server else ()
    to = ",".join(it.public for it in nodes)
    for _ in range(rounds):
        for name, case in cases.items():
            report = load("push", to, nodes, "-n", USERS, "--secs", SECONDS, *way, *case, *others)
            figures[name].append(report)
    for name, reports in figures.items():
        tell(f"{title}, {name}", reports, ["node"] * len(nodes) + ["Redis"] * bool(server))


def tell(title, reports, processes):
    per_second = [it["pushes_per_second"] for it in reports]
    p50, p99 = ([it["latency"][name] for it in reports] for name in ("p50_ms", "p99_ms"))
    print(f"{title}: {spread(per_second)} a second, p50 {spread(p50, 2)} ms, p99 {spread(p99, 2)} ms", flush=True)
    for place, name in enumerate(processes):
        micros = [it["processes"][place]["cpu_seconds"] * 1e6 / it["pushes"] for it in reports]
        print(f"  {name}: {spread(micros, 1)} us CPU each")
    print(f"  generator at {spread([it['cpu']['generator_percent'] for it in reports])} %")
    for it in reports:
        if it["missing"] or it["unexpected"]:
            print(f"  missing {it['missing']}, unexpected {it['unexpected']}")


def hooks(rounds):
    """Sessions that come and go, with two webhooks each and without: what telling an application costs."""
    os.sched_setaffinity(0, {1})
    sink = subprocess.Popen([TARGET / "loadtest", "sink", "--listen", HOOKS_SINK, "--cpu", "1"],
                            stdout=subprocess.DEVNULL)
    try:
        for clustered in (False, True):
            with contextlib.ExitStack() as stack:
                server = stack.enter_context(redis()) if clustered else None
                figures = {told: [come_and_go(told, server) for _ in range(rounds)] for told in (False, True)}
            title = "1 node, Redis" if clustered else "1 node, no Redis"
            per_second, micros = zip(*figures[True])
            _, without = zip(*figures[False])
            print(f"{title}: {spread(per_second)} webhooks a second, "
                  f"{spread([(told - bare) / 2 for told, bare in zip(micros, without)], 1)} us CPU of the node each, "
                  f"beside {spread(without, 1)} us for the session itself", flush=True)
    finally:
        end(sink)


def come_and_go(told, server):
    """Webhooks a second until the last one was told, and CPU of the node per session in microseconds."""
    settings = {"BACKEND__HOOKS": f'[{{ url = "http://{HOOKS_SINK}/", events = {HOOKS_EVENTS}, concurrency_max = 64 }}]'}
    with node(0, server, **(settings if told else {})) as it:
        before, began = cpu_seconds(it.process), time.monotonic()
        load("handshake", it.public, [it], "-n", str(SESSIONS))
        while told and it.metrics()['tidegate_hooks_total{outcome="delivered"}'] < 2 * SESSIONS:
            time.sleep(0.1)
        took = time.monotonic() - began
        return 2 * SESSIONS / took, (cpu_seconds(it.process) - before) / SESSIONS * 1e6


def cpu_seconds(process):
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
