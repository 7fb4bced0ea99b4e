"""Figures of two nodes and one Redis, all on core 0: messages, latency, commands, a storm."""

import contextlib
import os
import statistics
import subprocess
import tempfile
import time

from bench_nodes import gateway, generator, load, ratio, spread
from bench_redis import (Entries, Published, distant, envelope_body, per_cpu_second, percentile,
                         ping_ms, redis)

# Offered to the two nodes together: messages a second, or messages under way at any time.
LOADS = {
    "1,000 a second": ("--rate", "1000"),
    "10,000 a second": ("--rate", "10000"),
    "60,000 a second": ("--rate", "60000"),
    "2,000 under way": ("--outstanding", "2000"),
    "10,000 under way": ("--outstanding", "10000"),
}
RATE = 60_000
CONNECTIONS = 10_000
HANDSHAKES_PER_SECOND = 1000
# In each direction.
DISTANCE_MS = 5


def cluster(rounds):
    # Whoever measures shares the core of the load generator.
    os.sched_setaffinity(0, {1})
    with redis() as server:
        with nodes(server.port) as both:
            messages(server, both, rounds)
            latency(server.port, both, rounds, 100, "Redis beside the nodes")
            commands(server, both, rounds)
        with distant(server, DISTANCE_MS) as way, nodes(way.port) as both:
            latency(way.port, both, rounds, 20, f"Redis {2 * DISTANCE_MS} ms away and back")
        storm(server, rounds)


@contextlib.contextmanager
def nodes(port, count=2, first=0, **settings):
    """Nodes that know each other, numbered from `first` on."""
    settings["CLUSTER__REDIS"] = f"redis://127.0.0.1:{port}/0"
    with contextlib.ExitStack() as stack:
        every = [stack.enter_context(gateway(number, CLUSTER__NODE=f"gw-{number}", **settings))
                 for number in range(first, first + count)]
        while any(node.metrics()["tidegate_nodes"] != count for node in every):
            time.sleep(0.1)
        yield every


def addresses(both):
    return ",".join(node.public for node in both)


def messages(server, both, rounds):
    """What messages between nodes cost Redis, and what the same bytes cost it in other ways."""
    body = sample(server, both)
    print(f"a message of 128 bytes alone is an entry of {len(body)}; yardsticks carry the same")
    ways = yardsticks(server, body)
    figures = {name: [] for name in [*ways, *LOADS]}
    notes = {}
    for _ in range(rounds):
        for name, (way, send, options) in ways.items():
            cost, speed = per_cpu_second(server, send, 2, **options)
            way.check()
            figures[name].append(cost)
            notes.setdefault(name, []).append((speed, 1))
        for name, options in LOADS.items():
            cost, note = unicast(server, both, options)
            figures[name].append(cost)
            notes.setdefault(name, []).append(note)
    base = figures["one per entry, pipelined"]
    for name, values in figures.items():
        speed, size = (statistics.median(each) for each in zip(*notes[name]))
        print(f"{name:31} {spread(values)} messages per Redis CPU-second,"
              f" times the first {ratio(values, base)};"
              f" {speed:,.0f} messages a second, {size:.1f} in an entry")


def sample(server, both):
    """An entry with one message in it."""
    with tempfile.NamedTemporaryFile() as file:
        command = generator("unicast", addresses(both), both, file.name, "-n", "20", "--rate", "100",
                            "--secs", "2")
        during = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        body = envelope_body(server, during)
        during.wait()
        return body


def yardsticks(server, body):
    entries, published = Entries(server, body), Published(server, body)
    rate = {"rate": RATE}
    return {
        "one per entry, pipelined": (entries, entries.send, {}),
        f"one per entry, {RATE:,} a second": (entries, entries.send, rate),
        "one per entry, singly": (entries, entries.send_singly, {"most": 1}),
        "pub/sub, pipelined": (published, published.send, {}),
        f"pub/sub, {RATE:,} a second": (published, published.send, rate),
        "pub/sub, singly": (published, published.send, {"most": 1}),
    }


