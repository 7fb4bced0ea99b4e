"""The load that every server gets, and what is read off it."""

import subprocess
from dataclasses import dataclass

from bench_nodes import load


@dataclass
class Load:
    """How much of it. Seconds are text, as they are passed on."""

    subscribers: int
    seconds: str
    warmup: str
    idle: int
    handshakes: int
    light: int
    clients: int


FULL = Load(subscribers=1000, seconds="2", warmup="1", idle=10_000, handshakes=10_000, light=100, clients=100)
SMOKE = Load(subscribers=50, seconds="0.3", warmup="0.1", idle=100, handshakes=100, light=10, clients=10)
# Messages a second at which no server has anything to do most of the time.
LIGHT_RATE = "20"
# Of Django Channels one message takes a fifth of a second to a thousand subscribers.
PATIENCE = ("--patience", "60")


def measure(server, count, amount):
    """One round of it: figures by name, None for what went wrong, in words in `problems`."""
    figures, problems = {}, []

    def take(name, scenario, addresses, processes, *options, **fields):
        try:
            report = load(scenario, ",".join(addresses), processes, *PATIENCE, *server.options, *options)
        except subprocess.CalledProcessError:
            problems.append(f"{name}: the run failed")
            return
        if report.get("valid") is False and "saturated" not in report["invalid_reason"]:
            problems.append(f"{name}: {report['invalid_reason']}")
            return
        figures.update({field: read(report) for field, read in fields.items()})

    if count == 1:
        with server.running(1) as (addresses, processes):
            take("idle", "idle", addresses, processes, "-n", str(amount.idle), "--secs", "0.5",
                 idle_bytes=lambda it: it["bytes_per_connection"])
        # Another one, which has no connections to close.
        with server.running(1) as (addresses, processes):
            take("handshake", "handshake", addresses, processes, "-n", str(amount.handshakes),
                 connects_per_second=lambda it: it["handshakes_per_second"],
                 connects=lambda it: it["handshakes_per_server_cpu_second"])
            for outstanding in ("1", "4"):
                take(f"echo, {outstanding} outstanding", "echo", addresses, processes, "-n", str(amount.clients),
                     "--outstanding", outstanding, "--secs", amount.seconds,
                     **{f"echoes_{outstanding}": lambda it: it["echoes_per_server_cpu_second"]})
    with server.running(count) as (addresses, processes):
        fanout = ("--wait", "--warmup", amount.warmup, "--secs", amount.seconds, *server.fanout)
        for outstanding in ("8", "1"):
            take(f"fanout, {outstanding} outstanding", "fanout", addresses, processes, *fanout,
                 "-n", str(amount.subscribers), "--outstanding", outstanding,
                 **{f"deliveries_{outstanding}": lambda it: it["deliveries_per_server_cpu_second"]})
        take("fanout at light load", "fanout", addresses, processes, *fanout, "-n", str(amount.light),
             "--rate", LIGHT_RATE, "--collect", "0",
             p50=lambda it: it["latency_each"]["p50_ms"], p99=lambda it: it["latency_each"]["p99_ms"])
        if amount is SMOKE:
            # Whether rooms and pairs are as its file says; nothing is compared by them.
            talk = ("-n", "24", "--warmup", amount.warmup, "--secs", amount.seconds)
            take("rooms", "room", addresses, processes, *talk, "--rooms", "12x2", "--outstanding", "1")
            take("pairs", "unicast", addresses, processes, *talk, "--outstanding", "8")
    return {**figures, "problems": problems}
