"""What a delivery and a connection cost as nodes and their connections become more; all nodes and a Redis on core 0."""

import contextlib
import os
import subprocess
import tempfile
import time
from pathlib import Path

from bench_cluster import addresses, nodes, open_connections
from bench_nodes import gateway, generator, load
from bench_redis import redis

NODES = (1, 2, 4, 6)
# Of each node; files are limited to 20,000 a process, at both ends.
CONNECTIONS = (100, 1_000, 10_000, 19_000)
# Of each node, so that a core carries six of them, and a wake has little to share.
DELIVERIES_PER_SECOND = 8_000
MEMBERS = 50
SECONDS = "10"
QUIET_SECONDS = 20
COMINGS = 40_000
# Thousands of members of rooms connect within seconds, and stay while others do.
SETTINGS = {"LIMITS__IDLE": "10m"}


def growth(_rounds):
    # Whoever measures shares the core of the load generator.
    os.sched_setaffinity(0, {1})
    kernel_memory()
    print("| nodes | connections of each | KiB per connection | us per delivery, nodes | Redis |"
          " commands a second for nothing | us CPU a second for nothing, per node |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for count in NODES:
        calm = None
        for connections in CONNECTIONS:
            with cluster(count) as (all_nodes, server):
                calm = calm or quiet(all_nodes, server)
                row(all_nodes, server, connections, calm)
    print("\n| nodes | us CPU of Redis for a connection that comes and goes | KiB in | KiB out |"
          " us CPU of all nodes |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    for count in NODES[1:]:
        with cluster(count) as (all_nodes, server):
            comings(all_nodes, server)
    print("\n| nodes | positions a second | us CPU of all nodes for one | Redis |")
    print("| ---: | ---: | ---: | ---: |")
    for count in NODES:
        with cluster(count) as (all_nodes, server):
            rides(all_nodes, server)


def kernel_memory():
    """What the kernel keeps for a connection: its slabs grow by nothing else meanwhile."""
    count = CONNECTIONS[-1]
    with gateway(**SETTINGS) as node, tempfile.NamedTemporaryFile() as file:
        before = slabs_kib()
        command = generator("idle", node.public, [node], file.name, "-n", str(count), "--secs", "5")
        during = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while open_connections([node]) < count:
            time.sleep(0.1)
        time.sleep(2)
        used = (slabs_kib() - before) / count
        during.wait()
    print(f"kernel: {used:.1f} KiB of slabs for a connection, both ends together\n")


def slabs_kib():
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Slab:"))


@contextlib.contextmanager
def cluster(count):
    """So many nodes and their Redis; one alone needs none."""
    with contextlib.ExitStack() as stack:
        if count == 1:
            yield [stack.enter_context(gateway(**SETTINGS))], None
        else:
            server = stack.enter_context(redis())
            yield stack.enter_context(nodes(server.port, count, **SETTINGS)), server


def row(all_nodes, server, connections, calm):
    count = len(all_nodes)
    commands, cpu = calm
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
          f" {of_redis:.1f} | {commands:.0f} | {cpu:,.0f} |", flush=True)
    for report in (idle, room):
        if not report["valid"]:
            print(f"  {report['scenario']}: {report['invalid_reason']}")


def comings(all_nodes, server):
    """What every connection costs all others: who comes and goes is told to each node."""
    traffic, used = server.traffic_bytes(), server.cpu_seconds()
    report = run("handshake", all_nodes, server, "-n", str(COMINGS))
    # What goes is announced a moment later.
    time.sleep(3)
    used = 1e6 * (server.cpu_seconds() - used) / COMINGS
    into, out = ((late - early) / COMINGS / 1024 for early, late in zip(traffic, server.traffic_bytes()))
    of_nodes = 1e6 * sum(it["cpu_seconds"] for it in report["processes"][:len(all_nodes)]) / COMINGS
    print(f"| {len(all_nodes)} | {used:.1f} | {into:.2f} | {out:.2f} | {of_nodes:.0f} |", flush=True)


def rides(all_nodes, server):
    """Drivers at all nodes who tell each a passenger where they are, once a second: nothing waits for anything else."""
    count = len(all_nodes)
    total = str(count * CONNECTIONS[-1] // 2 * 2)
    report = run("unicast", all_nodes, server, "-n", total, "--positions", "1", "--secs", SECONDS)
    messages = report["messages"]
    used = [1e6 * it["cpu_seconds"] / messages for it in report["processes"]]
    print(f"| {count} | {report['messages_per_second']:,.0f} | {sum(used[:count]):.1f} | {sum(used[count:]):.1f} |", flush=True)
    if not report["valid"]:
        print(f"  {report['invalid_reason']}")


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