def unicast(server, both, options):
    before = [node.metrics() for node in both]
    report = load("unicast", addresses(both), both, "-n", "200", "--secs", "3", "--redis-pid",
                  str(server.process.pid), *options)
    if not report["valid"]:
        print(f"  {' '.join(options)}: {report['invalid_reason']}")
    after = [node.metrics() for node in both]
    envelopes, entries = (
        sum(late[name] - early[name] for early, late in zip(before, after))
        for name in (f'tidegate_bus_{what}_total{{direction="out"}}'
                     for what in ("envelopes", "entries")))
    note = report["messages_per_second"], envelopes / entries
    return report["messages_per_redis_cpu_second"], note


def latency(port, both, rounds, rate, title):
    """At light load, over two nodes and over one, and a round trip to Redis, in turns."""
    cases = {"two nodes": addresses(both), "one node": both[0].public}
    figures = {name: [] for name in [*cases, "PING"]}
    for _ in range(rounds):
        for name, to in cases.items():
            report = load("unicast", to, both, "-n", "20", "--rate", str(rate), "--secs", "10")
            figures[name].append((report["latency"]["p50_ms"], report["latency"]["p99_ms"]))
        times = ping_ms(port, 200, 0.025)
        figures["PING"].append((percentile(times, 50), percentile(times, 99)))
    for name, values in figures.items():
        p50, p99 = zip(*values)
        print(f"{title}, {name:10} p50 {spread(p50, 2)} ms, p99 {spread(p99, 2)} ms")
    more = [two[0] - one[0] for two, one in zip(figures["two nodes"], figures["one node"])]
    print(f"{title}, two nodes less one, p50: {spread(more, 2)} ms")


def commands(server, both, rounds):
    """What connections cost Redis in commands, beyond what the nodes send without any."""
    def count(action):
        before, began = sum(server.calls().values()), time.monotonic()
        action()
        return sum(server.calls().values()) - before, time.monotonic() - began

    calls, seconds = count(lambda: time.sleep(30))
    background = calls / seconds
    print(f"two nodes without connections: {background:.2f} commands a second")

    def come_and_go():
        load("handshake", addresses(both), both, "-n", str(CONNECTIONS))
        # What goes is announced a moment later.
        time.sleep(3)

    figures = []
    for _ in range(rounds):
        calls, seconds = count(come_and_go)
        figures.append((calls - background * seconds) / CONNECTIONS)
    print(f"commands per connection that comes and goes: {spread(figures, 3)}")

    with tempfile.NamedTemporaryFile() as file:
        command = generator("idle", addresses(both), both, file.name, "-n", str(CONNECTIONS),
                            "--secs", "75")
        during = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while open_connections(both) < CONNECTIONS:
            time.sleep(0.1)
        time.sleep(5)
        calls, seconds = count(lambda: time.sleep(60))
        held = open_connections(both)
        during.wait()
    print(f"{held:,.0f} idle connections for {seconds:.0f} s: {calls / seconds:.2f} commands a second,"
          f" {(calls / seconds - background) * 60 / CONNECTIONS:.4f} per connection and minute")


def open_connections(every):
    each = (value for node in every for name, value in node.metrics().items()
            if name.startswith("tidegate_connections{"))
    return sum(each)


def storm(server, rounds):
    """All clients at once, to nodes that let so many in and ask the others to come again."""
    figures = []
    for _ in range(rounds):
        with nodes(server.port, LIMITS__HANDSHAKES_PER_SECOND=str(HANDSHAKES_PER_SECOND)) as both:
            figures.append(load("storm", addresses(both), both, "-n", str(CONNECTIONS)))
    print(f"{CONNECTIONS:,} at once, {HANDSHAKES_PER_SECOND:,} handshakes a second on each node:")
    print(f"  back after p50 {spread([it['back_after']['p50_ms'] / 1000 for it in figures])} s,"
          f" p99 {spread([it['back_after']['p99_ms'] / 1000 for it in figures])} s")
    print(f"  all back after {spread([it['total_seconds'] for it in figures])} s")
    for it in figures:
        print(f"  {it['back']:,} back, {it['attempts']:,} attempts, {it['attempts_max']} at most,"
              f" {it['refused']:,} refused with 503, {it['failed']} failed, {it['dropped']} dropped")
