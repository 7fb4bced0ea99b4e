"""Overview: is everybody served, and in time."""

from boards.kit import Query, figure, frame, growth, lines, now, quantile, rate, series, share, states, table

# Reasons that everyday life has; the others deserve a look.
EVERYDAY = 'reason!~"client_closed|client_gone|idle|logged_out"'
UP = series("up", 'job="tidegate"')
FIRING = 'alertname=~"Tidegate.+", alertstate="firing", cluster="$cluster"'


def board():
    return frame(
        "overview",
        "overview",
        "Whether clients are served, how many there are, and what they are refused.",
        ("Now", _now()),
        ("Nodes", _nodes()),
        ("Clients", _clients()),
        ("Messages", _messages()),
    )


def _now():
    return [
        figure(
            "Nodes ready",
            "Nodes that want clients.",
            "none",
            now("tidegate_ready", by=""),
            good=1,
        ),
        figure(
            "Nodes not ready",
            "Nodes that Prometheus knows of and that do not want clients: away, starting or draining.",
            "none",
            Query(f"count({UP}) - sum({series('tidegate_ready')})", "all"),
            bad=1,
        ),
        figure("Sessions", "Sessions that messages can reach.", "short", now("tidegate_sessions", by="")),
        figure(
            "Messages out",
            "Data frames written to clients.",
            "cps",
            rate("tidegate_messages_total", by="", more='direction="out"'),
        ),
        figure(
            "Delivery, 99 %",
            "Time from a publish to the write to its last subscriber on the same node.",
            "s",
            quantile(0.99, "tidegate_delivery_seconds"),
            bad=0.1,
        ),
        figure(
            "Alerts firing",
            "Alerts of this cluster that fire, whatever nodes are chosen. docs/RUNBOOK.md says what to do.",
            "none",
            Query(f"count(ALERTS{{{FIRING}}}) or vector(0)", "all"),
            bad=1,
        ),
        table(
            "Alerts",
            "Alerts of this cluster that wait or fire. Empty is good.",
            Query('ALERTS{alertname=~"Tidegate.+", cluster="$cluster"}', ""),
            hidden=["cluster", "instance", "job"],
            width=24,
        ),
    ]


def _nodes():
    return [
        states(
            "Readiness",
            "Whether each node wants clients.",
            now("tidegate_ready"),
            {0: ("not ready", "red"), 1: ("ready", "green")},
        ),
        lines(
            "Processor",
            "Processors in use. A node is full when all of its shards are busy: one for each core by default.",
            "none",
            rate("tidegate_process_cpu_seconds_total"),
        ),
        lines(
            "Memory",
            "Memory of the processes in RAM.",
            "bytes",
            now("tidegate_process_resident_memory_bytes"),
        ),
        lines(
            "Limits in use",
            "How full what has a limit is: sessions, open files, bytes that wait for clients. New ones are refused, "
            "or slow clients closed, at 100 %. Of the fullest node.",
            "percentunit",
            _full("tidegate_connections", "tidegate_connections_max", "sessions"),
            _full("tidegate_process_open_fds", "tidegate_process_max_fds", "open files"),
            _full("tidegate_outbox_bytes", "tidegate_outbox_max_bytes", "waiting bytes"),
            limit=0.8,
        ),
        lines(
            "Versions",
            "Nodes of each version.",
            "none",
            now("tidegate_build_info", by="version"),
            stacked=True,
        ),
        lines("Uptime", "Time since each node started.", "s", now("tidegate_uptime_seconds")),
    ]


def _full(name, limit, legend):
    part, whole = now(name), now(limit)
    return Query(f"max({share(part, whole, '').expr})", legend)


def _clients():
    return [
        lines(
            "Sessions by dialect",
            "Connections that are open.",
            "short",
            now("tidegate_connections", by="dialect"),
            stacked=True,
        ),
        lines("Sessions by node", "Sessions that messages can reach.", "short", now("tidegate_sessions")),
        lines(
            "Coming and going",
            "Sessions that began and that ended.",
            "cps",
            rate("tidegate_sessions_opened_total", by="").called("opened"),
            rate("tidegate_sessions_closed_total", by="").called("closed"),
        ),
        lines(
            "Sessions that ended",
            "By reason, without everyday ones: clients that left, were silent or logged out.",
            "cps",
            rate("tidegate_sessions_closed_total", by="reason", more=EVERYDAY),
        ),
        lines(
            "Refused",
            "Connections that did not become sessions, by reason.",
            "cps",
            rate("tidegate_rejections_total", by="reason"),
        ),
        lines(
            "Logins",
            "Answers to the question whether a credential is good.",
            "cps",
            rate("tidegate_logins_total", by="outcome"),
        ),
    ]


def _messages():
    return [
        lines(
            "Messages by dialect",
            "Messages from clients, and data frames written to them.",
            "cps",
            rate("tidegate_messages_total", by="dialect direction"),
        ),
        lines(
            "Bytes",
            "Bytes from and to clients after the upgrade, before encryption.",
            "Bps",
            rate("tidegate_bytes_total", by="direction"),
        ),
        lines(
            "Delivery",
            "Time from a publish to the write to its last subscriber: on the same node, and to sessions of other "
            "nodes as far as their outboxes.",
            "s",
            quantile(0.5, "tidegate_delivery_seconds").called("same node, 50 %"),
            quantile(0.99, "tidegate_delivery_seconds").called("same node, 99 %"),
            quantile(0.99, "tidegate_bus_delivery_seconds").called("other nodes, 99 %"),
        ),
        lines(
            "Slow consumers",
            "Sessions closed since they did not take their messages.",
            "none",
            growth("tidegate_slow_consumers_total"),
        ),
        lines(
            "Publishes",
            "Messages published, by kind of topic.",
            "cps",
            rate("tidegate_messages_published_total", by="kind"),
        ),
        lines(
            "HTTP API",
            "Requests of applications to the HTTP API.",
            "reqps",
            rate("tidegate_api_requests_total", by="outcome"),
        ),
    ]
