"""Every family of metrics: name, type, labels, buckets, help. A public surface.

Owns: the table, and which values a label may take. Must not know: where a value comes from, or
the library that keeps it. Names are told without the prefix; a counter's ends in ``_total``.
Dashboards, alerts and ``docs/metrics.md`` are held to this table by tests.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from gateway.events import FINAL, State
from gateway.facts import Rejection, Whereabouts
from gateway.notices import Answer, Heard
from gateway.ops.budgets import BUDGETS

PREFIX = "image_gateway_"
OTHER = "other"

# Edges at 60, 100, 120, 180 and 600 s, where proxies and SDKs give up.
TASK = (0.5, 1, 2.5, 5, 10, 15, 20, 30, 45, 60, 75, 90, 100, 120, 150, 180, 240, 300, 450, 600, 900)
QUICK = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
WAIT = (*QUICK, 45, 60, 90, 120, 180, 300, 600)
LAG = (0.5, 1, 2, 3, 5, 8, 13, 21, 60)
LOOP = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1)
BYTES = tuple(n * 1024 for n in (64, 256, 1024, 2048, 4096, 8192, 16384, 32768, 65536))

ROUTES = ("generations", "edits", "variations", "generation", "models", "image", "webhook", OTHER)
METHODS = ("GET", "HEAD", "POST", "OPTIONS", OTHER)
STATUSES = (
    *("200", "202", "204", "400", "401", "403", "404", "405", "408", "413", "422", "429", "499"),
    *("500", "502", "503", "504", OTHER),
)

# Which methods a route is asked by; whatever else is asked counts as ``other`` of both.
REQUESTS = (
    *((route, "POST") for route in ("generations", "edits", "variations")),
    *((route, method) for route in ("generation", "models", "image") for method in ("GET", "HEAD")),
    ("webhook", "POST"),
    (OTHER, OTHER),
)

# States of tasks that are under way; in the others nothing more happens by itself.
UNFINISHED = tuple(state.value for state in State if state not in FINAL)

# What a label may say, where that is known to this table. The rest (model, key, upstream) comes
# from the configuration, and is ``other`` where it does not stand there.
VALUES: Mapping[str, tuple[str, ...]] = {
    "route": ROUTES,
    "method": METHODS,
    "status": STATUSES,
    "status_class": ("2xx", "4xx", "5xx"),
    "phase": get_args(Whereabouts),
    "answer": get_args(Answer),
    "state": tuple(state.value for state in State),
    "tier": ("1k", "2k", "4k"),
    "quality": ("low", "medium", "high"),
    "how": ("idempotency_key", "sdk_retry", "orphan", "replay"),
    "delivery": ("url", "b64_json", OTHER),
}


@dataclass(frozen=True, slots=True)
class Family:
    """One family. ``buckets`` for histograms alone; ``own`` has what labels of this one may say.

    Every combination of labels is a series from the start; of a ``sparse`` one those that are set.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    own: Mapping[str, tuple[str, ...]] | None = None
    sparse: bool = False

    @property
    def full_name(self) -> str:
        """As it stands in an exposition and in queries; a histogram's series add a suffix."""
        return PREFIX + self.name


def _counter(name: str, text: str, *labels: str, **own: tuple[str, ...]) -> Family:
    return Family(name, "counter", text, labels, own=own)


def _gauge(name: str, text: str, *labels: str, **own: tuple[str, ...]) -> Family:
    return Family(name, "gauge", text, labels, own=own)


def _histogram(
    name: str, text: str, buckets: tuple[float, ...], *labels: str, **own: tuple[str, ...]
) -> Family:
    return Family(name, "histogram", text, labels, buckets, own)


_CREATED = ("accepted", "refused", "not_sent", "throttled", "ambiguous")

