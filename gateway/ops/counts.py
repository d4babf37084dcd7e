"""What each event counts as.

Owns: the tables from an event's class to what it adds: for requests, for tasks at the vendor, for
the service's own parts. Must not know: who tells, which models and keys there are, how series are
kept. A reader may run in any thread.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from gateway.events import (
    Created,
    CreateLost,
    Found,
    JobCrashed,
    JobJoined,
    JobRecovered,
    LinkDead,
    NotFound,
    NotSent,
    RecreateAllowed,
    Refused,
    Stepped,
    Succeeded,
    TaskFailed,
    Throttled,
    Vanished,
)
from gateway.facts import Crashed, RequestEnded
from gateway.notices import (
    Asked,
    CallRepeated,
    ChoreFailed,
    HintCame,
    LedgerCommitted,
    LedgerFailed,
    ObserverFailed,
    PictureFetched,
    PictureRejected,
    PurchaseUnclaimed,
    TaskUnqueued,
    TurnTaken,
    WebhookDelivered,
    WebhookFailed,
    WebhookGivenUp,
)
from gateway.ops.families import OTHER, REQUESTS, UNFINISHED
from gateway.ops.series import Counters, Histograms

Reader = Callable[[Any], None]
"""Counts one event, of the class it is registered for."""

_Counters = Mapping[str, Counters]
_Spreads = Mapping[str, Histograms]

_PAIRS = frozenset(REQUESTS)
_LEFT = 499  # what proxies log for a caller who left before there was a status
_NOT_OURS = ("client", "fetch", "queue", "upstream")  # phases of a request
_LIMITS = {"rate_limit": "rate", "quota": "quota"}
_MICRO = 1_000_000  # of a dollar
_GAVE_WAY = frozenset({"overdue", "put_off"})
_ANSWERED = frozenset({"pending", "done", "failed", "unknown"})


class RequestCounts:
    """What callers asked, what they were told, and what became of it."""

    def __init__(self, counters: _Counters, spreads: _Spreads) -> None:
        self._requests = counters["http_requests_total"]
        self._durations = spreads["http_request_duration_seconds"]
        self._overhead = spreads["overhead_seconds"]
        self._received = spreads["http_request_body_bytes"]
        self._sent = spreads["http_response_body_bytes"]
        self._left = counters["client_disconnects_total"]
        self._rejections = counters["rejections_total"]
        self._images = counters["images_total"]
        self._by_key = counters["key_requests_total"]
        self._limits = counters["key_limit_hits_total"]
        self._rejoins = counters["rejoins_total"]
        self.readers: Mapping[type, Reader] = {RequestEnded: self._ended, JobJoined: self._joined}

    def _ended(self, ended: RequestEnded) -> None:
        route, status = ended.route or OTHER, _status(ended)
        pair = (route, ended.method)
        self._requests.at(*(pair if pair in _PAIRS else (OTHER, OTHER)), str(status)).inc()
        self._time(ended, route, status)
        if ended.received:
            self._received.at(route).observe(ended.received)
        if ended.sent:
            self._sent.at(route).observe(ended.sent)
        if ended.left_early:
            self._left.at(ended.waiting or "body").inc()
        elif ended.images:
            self._images.at(ended.model or OTHER, ended.delivery or OTHER).inc(ended.images)
        if ended.rejection is not None:
            self._rejections.at(ended.rejection).inc()
        if ended.key_name is not None:
            self._by_key.at(ended.key_name, _outcome(ended, status)).inc()
            limit = _LIMITS.get(ended.rejection or "")
            if limit is not None:
                self._limits.at(ended.key_name, limit).inc()

    def _time(self, ended: RequestEnded, route: str, status: int) -> None:
        exemplar, took = {"request_id": ended.request_id}, ended.duration
        self._durations.at(route, _class(status)).observe(took, exemplar)
        # Refusals take no time: among those that were served they would hide the slow ones.
        if not ended.left_early and ended.status is not None and status < HTTPStatus.BAD_REQUEST:
            phases = ended.phases
            ours = max(0.0, took - sum(phases.get(phase, 0.0) for phase in _NOT_OURS))
            self._overhead.at(route).observe(ours, exemplar)

    def _joined(self, joined: JobJoined) -> None:
        self._rejoins.at(joined.how).inc()


class TaskCounts:
    """What is bought at the vendor, what it costs, and what comes of it."""

    def __init__(self, counters: _Counters, spreads: _Spreads, upstream: str) -> None:
        self._upstream = upstream
        self._creates = counters["upstream_creates_total"]
        self._create_times = spreads["upstream_create_seconds"]
        self._task_times = spreads["upstream_task_seconds"]
        self._lag = spreads["upstream_poll_lag_seconds"].at(upstream)
        self._images = counters["key_images_total"]
        self._key_cost = counters["key_cost_usd_total"]
        self._cost = counters["cost_usd_total"]
        self._unserved = counters["cost_unserved_usd_total"]
        self._reconciled = counters["ledger_reconciled_total"]
        self.readers: Mapping[type, Reader] = {
            Stepped: self._stepped,
            PurchaseUnclaimed: self._unclaimed,
        }
        self._steps: Mapping[type, Callable[[Stepped], None]] = {
            Created: self._accepted,
            Refused: lambda step: self._not_accepted(step, "refused"),
            NotSent: lambda step: self._not_accepted(step, "not_sent"),
            Throttled: lambda step: self._not_accepted(step, "throttled"),
            CreateLost: lambda step: self._not_accepted(step, "ambiguous"),
            Found: self._found,
            NotFound: lambda _: self._reconciled.at("lost").inc(),
            RecreateAllowed: lambda _: self._reconciled.at("recreated").inc(),
            Succeeded: self._succeeded,
            TaskFailed: lambda step: self._ended(step, step.seconds, "failed"),
        }

    def _stepped(self, step: Stepped) -> None:
        about = step.about
        if step.charged:
            self._cost.at(about.model, about.tier).inc(step.charged / _MICRO)
            self._key_cost.at(about.key_name, about.model).inc(step.charged / _MICRO)
        if step.unserved:
            failed = isinstance(step.event, TaskFailed | Vanished | LinkDead)
            reason = "failed_not_refunded" if failed else "ambiguous"
            self._unserved.at(reason).inc(step.unserved / _MICRO)
        reader = self._steps.get(type(step.event))
        if reader is not None:
            reader(step)

    def _accepted(self, step: Stepped) -> None:
        self._creates.at(self._upstream, step.about.model, "accepted").inc()
        seconds = step.event.seconds if isinstance(step.event, Created) else step.seconds
        self._create_times.at(self._upstream, "accepted").observe(seconds)
        self._bought(step)

    def _not_accepted(self, step: Stepped, outcome: str) -> None:
        self._creates.at(self._upstream, step.about.model, outcome).inc()
        self._create_times.at(self._upstream, outcome).observe(step.seconds)

    def _found(self, step: Stepped) -> None:
        self._reconciled.at("found").inc()
        self._bought(step)

    def _bought(self, step: Stepped) -> None:
        self._images.at(step.about.key_name, step.about.model).inc(step.about.images)

    def _succeeded(self, step: Stepped) -> None:
        seconds = step.seconds
        if isinstance(step.event, Succeeded):
            seconds, done = step.event.seconds, step.event.completed_at
            if done is not None:
                self._lag.observe(max(0.0, step.event.at - done))
        self._ended(step, seconds, "done")

    def _ended(self, step: Stepped, seconds: float, outcome: str) -> None:
        about = step.about
        labels = (self._upstream, about.model, about.tier, about.quality, outcome)
        self._task_times.at(*labels).observe(seconds)

    def _unclaimed(self, purchase: PurchaseUnclaimed) -> None:
        self._unserved.at("unclaimed").inc(purchase.cost / _MICRO)


class ServiceCounts:
    """What the service's own parts tell: queue, calls, pictures, ledger."""

    def __init__(self, counters: _Counters, spreads: _Spreads, upstream: str) -> None:
        self._upstream = upstream
        self._wait = spreads["queue_wait_seconds"].at()
        self._expired = counters["queue_expired_total"].at()
        self._polls = counters["upstream_polls_total"]
        self._poll_times = spreads["upstream_poll_seconds"]
        self._retries = counters["upstream_retries_total"]
        self._hints = counters["upstream_hints_total"]
        self._taken_up = counters["ledger_recovered_total"]
        self._commits = spreads["ledger_commit_seconds"].at()
        self._errors = counters["ledger_errors_total"]
        self._sizes = spreads["image_bytes"].at()
        self._fetches = spreads["image_fetch_seconds"].at()
        self._unusable = counters["image_rejected_total"]
        self._faults = counters["faults_total"]
        webhooks = counters["webhooks_total"]
        self.readers: Mapping[type, Reader] = {
            TurnTaken: self._turn_taken,
            TaskUnqueued: self._unqueued,
            Asked: self._asked,
            CallRepeated: self._repeated,
            HintCame: self._hinted,
            JobRecovered: self._recovered,
            LedgerCommitted: self._committed,
            LedgerFailed: self._ledger_failed,
            PictureFetched: self._fetched,
            PictureRejected: self._rejected,
            WebhookDelivered: lambda _: webhooks.at("delivered").inc(),
            WebhookFailed: lambda _: webhooks.at("failed").inc(),
            WebhookGivenUp: lambda _: webhooks.at("given_up").inc(),
            Crashed: lambda _: self._faults.at("request").inc(),
            JobCrashed: lambda _: self._faults.at("job").inc(),
            ChoreFailed: lambda _: self._faults.at("chore").inc(),
            ObserverFailed: lambda _: self._faults.at("observer").inc(),
        }

    def _turn_taken(self, turn: TurnTaken) -> None:
        self._wait.observe(turn.seconds)

    def _unqueued(self, unqueued: TaskUnqueued) -> None:
        if unqueued.how in _GAVE_WAY:
            self._expired.inc()

    def _asked(self, asked: Asked) -> None:
        self._polls.at(self._upstream, asked.answer).inc()
        outcome = "answered" if asked.answer in _ANSWERED else "unanswered"
        self._poll_times.at(self._upstream, outcome).observe(asked.seconds)

    def _repeated(self, repeated: CallRepeated) -> None:
        self._retries.at(self._upstream, repeated.op, repeated.reason).inc()

    def _hinted(self, hint: HintCame) -> None:
        self._hints.at(self._upstream, hint.result).inc()

    def _recovered(self, recovered: JobRecovered) -> None:
        for state in recovered.states:
            if state in UNFINISHED:
                self._taken_up.at(state).inc()

    def _committed(self, committed: LedgerCommitted) -> None:
        self._commits.observe(committed.seconds)

    def _ledger_failed(self, failed: LedgerFailed) -> None:
        self._errors.at(failed.op).inc()

    def _fetched(self, fetched: PictureFetched) -> None:
        self._sizes.observe(fetched.size)
        self._fetches.observe(fetched.seconds)

    def _rejected(self, rejected: PictureRejected) -> None:
        self._unusable.at(rejected.reason).inc()


def _status(ended: RequestEnded) -> int:
    """The status that was sent, or had been without an answer that was begun before it failed.

    Where none was sent, the caller had left or we had.
    """
    if ended.final_status is not None:
        return ended.final_status
    return _LEFT if ended.left_early else HTTPStatus.INTERNAL_SERVER_ERROR.value


def _class(status: int) -> str:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "5xx"
    return "4xx" if status >= HTTPStatus.BAD_REQUEST else "2xx"


def _outcome(ended: RequestEnded, status: int) -> str:
    """What a key's request came to: ``left`` is the caller's doing, ``rejected`` bought nothing."""
    if ended.left_early:
        return "left"
    if ended.rejection is not None:
        return "rejected"
    return "served" if status < HTTPStatus.BAD_REQUEST else "failed"
