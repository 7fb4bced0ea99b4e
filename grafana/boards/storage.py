"""Storage: what must not be lost, and where it is on its way to."""

from boards.kit import frame, growth, lines, now, rate


def board():
    return frame(
        "storage",
        "storage",
        "Chat on its way to the database, mail of users, pushes, and what is remembered.",
        ("Archive", _archive()),
        ("Mail", _mail()),
        ("Pushes", _pushes()),
    )


def _archive():
    return [
        lines(
            "Behind",
            "Age of the oldest message that is in no database yet.",
            "s",
            now("tidegate_archive_lag_seconds", function="max"),
            limit=60,
        ),
        lines(
            "Waiting for the database",
            "Messages of the cluster that were accepted and are in no database yet, as each node sees it.",
            "short",
            now("tidegate_archive_entries", function="max"),
        ),
        lines(
            "Moved",
            "Messages by what became of them: stored, dead since the database refuses them, drained from the list of "
            "older servers.",
            "cps",
            rate("tidegate_archive_records_total", by="outcome"),
        ),
        lines(
            "Errors of the archive",
            "Calls of the database or of Redis that failed while messages were moved; they are repeated.",
            "none",
            growth("tidegate_archive_errors_total"),
        ),
        lines(
            "Removed",
            "Messages removed since they were older than store.retention.",
            "cps",
            rate("tidegate_store_removed_total"),
        ),
        lines(
            "Errors of removing",
            "Looks for old messages that failed; there is another one in an hour.",
            "none",
            growth("tidegate_store_errors_total"),
        ),
    ]


def _mail():
    return [
        lines(
            "Letters",
            "Durable messages to users: kept, confirmed by a client, dropped for newer ones, unreadable.",
            "cps",
            rate("tidegate_mail_letters_total", by="outcome"),
        ),
        lines(
            "Users whose mail is to be read",
            "Users with sessions.",
            "short",
            now("tidegate_mail_users_waiting"),
        ),
        lines(
            "Errors of the mail",
            "Calls that failed. What was to be put was refused, the rest is repeated.",
            "none",
            growth("tidegate_mail_errors_total"),
        ),
    ]


def _pushes():
    return [
        lines(
            "Pushes through Redis",
            "Entries of the stream: done, dead since nothing can be done with them, busy and tried again.",
            "cps",
            rate("tidegate_pushes_total", by="outcome"),
        ),
        lines(
            "Errors of the stream",
            "Calls that failed; they are repeated.",
            "none",
            growth("tidegate_push_errors_total"),
        ),
        lines(
            "Ids forgotten",
            "Ids of publishes forgotten before their ten minutes were over: what is repeated now is sent twice.",
            "none",
            growth("tidegate_api_ids_forgotten_total"),
        ),
        lines(
            "Kept for subscribers to come",
            "Bytes charged for kept messages.",
            "bytes",
            now("tidegate_retained_bytes"),
        ),
    ]