FAMILIES: tuple[Family, ...] = (
    # Callers
    _counter("http_requests_total", "Requests that ended.", "route", "method", "status"),
    _histogram(
        "http_request_duration_seconds",
        "From a request's arrival to its last byte.",
        TASK,
        "route",
        "status_class",
    ),
    _gauge("http_requests_in_flight", "Requests being served.", "route"),
    _gauge("http_connections", "Open connections.", "listener", listener=("clients", "operators")),
    _gauge("http_connections_limit", "Callers' connections that may be open."),
    _counter("http_connections_refused_total", "Connections turned away: too many were open."),
    _histogram(
        "overhead_seconds",
        "Of a request's time, what neither caller, queue nor vendor took.",
        QUICK,
        "route",
    ),
    _histogram("http_request_body_bytes", "Bodies received.", BYTES, "route"),
    _histogram("http_response_body_bytes", "Bodies sent.", BYTES, "route"),
    _counter(
        "client_disconnects_total", "Callers who left, by what they were waiting for.", "phase"
    ),
    _counter(
        "rejections_total",
        "Requests turned away with nothing bought.",
        "reason",
        reason=get_args(Rejection),
    ),
    # Turns
    _gauge("queue_depth", "Requests that wait for a turn at the vendor."),
    _gauge("queue_limit", "Requests that may wait."),
    _histogram("queue_wait_seconds", "From asking for a turn to having it.", WAIT),
    _counter("queue_expired_total", "Tasks that waited too long, or gave way."),
    # Keys
    _counter(
        "key_requests_total",
        "Requests by key.",
        "key",
        "outcome",
        outcome=("served", "rejected", "failed", "left"),
    ),
    _counter("key_images_total", "Images bought, by key.", "key", "model"),
    _counter("key_cost_usd_total", "US dollars charged, by key.", "key", "model"),
    _counter(
        "key_limit_hits_total",
        "Requests refused by a limit of their key.",
        "key",
        "limit",
        limit=("rate", "quota"),
    ),
    _gauge("key_in_flight", "Jobs under way, by key.", "key"),
    Family(
        "key_budget_used_ratio",
        "gauge",
        "Used of what a day or a month allows a key; 1: all of it.",
        ("key", "budget"),
        own={"budget": BUDGETS},
        sparse=True,
    ),
    # The vendor
    _counter(
        "upstream_creates_total",
        "Creates, by what became of them; ambiguous: perhaps bought.",
        "upstream",
        "model",
        "outcome",
        outcome=_CREATED,
    ),
    _histogram(
        "upstream_create_seconds",
        "Until a create was answered.",
        QUICK,
        "upstream",
        "outcome",
        outcome=_CREATED,
    ),
    _counter("upstream_polls_total", "Questions about tasks.", "upstream", "answer"),
    _histogram(
        "upstream_poll_seconds",
        "Until a question was answered.",
        QUICK,
        "upstream",
        "outcome",
        outcome=("answered", "unanswered"),
    ),
    _histogram(
        "upstream_poll_lag_seconds",
        "From the vendor's completed_at until it was noticed.",
        LAG,
        "upstream",
    ),
    _counter(
        "upstream_hints_total",
        "The vendor's webhooks, by what came of them.",
        *("upstream", "result"),
        result=get_args(Heard),
    ),
    _histogram(
        "upstream_task_seconds",
        "From a task's acceptance to its end at the vendor.",
        TASK,
        *("upstream", "model", "tier", "quality", "outcome"),
        outcome=("done", "failed"),
    ),
    _gauge(
        "upstream_tasks",
        "Tasks under way.",
        "upstream",
        "state",
        state=UNFINISHED,
    ),
    _gauge("upstream_tasks_limit", "Tasks of ours that may be at the vendor.", "upstream"),
    _gauge(
        "upstream_oldest_task_age_seconds",
        "Since the oldest task at the vendor was accepted.",
        "upstream",
    ),
    _counter(
        "upstream_retries_total",
        "Calls made again, after one that bought nothing.",
        *("upstream", "op", "reason"),
        op=("create", "upload", "download"),
        reason=("not_sent", "throttled", "unavailable", "broken"),
    ),
    _gauge("upstream_retry_budget_ratio", "What is left of the repetitions allowed.", "upstream"),
    _gauge(
        "upstream_breaker_state",
        "1 for the state the breaker is in.",
        "upstream",
        "state",
        state=("closed", "open", "half_open"),
    ),
    _gauge(
        "upstream_quota_remaining",
        "What is left of the account's allowance: as the vendor tells it, else as we count it.",
        "upstream",
        "category",
        category=("submit", "query"),
    ),
    _gauge(
        "upstream_balance_usd",
        "What the account holds, as last told; NaN until it is known, +Inf without a bound.",
        "upstream",
    ),
    # Money
    _counter("rejoins_total", "Purchases prevented: requests that joined one.", "how"),
    _counter("cost_usd_total", "US dollars charged.", "model", "tier"),
    _counter(
        "cost_unserved_usd_total",
        "US dollars charged, or perhaps charged, for what nobody was given.",
        "reason",
        reason=("ambiguous", "unclaimed", "failed_not_refunded"),
    ),
    # The ledger
    _gauge(
        "ledger_tasks",
        "Tasks in the ledger; unclaimed: done, and handed to nobody.",
        "state",
        state=(*(state.value for state in State), "unclaimed"),
    ),
    _gauge("ledger_oldest_uncertain_seconds", "Age of the oldest uncertain task; 0 for none."),
    _counter(
        "ledger_recovered_total",
        "Tasks taken up from a process before.",
        "from",
        **{"from": UNFINISHED},
    ),
    _counter(
        "ledger_reconciled_total",
        "What became of uncertain tasks.",
        "verdict",
        verdict=("found", "lost", "recreated"),
    ),
    _histogram("ledger_commit_seconds", "One synced commit.", QUICK),
    _counter("ledger_errors_total", "Failed accesses to the ledger.", "op", op=("commit", "read")),
    _gauge("ledger_bytes", "The ledger's files."),
    _gauge("disk_free_bytes", "Room left where pictures lie."),
    _gauge("shelf_bytes", "Pictures on the shelf."),
    _gauge("shelf_limit_bytes", "Pictures that may lie there."),
    # Pictures
    _counter("images_total", "Images delivered.", "model", "delivery"),
    _histogram("image_bytes", "Results, as the vendor sent them.", BYTES),
    _histogram("image_fetch_seconds", "Fetching one result.", QUICK),
    _counter(
        "image_rejected_total",
        "Results that could not be used.",
        "reason",
        reason=("dead_link", "forbidden", "too_large", "broken", "no_image", "wrong_size"),
    ),
    # Webhooks
    _counter(
        "webhooks_total",
        "Attempts to tell callers of a job's end; failed: another follows.",
        "outcome",
        outcome=("delivered", "failed", "given_up"),
    ),
    _gauge("webhooks_pending", "Callers that are to be told of a job's end, and were not yet."),
    # The process
    _histogram("event_loop_lag_seconds", "How late the loop does what was due.", LOOP),
    _gauge("config_last_reload_successful", "1 if what lies in the file is in force."),
    _gauge(
        "config_last_reload_success_timestamp_seconds",
        "When the configuration in force was read.",
    ),
    _gauge("build_info", "1; the labels say which build.", "version", "python"),
    _gauge("draining", "1 while the process is about to stop."),
    _gauge("ready", "1 while /readyz says so."),
    _counter(
        "faults_total",
        "Faults of the gateway's own.",
        "part",
        part=("request", "job", "chore", "observer"),
    ),
    _counter("log_dropped_total", "Log lines that nobody read in time."),
    _counter("log_suppressed_total", "Log lines left out, of a flood of their name."),
)
