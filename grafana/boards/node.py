"""Node: one process, from its sockets to its clients."""

from boards.kit import Query, buckets, figure, frame, growth, lines, now, quantiles, rate, series, share


def board():
    return frame(
        "node",
        "node",
        "One node: its process, its front door, its sessions and their messages.",
        ("Now", _now()),
        ("Process", _process()),
        ("Front door", _door()),
        ("Sessions", _sessions()),
        ("Messages", _messages()),
        ("What waits", _waiting()),
        ("What is remembered", _remembered()),
        one_node=True,
    )


def _now():
    return [
        figure("Ready", "1 while the node wants clients.", "none", now("tidegate_ready", by=""), good=1),
        figure(
            "Version",
            "What the node runs.",
            "none",
            now("tidegate_build_info", by="version"),
            text="name",
        ),
        figure("Uptime", "Time since the start.", "s", now("tidegate_uptime_seconds", by="")),
        figure("Open sessions", "Sessions that messages can reach.", "short", now("tidegate_sessions", by="")),
        figure(
            "Nodes it knows",
            "Living nodes, itself included.",
            "none",
            now("tidegate_nodes", by=""),
            good=1,
        ),
        figure(
            "Certificate",
            "Time until the first certificate of the public listeners expires. Nothing without TLS.",
            "s",
            Query(f"min({series('tidegate_certificate_expiry_time_seconds')} > 0) - time()", "left"),
            good=14 * 86400,
        ),
    ]


def _process():
    return [
        lines(
            "CPU",
            "Processors in use.",
            "none",
            rate("tidegate_process_cpu_seconds_total", by="").called("user and system"),
        ),
        lines(
            "Memory and what is in it",
            "Memory of the process in RAM, its address space left out; and what waits in it.",
            "bytes",
            now("tidegate_process_resident_memory_bytes", by="").called("in RAM"),
            now("tidegate_outbox_bytes", by="").called("waits for clients"),
            now("tidegate_uplink_bytes", by="").called("waits for other nodes"),
            now("tidegate_retained_bytes", by="").called("kept for later subscribers"),
        ),
        lines(
            "Address space",
            "Of the process: much of it is never used.",
            "bytes",
            now("tidegate_process_virtual_memory_bytes", by="").called("address space"),
        ),
        lines(
            "Open files",
            "One for each connection and some more. At the limit, accepting pauses.",
            "short",
            now("tidegate_process_open_fds", by="").called("open"),
            now("tidegate_process_max_fds", by="").called("limit"),
        ),
        lines("Threads", "Threads of the process.", "none", now("tidegate_process_threads", by="").called("threads")),
        lines(
            "Starts and reloads",
            "Restarts of the process, and times its configuration was read again.",
            "none",
            Query(f"sum(changes({series('tidegate_process_start_time_seconds')}[$__rate_interval]))", "starts"),
            growth("tidegate_reloads_total", by="outcome").called("reload {{outcome}}"),
            now("tidegate_configuration_outdated", by="").called("runs with an old configuration"),
        ),
    ]


def _door():
    return [
        lines(
            "Handshakes",
            "Connections accepted, and upgrades that became sessions.",
            "cps",
            rate("tidegate_connections_accepted_total", by="").called("accepted"),
            rate("tidegate_handshakes_total", by="").called("upgraded"),
            rate("tidegate_rejections_total", by="").called("refused"),
        ),
        lines(
            "Refused, by reason",
            "Connections and requests that did not become sessions.",
            "cps",
            rate("tidegate_rejections_total", by="reason"),
        ),
        lines(
            "Time of a handshake",
            "From a connection to its upgrade.",
            "s",
            *quantiles("tidegate_handshake_seconds"),
        ),
        lines(
            "Errors of accepting",
            "For want of open files, for example. Each is followed by a pause.",
            "none",
            growth("tidegate_accept_errors_total", by="").called("errors"),
        ),
    ]


