"""The gateway and uWebSockets, both on core 0, in turns of seconds: what others do on the machine meets both."""

from bench_nodes import SECRET, gateway, load, ratio, spread
from rivals_install import install
from rivals_servers import SERVERS

SUBSCRIBERS = "1000"
FANOUT = ("fanout", "-n", SUBSCRIBERS, "--wait", "--warmup", "0.5", "--secs", "2", "--outstanding")
ECHO = ("echo", "-n", "100", "--secs", "2", "--outstanding")
DELIVERIES, ECHOES = "deliveries_per_server_cpu_second", "echoes_per_server_cpu_second"
CASES = {
    "fan-out, 8 outstanding": ((*FANOUT, "8"), DELIVERIES),
    "fan-out, 1 outstanding": ((*FANOUT, "1"), DELIVERIES),
    "echo, 1 outstanding": ((*ECHO, "1"), ECHOES),
    "echo, 4 outstanding": ((*ECHO, "4"), ECHOES),
    "connects": (("handshake", "-n", "20000"), "handshakes_per_server_cpu_second"),
}


def uws(rounds):
    rival = next(it for it in SERVERS if it.name == "uws")
    install([rival])
    with gateway() as node, rival.running(1) as ([address], [process]):
        for name, ((scenario, *options), figure) in CASES.items():
            ours, theirs = [], []
            backend = ("--backend", f"bench:{SECRET}") if scenario == "fanout" else ()
            for _ in range(rounds):
                ours.append(load(scenario, node.public, [node], *options, *backend)[figure])
                theirs.append(load(scenario, address, [process], *options, *rival.options)[figure])
            print(f"{name}: gateway {spread(ours)}, uWebSockets {spread(theirs)} per CPU-second,"
                  f" {ratio(ours, theirs)} times as many, pair by pair", flush=True)
