"""What a delivery and a connection cost as nodes and their connections become more; all nodes and a Redis on core 0."""

import contextlib
import os
import time

from bench_cluster import addresses, nodes, open_connections
from bench_nodes import gateway, load
from bench_redis import redis

NODES = (1, 2, 4, 6)
# Of each node; files are limited to 20,000 a process, at both ends.
CONNECTIONS = (100, 1_000, 10_000, 19_000)
# Of each node, so that a core carries six of them, and a wake has little to share.
DELIVERIES_PER_SECOND = 8_000
MEMBERS = 50
SECONDS = "10"
QUIET_SECONDS = 20


def growth(_rounds):
    # Whoever measures shares the core of the load generator.
    os.sched_setaffinity(0, {1})
    print("| nodes | connections of each | KiB per connection | us per delivery, nodes | Redis |"
          " commands a second for nothing | us CPU a second for nothing, per node |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for count in NODES:
        for connections in CONNECTIONS:
            with cluster(count) as (all_nodes, server):
                row(all_nodes, server, connections)


@contextlib.contextmanager
def cluster(count):
    """So many nodes and their Redis; one alone needs none."""
    # Thousands of members of rooms connect within seconds, and stay while others do.
    settings = {"LIMITS__IDLE": "10m"}
    with contextlib.ExitStack() as stack:
        if count == 1:
            yield [stack.enter_context(gateway(**settings))], None
        else:
            server = stack.enter_context(redis())
            yield stack.enter_context(nodes(server.port, count, **settings)), server


def row(all_nodes, server, connections):
    count = len(all_nodes)
    quiet_commands, quiet_cpu = quiet(all_nodes, server)
    total = str(count * connections)
    # Memory first: what rooms leave behind would count for the connections.
    idle = run("idle", all_nodes, server, "-n", total, "--secs", "5")
    # All are gone before the next ones come.
    while 0 < open_connections(all_nodes):
        time.sleep(0.2)
    rate = count * DELIVERIES_PER_SECOND / (MEMBERS - 1)
    room = run("room", all_nodes, server, "-n", total, "--rate", f"{rate:.3f}", "--secs", SECONDS)
    deliveries = room["deliveries"]
    used = [it["cpu_seconds"] * 1e6 / deliveries for it in room["processes"]]
    of_nodes, of_redis = sum(used[:count]), sum(used[count:])
    print(f"| {count} | {connections:,} | {idle['bytes_per_connection'] / 1024:.2f} | {of_nodes:.1f} |"
          f" {of_redis:.1f} | {quiet_commands:.0f} | {quiet_cpu:,.0f} |", flush=True)
    for report in (idle, room):
        if not report["valid"]:
            print(f"  {report['scenario']}: {report['invalid_reason']}")


def quiet(all_nodes, server):
    """What they do without a connection: commands to Redis a second, and microseconds of CPU of a node a second."""
    def counted():
        return time.monotonic(), sum(server.calls().values()) if server else 0, cpu_seconds(all_nodes)

    began, calls, used = counted()
    time.sleep(QUIET_SECONDS)
    ended, more_calls, more_used = counted()
    seconds = ended - began
    return (more_calls - calls) / seconds, 1e6 * (more_used - used) / seconds / len(all_nodes)


def run(scenario, all_nodes, server, *options):
    # As many processes as nodes, since files are limited for both.
    options += ("--processes", str(len(all_nodes)), "--patience", "60")
    if server:
        options += ("--other-pid", str(server.process.pid))
    return load(scenario, addresses(all_nodes), all_nodes, *options)


def cpu_seconds(all_nodes):
    return sum(node.metrics()["tidegate_process_cpu_seconds_total"] for node in all_nodes)
