"""Cluster: the bus between nodes, and who knows whom."""

from boards.kit import frame, growth, lines, now, quantile, quantiles, rate, share


def board():
    return frame(
        "cluster",
        "cluster bus and presence",
        "What nodes say to one another through Redis. A node without a cluster shows zeros.",
        ("Members", _members()),
        ("Bus", _bus()),
        ("Losses", _losses()),
        ("Presence", _presence()),
    )


def _members():
    return [
        lines(
            "Nodes known",
            "Living nodes that each node knows of. All should say the same.",
            "none",
            now("tidegate_nodes"),
        ),
        lines(
            "Version of the bus",
            "In which version each node writes to all others, and which it could. They differ while releases are mixed.",
            "none",
            now("tidegate_bus_version").called("{{node}} speaks"),
            now("tidegate_bus_version_max").called("{{node}} knows"),
        ),
        lines(
            "Age of the canary",
            "Each node sends itself a message through Redis every second. Stale for 5 s, it is not ready.",
            "s",
            now("tidegate_canary_age_seconds", function="max"),
            limit=5,
        ),
        lines(
            "Deaths",
            "Dead nodes that were reaped, and nodes that found that the others had given them up.",
            "none",
            growth("tidegate_takeovers_total", by="").called("reaped"),
            growth("tidegate_fenced_total", by="").called("fenced"),
            growth("tidegate_cluster_reopened_total", by="").called("found other data in Redis"),
        ),
    ]


def _bus():
    out = 'direction="out"'
    envelopes = rate("tidegate_bus_envelopes_total", by="", more=out)
    entries = rate("tidegate_bus_entries_total", by="", more=out)
    return [
        lines(
            "Delivery to other nodes",
            "From a publish on another node to the delivery to sessions here, by both clocks: with clocks that differ "
            "it is wrong by as much.",
            "s",
            *quantiles("tidegate_bus_delivery_seconds"),
        ),
        lines(
            "Round trip of the canary",
            "From a node through Redis to its own inbox and back.",
            "s",
            *quantiles("tidegate_bus_round_trip_seconds"),
        ),
        lines(
            "Round trip by node",
            "99 % of the canaries.",
            "s",
            quantile(0.99, "tidegate_bus_round_trip_seconds", by="node"),
        ),
        lines(
            "Entries",
            "Entries written into inboxes of nodes, and read from them.",
            "cps",
            rate("tidegate_bus_entries_total", by="direction"),
        ),
        lines(
            "Messages",
            "Messages, questions, answers and canaries in these entries.",
            "cps",
            rate("tidegate_bus_envelopes_total", by="direction"),
        ),
        lines(
            "Messages per entry",
            "Near 1 without load; under load hundreds travel together.",
            "short",
            share(envelopes, entries, "messages in each entry"),
        ),
        lines(
            "Waiting in inboxes",
            "Entries that a node has not read. Beyond 100,000 messages, what is not durable is lost.",
            "short",
            now("tidegate_inbox_entries"),
        ),
        lines(
            "Waiting in uplinks",
            "Bytes on their way to other nodes.",
            "bytes",
            now("tidegate_uplink_bytes"),
        ),
        lines(
            "Refused for want of room",
            "Publishes that found the way to other nodes full; they are tried again.",
            "cps",
            rate("tidegate_bus_busy_total"),
        ),
    ]


def _losses():
    return [
        lines(
            "Lost",
            "Messages between nodes that are lost, by reason. The log has the ranges.",
            "none",
            growth("tidegate_bus_lost_total", by="reason"),
        ),
        lines(
            "Errors of Redis",
            "Calls that failed. What can be repeated is.",
            "none",
            growth("tidegate_bus_errors_total"),
        ),
        lines(
            "Repeated and conflated",
            "Messages that came twice and were dropped; and those that took the place of an older one on their way.",
            "cps",
            rate("tidegate_bus_repeated_total", by="").called("came twice"),
            rate("tidegate_bus_conflated_total", by="").called("conflated"),
        ),
    ]


def _presence():
    return [
        lines(
            "Topics known",
            "Topics with subscribers on other nodes, and on the node itself.",
            "short",
            now("tidegate_directory_topics").called("{{node}}: elsewhere"),
            now("tidegate_topics").called("{{node}}: here"),
        ),
        lines(
            "News",
            "Entries of the presence stream that nodes wrote, and that they read of others.",
            "cps",
            rate("tidegate_presence_deltas_total", by="direction"),
        ),
        lines(
            "Not announced yet",
            "Changes on their way into the presence stream. Until they are there, others do not know of them.",
            "short",
            now("tidegate_presence_pending"),
        ),
        lines(
            "Gaps and snapshots",
            "Gaps that a node found in the stream, entries that it could not read, and snapshots that were written to mend them or for a new node.",
            "none",
            growth("tidegate_presence_gaps_total", by="").called("gaps"),
            growth("tidegate_presence_unreadable_total", by="").called("unreadable"),
            growth("tidegate_presence_snapshots_total", by="").called("snapshots"),
        ),
    ]
