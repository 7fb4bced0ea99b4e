"""Dialects: who speaks what, who is let in, and by whose word."""

from boards.kit import frame, growth, lines, now, quantile, quantiles, rate


def board():
    return frame(
        "dialects",
        "dialects",
        "What is special about each dialect, and who decides who comes in.",
        ("Sessions", _sessions()),
        ("Messages", _messages()),
        ("Logins", _logins()),
        ("Services that decide", _deciding()),
        ("Chat and bridge", _others()),
        ("Live rooms", _live()),
    )


def _sessions():
    return [
        lines(
            "Open sessions by dialect",
            "Connections that are open.",
            "short",
            now("tidegate_connections", by="dialect"),
            stacked=True,
        ),
        lines(
            "Opened",
            "Sessions that began.",
            "cps",
            rate("tidegate_sessions_opened_total", by="dialect"),
        ),
        lines(
            "Closed by dialect and reason",
            "Sessions that ended.",
            "cps",
            rate("tidegate_sessions_closed_total", by="dialect reason"),
        ),
        lines(
            "Silent",
            "Sessions closed since their clients were silent for longer than the limit.",
            "cps",
            rate("tidegate_idle_evictions_total", by="dialect"),
        ),
        lines(
            "Slow",
            "Sessions closed since they did not take their messages.",
            "cps",
            rate("tidegate_slow_consumers_total", by="dialect"),
        ),
        lines(
            "Throttled",
            "Times a session was not read for a while, since it was over its rate.",
            "cps",
            rate("tidegate_throttled_total", by="dialect"),
        ),
    ]


def _messages():
    return [
        lines(
            "From clients",
            "Messages from clients.",
            "cps",
            rate("tidegate_messages_total", by="dialect", more='direction="in"'),
        ),
        lines(
            "To clients",
            "Data frames written to clients.",
            "cps",
            rate("tidegate_messages_total", by="dialect", more='direction="out"'),
        ),
        lines(
            "Bytes by dialect",
            "Bytes from and to clients, before encryption.",
            "Bps",
            rate("tidegate_bytes_total", by="dialect direction"),
        ),
    ]


def _logins():
    return [
        lines(
            "Logins by dialect",
            "Answers to the question whether a credential is good.",
            "cps",
            rate("tidegate_logins_total", by="dialect outcome"),
        ),
        lines(
            "Login hooks",
            "Calls of the services that check credentials.",
            "cps",
            rate("tidegate_auth_hooks_total", by="outcome"),
        ),
        lines("Time of login hooks", "Of calls that were made.", "s", *quantiles("tidegate_auth_hook_seconds")),
        lines(
            "Tokens of im",
            "Answers to requests for tokens.",
            "reqps",
            rate("tidegate_im_tokens_total", by="outcome"),
        ),
    ]


def _deciding():
    return [
        lines(
            "Who comes in",
            "Calls of the service of backend.connect. But for allowed and denied, when_down has counted.",
            "cps",
            rate("tidegate_connect_hooks_total", by="outcome"),
        ),
        lines(
            "Who joins a room",
            "Calls of the service of backend.subscribe. But for allowed and denied, when_down has counted.",
            "cps",
            rate("tidegate_subscribe_hooks_total", by="outcome"),
        ),
        lines(
            "Time of a decision",
            "Of calls that were made.",
            "s",
            quantile(0.5, "tidegate_connect_hook_seconds").called("comes in, 50 %"),
            quantile(0.99, "tidegate_connect_hook_seconds").called("comes in, 99 %"),
            quantile(0.5, "tidegate_subscribe_hook_seconds").called("joins, 50 %"),
            quantile(0.99, "tidegate_subscribe_hook_seconds").called("joins, 99 %"),
        ),
    ]


def _others():
    return [
        lines(
            "Chat messages",
            "Of im clients. Kept and repeated ones were acknowledged.",
            "cps",
            rate("tidegate_chat_messages_total", by="outcome"),
        ),
        lines(
            "Time to an acknowledgement",
            "From a chat message to what says that it is kept and on its way.",
            "s",
            *quantiles("tidegate_chat_ack_seconds"),
        ),
        lines(
            "Chat calls that failed",
            "Histories, contacts and orders that came to nothing for want of a service.",
            "none",
            growth("tidegate_chat_failures_total"),
        ),
        lines(
            "Bridge of ride",
            "What applications published to the channel of backend.pubsub_channel.",
            "cps",
            rate("tidegate_bridge_messages_total", by="outcome"),
        ),
        lines(
            "Bridge connected",
            "Times the channel was subscribed to. After the first, something may have been lost in between.",
            "none",
            growth("tidegate_bridge_connects_total"),
        ),
    ]


def _live():
    return [
        lines(
            "Calls in live rooms",
            "By outcome; failed: for want of Redis or the database.",
            "cps",
            rate("tidegate_live_calls_total", by="outcome"),
        ),
        lines(
            "Said and not delivered",
            "What was said in live rooms, is kept, and found no room on its way.",
            "none",
            growth("tidegate_live_unrouted_total"),
        ),
    ]
