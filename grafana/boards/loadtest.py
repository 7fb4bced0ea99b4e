"""A load test while it runs: the load, what becomes of it, and the nodes beside it."""

from boards.kit import Query, WINDOW, frame, lines, now, quantiles, rate, states


def board():
    return frame(
        "loadtest",
        "load test",
        "A run of loadtest --prometheus: what it sends and gets, in which time, and what that costs the nodes.",
        ("The run", _run()),
        ("Messages", _messages()),
        ("Connections", _connections()),
        ("What it costs", _costs()),
        ("The nodes", _nodes()),
    )


def _load(name, more=""):
    """The series of one metric of load tests, which belong to a cluster and to no node."""
    return f'{name}{{cluster="$cluster"{", " + more if more else ""}}}'


def _rate(name, by):
    legend = " ".join(f"{{{{{label}}}}}" for label in by.split())
    return Query(f"sum by ({', '.join(by.split())}) (rate({_load(name)}{WINDOW}))", legend)


def _quantiles(name, by=""):
    labels = ", ".join([*by.split(), "le"])
    legend = "".join(f" {{{{{label}}}}}" for label in by.split())

    def quantile(part):
        buckets = f"sum by ({labels}) (rate({_load(name + '_bucket')}{WINDOW}))"
        return Query(f"histogram_quantile({part}, {buckets})", f"{part * 100:g} %{legend}")

    return [quantile(part) for part in (0.5, 0.99, 0.999)]


def _run():
    return [
        states(
            "Phase",
            "What the run is doing: it is measured while it holds.",
            Query(f'max by (phase) ({_load("loadtest_phase")})', "{{phase}}"),
            {0: ("", "text"), 1: ("now", "blue")},
            width=16,
        ),
        lines(
            "Scenarios",
            "The scenarios that are running: 1 for each process that others are started by.",
            "none",
            Query(f'sum by (scenario) ({_load("loadtest_run")})', "{{scenario}}"),
        ),
    ]


def _messages():
    return [
        lines(
            "Messages",
            "Messages that clients have sent and received, by kind.",
            "cps",
            _rate("loadtest_received_total", "kind").called("received {{kind}}"),
            _rate("loadtest_sent_total", "kind").called("sent {{kind}}"),
        ),
        lines(
            "Latency",
            "From the time when a message was due to its reception: what leaves late, since something was busy, has waited by then.",
            "s",
            *_quantiles("loadtest_latency_seconds", "kind"),
        ),
        lines(
            "Errors",
            "What went wrong; nothing should.",
            "cps",
            _rate("loadtest_errors_total", "error"),
        ),
    ]


def _connections():
    return [
        lines(
            "Connections",
            "Connections that are open, beside the sessions that nodes have.",
            "none",
            Query(f'sum({_load("loadtest_connections")})', "of load tests"),
            now("tidegate_sessions", by="").called("sessions"),
        ),
        lines(
            "Handshakes",
            "From the start of a connection to the end of its handshake.",
            "s",
            *_quantiles("loadtest_handshake_seconds"),
        ),
        lines(
            "Connections lost",
            "Connections that ended without being asked to, or did not come to be, by reason; in a storm, refusals are among them.",
            "cps",
            _rate("loadtest_connections_lost_total", "reason"),
        ),
    ]


def _costs():
    return [
        lines(
            "CPU of the load generator",
            "Of each of its processes, in cores. From 95 % of one on, rates are its own and not the server's.",
            "percentunit",
            _rate("loadtest_generator_cpu_seconds_total", "process").called("process {{process}}"),
            limit=0.95,
        ),
        lines(
            "CPU of what is watched",
            "Of the processes of --server-pid and --other-pid, in cores.",
            "percentunit",
            _rate("loadtest_watched_cpu_seconds_total", "name pid role").called("{{name}} {{pid}}"),
        ),
        lines(
            "Memory of what is watched",
            "Resident, of the processes of --server-pid and --other-pid.",
            "bytes",
            Query(
                f'sum by (name, pid, role) ({_load("loadtest_watched_resident_bytes")})', "{{name}} {{pid}}"
            ),
        ),
    ]


def _nodes():
    return [
        lines(
            "Deliveries of the nodes",
            "Messages that nodes have handed to sessions.",
            "cps",
            rate("tidegate_deliveries_total"),
        ),
        lines(
            "Delivery time of the nodes",
            "As the nodes see it: without the way to the client, and without what waits before it is read.",
            "s",
            *quantiles("tidegate_delivery_seconds"),
        ),
        lines(
            "CPU of the nodes",
            "User and system, in cores.",
            "percentunit",
            rate("tidegate_process_cpu_seconds_total"),
        ),
    ]