def _sessions():
    return [
        lines(
            "Sessions and their limit",
            "Connections that are open, and how many may be.",
            "short",
            now("tidegate_connections", by="").called("open"),
            now("tidegate_connections_max", by="").called("limit"),
        ),
        lines(
            "Ends, by reason",
            "Sessions that ended.",
            "cps",
            rate("tidegate_sessions_closed_total", by="reason"),
        ),
        lines(
            "Over their rate",
            "Times a session was not read for a while, since it sent too much.",
            "cps",
            rate("tidegate_throttled_total", by="dialect"),
        ),
        lines(
            "Topics",
            "Topics with subscribers here, without those of single sessions and of all.",
            "short",
            now("tidegate_topics", by="").called("topics"),
        ),
    ]


def _messages():
    deliveries, published = rate("tidegate_deliveries_total", by=""), rate("tidegate_messages_published_total", by="")
    out = rate("tidegate_messages_total", by="", more='direction="out"')
    writes = rate("tidegate_socket_writes_total", by="")
    return [
        lines(
            "In and out",
            "Messages from clients, and data frames written to them.",
            "cps",
            rate("tidegate_messages_total", by="direction"),
        ),
        lines(
            "Published",
            "Messages published here, by kind of topic.",
            "cps",
            rate("tidegate_messages_published_total", by="kind"),
        ),
        lines(
            "Fan-out",
            "Sessions that a message reaches on average.",
            "short",
            share(deliveries, published, "sessions for each message"),
        ),
        lines(
            "Frames per write",
            "Frames in one call of the system. Near 1 without load; it grows with it, and that is where the capacity "
            "comes from.",
            "short",
            share(out, writes, "frames for each write"),
        ),
        lines(
            "Delivery time",
            "From a publish to the write to its last subscriber of a shard.",
            "s",
            *quantiles("tidegate_delivery_seconds"),
        ),
        buckets(
            "Delivery times",
            "How many deliveries took how long.",
            "tidegate_delivery_seconds",
        ),
        lines(
            "Not delivered",
            "Messages that took the place of an older one, were for nobody, or came too late.",
            "cps",
            rate("tidegate_messages_conflated_total", by="").called("conflated"),
            rate("tidegate_messages_undeliverable_total", by="").called("undeliverable"),
            rate("tidegate_messages_expired_total", by="kind").called("expired: {{kind}}"),
        ),
    ]


def _waiting():
    return [
        lines(
            "Waiting bytes and their limit",
            "What waits in all outboxes. At the limit of a shard, sessions that lag are closed.",
            "bytes",
            now("tidegate_outbox_bytes", by="").called("waiting"),
            now("tidegate_outbox_max_bytes", by="").called("limit"),
        ),
        lines(
            "Deliveries waiting",
            "Published messages that are not in all outboxes of their subscribers yet. At 4096 for a shard, "
            "publishers wait.",
            "short",
            now("tidegate_deliveries_waiting", by="").called("messages"),
        ),
        lines(
            "Publishers that wait",
            "Publishes that found no room and are tried again.",
            "cps",
            rate("tidegate_publishes_busy_total", by="").called("publishes"),
        ),
        lines(
            "Kept for later subscribers",
            "Kept messages that gave way before their time, for want of room.",
            "none",
            growth("tidegate_retained_evicted_total", by="").called("gave way"),
        ),
        lines(
            "Slow consumers by dialect",
            "Sessions closed since they did not take their messages.",
            "none",
            growth("tidegate_slow_consumers_total", by="dialect"),
        ),
    ]


def _remembered():
    return [
        lines(
            "Memory of messages",
            "How far back all steps of messages are remembered: what tidegate explain can tell of.",
            "s",
            now("tidegate_trace_memory_seconds", by="").called("remembered"),
        ),
        lines(
            "Bytes of steps",
            "What the remembered steps take. At trace.memory_bytes_max the oldest give way.",
            "bytes",
            now("tidegate_trace_bytes", by="").called("steps"),
        ),
        lines(
            "Steps of messages",
            "Steps that were remembered, and those that gave way to them.",
            "cps",
            rate("tidegate_trace_steps_total", by="").called("remembered"),
            rate("tidegate_trace_overwritten_total", by="").called("overwritten"),
        ),
        lines(
            "Who follows topics",
            "Topics that somebody follows. While there are any, every message costs some more.",
            "none",
            now("tidegate_tail_watches", by="").called("followed"),
            growth("tidegate_tail_left_out_total", by="").called("events left out"),
        ),
    ]
