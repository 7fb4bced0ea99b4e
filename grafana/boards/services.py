"""Services: what applications answer, are told, and do."""

from boards.kit import frame, growth, lines, now, quantiles, rate, states


def board():
    return frame(
        "services",
        "services, jobs and webhooks",
        "Calls of the application's services: methods, jobs and schedules, webhooks and duties.",
        ("Methods", _methods()),
        ("Jobs", _jobs()),
        ("Schedules", _schedules()),
        ("Webhooks", _hooks()),
        ("What happens and what is owed", _happenings()),
        ("Customer service", _customers()),
    )


def _methods():
    return [
        lines(
            "Method calls",
            "Calls of each service. Open and overloaded ones were not made.",
            "cps",
            rate("tidegate_method_calls_total", by="prefix outcome"),
        ),
        lines("Time of method calls", "Of calls that were made.", "s", *quantiles("tidegate_method_call_seconds")),
        states(
            "Breakers",
            "Services that are not called since they failed several times in a row.",
            now("tidegate_method_breakers", by="node prefix", more='phase="open"'),
            {0: ("closed", "green"), 1: ("open", "red")},
        ),
        lines(
            "Under way",
            "Method calls that wait for an answer.",
            "none",
            now("tidegate_method_calls_under_way", by="prefix"),
        ),
        lines(
            "Calls refused",
            "Calls that were not made since their session had too many under way, or no service was there.",
            "cps",
            rate("tidegate_method_calls_refused_total", by="dialect").called("too many: {{dialect}}"),
            rate("tidegate_method_calls_unknown_total", by="").called("no service"),
        ),
        lines(
            "Answers for nobody",
            "Answers whose session had ended.",
            "cps",
            rate("tidegate_method_answers_dropped_total", by="dialect"),
        ),
    ]


def _jobs():
    return [
        lines(
            "Open jobs",
            "Jobs of all nodes that are neither done nor dead, as each node sees it; at 100,000 no more are taken.",
            "short",
            now("tidegate_jobs_open", function="max"),
        ),
        lines(
            "Oldest job",
            "Age of the oldest job that is neither done nor dead.",
            "s",
            now("tidegate_jobs_oldest_seconds", function="max"),
        ),
        lines(
            "Dead jobs",
            "Of all nodes. `tidegate jobs list --dead` has the reasons.",
            "none",
            now("tidegate_jobs_dead", function="max"),
        ),
        lines(
            "Turns of jobs",
            "By how they ended: failed ones are tried again.",
            "cps",
            rate("tidegate_jobs_total", by="outcome"),
            rate("tidegate_jobs_added_total", by="").called("added"),
        ),
        lines("Time of jobs", "Of the calls of services that do them.", "s", *quantiles("tidegate_job_call_seconds")),
        lines("Running", "Jobs that each node works on.", "none", now("tidegate_jobs_running")),
        lines(
            "Errors of jobs",
            "Calls of what keeps jobs that failed; they are repeated.",
            "none",
            growth("tidegate_job_errors_total"),
        ),
    ]


def _schedules():
    return [
        lines(
            "Occurrences",
            "In time, over 10 s late, passed over, or a job that nobody does.",
            "none",
            growth("tidegate_schedules_total", by="outcome"),
        ),
        lines(
            "Errors of schedules",
            "Looks for what is due that failed or have to wait; they are repeated.",
            "none",
            growth("tidegate_schedule_errors_total"),
        ),
    ]


def _hooks():
    return [
        lines(
            "Told",
            "What webhooks were to be told: kept, delivered, tried again, dead, gone to another node.",
            "cps",
            rate("tidegate_hooks_total", by="outcome"),
        ),
        lines("Time of a webhook", "Failed requests included.", "s", *quantiles("tidegate_hook_seconds")),
        lines(
            "Waiting for webhooks",
            "Once for each of them. At backend.hooks_backlog_max, what is new is dropped.",
            "short",
            now("tidegate_hooks_pending"),
        ),
        lines(
            "Oldest waiting",
            "Age of the oldest happening that waits for a webhook.",
            "s",
            now("tidegate_hooks_oldest_seconds", function="max"),
            limit=300,
        ),
        lines(
            "Failing webhooks",
            "Webhooks whose last request failed. `GET /api/hooks` says why.",
            "none",
            now("tidegate_hooks_failing"),
        ),
        lines(
            "Dropped for webhooks",
            "What was not kept for a webhook.",
            "none",
            growth("tidegate_hooks_dropped_total", by="reason"),
        ),
        lines(
            "Errors of webhooks",
            "Calls of Redis or the database that failed; they are repeated.",
            "none",
            growth("tidegate_hooks_errors_total"),
        ),
    ]


def _happenings():
    return [
        lines(
            "Happenings",
            "What has happened and somebody wants to hear of: kept to be told, or dropped.",
            "cps",
            rate("tidegate_happenings_total", by="kind outcome"),
        ),
        lines(
            "Waiting to be kept",
            "Happenings, ends and changes of records. At 65,536 new ones are dropped.",
            "short",
            now("tidegate_happenings_waiting"),
        ),
        lines(
            "Errors of keeping",
            "Calls that failed while happenings or what is owed were kept; they are repeated.",
            "none",
            growth("tidegate_happening_errors_total"),
        ),
        lines(
            "Sessions that owe something",
            "Ended ones included, until that is settled.",
            "short",
            now("tidegate_dues_sessions"),
        ),
        lines(
            "Duties",
            "Of sessions that have ended: done, found done, failed.",
            "cps",
            rate("tidegate_duties_total", by="kind outcome"),
        ),
    ]


def _customers():
    return [
        lines(
            "Customers",
            "Customers of all nodes who have an agent, and who wait for one, as each node sees it.",
            "short",
            now("tidegate_service_customers", by="state", function="max"),
        ),
        lines(
            "Agents",
            "Agents of all nodes who are there, as each node sees it.",
            "none",
            now("tidegate_service_agents", function="max"),
        ),
        lines(
            "Customers who got an agent",
            "At once, after they had waited, since theirs was away for too long, or since somebody gave them away.",
            "cps",
            rate("tidegate_service_assignments_total", by="reason"),
        ),
        lines(
            "Calls of customers and agents refused",
            "By reason; too_many: too many customers, or too many of them wait.",
            "cps",
            rate("tidegate_service_refusals_total", by="reason"),
        ),
        lines(
            "Told to agents and customers",
            "Changes and messages that were published, that were told later, and that nobody was there for.",
            "cps",
            rate("tidegate_service_told_total", by="").called("told"),
            rate("tidegate_service_waits_total", by="").called("told later"),
            rate("tidegate_service_messages_dropped_total", by="").called("for nobody"),
        ),
        lines(
            "Customers to be told of",
            "Customers of all nodes of whom something is to be told right now. Above 0 for long: nobody comes to it.",
            "none",
            now("tidegate_service_lanes", function="max"),
        ),
        lines(
            "Errors of customer service",
            "Calls of Redis or the store that failed.",
            "none",
            growth("tidegate_service_errors_total"),
        ),
    ]
