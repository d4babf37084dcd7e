"""Events, and all that each moves."""

from collections.abc import Mapping
from typing import TypedDict

from gateway.events import (
    Collected,
    Created,
    CreateLost,
    CreateSent,
    Dropped,
    Found,
    JobCrashed,
    JobEnded,
    JobJoined,
    JobRecovered,
    LinkDead,
    NotFound,
    NotSent,
    Polled,
    RecreateAllowed,
    Refused,
    State,
    Stepped,
    Succeeded,
    TaskEvent,
    TaskFailed,
    Throttled,
    Vanished,
)
from gateway.facts import Crashed
from gateway.jobs.journal import Stamp
from gateway.notices import (
    Asked,
    BreakerClosed,
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
from tests.ops.scraped import ABOUT, ENDED, ended


class Task(TypedDict):
    job_id: str
    task_id: str


class Moment(TypedDict):
    job_id: str
    at: float


class Hook(TypedDict):
    job_id: str
    key_name: str
    host: str


WHO = Task(job_id="job_1", task_id="task_1")
AT = Stamp(**WHO, at=1_000.0)
JOB = Moment(job_id="job_1", at=1_000.0)
HOOK = Hook(job_id="job_1", key_name="studio", host="hooks.example.com")


def step(event: TaskEvent, **more: int) -> Stepped:
    return Stepped(event=event, state=State.RUNNING, about=ABOUT, seconds=7.0, **more)


def request(status: int, took: float = 40.0) -> dict[str, float]:
    """What every POST of generations moves that was answered."""
    labels = f"{{route=generations,status_class={status // 100}xx}}"
    return {
        f"http_requests_total{{method=POST,route=generations,status={status}}}": 1,
        f"http_request_duration_seconds_count{labels}": 1,
        f"http_request_duration_seconds_sum{labels}": took,
    } | (ours(took) if status < 400 else {})


def ours(took: float) -> dict[str, float]:
    """What every request of generations moves that was served."""
    return {
        "overhead_seconds_count{route=generations}": 1,
        "overhead_seconds_sum{route=generations}": took,
    }


def creates(outcome: str, seconds: float) -> dict[str, float]:
    labels = f"{{outcome={outcome},upstream=toapis}}"
    return {
        f"upstream_creates_total{{model=gpt-image-2,outcome={outcome},upstream=toapis}}": 1,
        f"upstream_create_seconds_count{labels}": 1,
        f"upstream_create_seconds_sum{labels}": seconds,
    }


def bought(images: int = 3) -> dict[str, float]:
    return {"key_images_total{key=studio,model=gpt-image-2}": images}


def charged(dollars: float) -> dict[str, float]:
    return {
        "cost_usd_total{model=gpt-image-2,tier=2k}": dollars,
        "key_cost_usd_total{key=studio,model=gpt-image-2}": dollars,
    }


def task_took(outcome: str, seconds: float) -> dict[str, float]:
    labels = f"{{model=gpt-image-2,outcome={outcome},quality=high,tier=2k,upstream=toapis}}"
    return {
        f"upstream_task_seconds_count{labels}": 1,
        f"upstream_task_seconds_sum{labels}": seconds,
    }


def unserved(reason: str, dollars: float) -> dict[str, float]:
    return {f"cost_unserved_usd_total{{reason={reason}}}": dollars}


def polled(answer: str, outcome: str) -> dict[str, float]:
    labels = f"{{outcome={outcome},upstream=toapis}}"
    return {
        f"upstream_polls_total{{answer={answer},upstream=toapis}}": 1,
        f"upstream_poll_seconds_count{labels}": 1,
        f"upstream_poll_seconds_sum{labels}": 0.2,
    }


def hinted(result: str) -> dict[str, float]:
    return {f"upstream_hints_total{{result={result},upstream=toapis}}": 1}


CASES: Mapping[str, tuple[object, Mapping[str, float]]] = {
    # Requests
    "answered": (ENDED, request(200)),
    "what others took is not ours": (
        ended(phases={"client": 1.0, "fetch": 2.0, "queue": 2.0, "upstream": 30.0, "plan": 2.0}),
        request(200) | ours(5.0),
    ),
    "phases that overlap leave nothing": (
        ended(phases={"upstream": 41.0}),
        {
            name: value
            for name, value in request(200).items()
            if name != "overhead_seconds_sum{route=generations}"
        },
    ),
    "bodies": (
        ended(received=700, sent=9_000),
        request(200)
        | {
            "http_request_body_bytes_count{route=generations}": 1,
            "http_request_body_bytes_sum{route=generations}": 700,
            "http_response_body_bytes_count{route=generations}": 1,
            "http_response_body_bytes_sum{route=generations}": 9_000,
        },
    ),
    "pictures of a key": (
        ended(key_name="studio", model="gpt-image-2", images=2, delivery="url"),
        request(200)
        | {
            "images_total{delivery=url,model=gpt-image-2}": 2,
            "key_requests_total{key=studio,outcome=served}": 1,
        },
    ),
    "pictures in both ways": (
        ended(model="gpt-image-2", images=1, delivery="both"),
        request(200) | {"images_total{delivery=other,model=gpt-image-2}": 1},
    ),
    "over its rate": (
        ended(status=429, rejection="rate_limit", key_name="batch"),
        request(429)
        | {
            "rejections_total{reason=rate_limit}": 1,
            "key_requests_total{key=batch,outcome=rejected}": 1,
            "key_limit_hits_total{key=batch,limit=rate}": 1,
        },
    ),
    "over its quota": (
        ended(status=429, rejection="quota", key_name="batch"),
        request(429)
        | {
            "rejections_total{reason=quota}": 1,
            "key_requests_total{key=batch,outcome=rejected}": 1,
            "key_limit_hits_total{key=batch,limit=quota}": 1,
        },
    ),
    "nobody's key": (
        ended(status=401, rejection="auth"),
        request(401) | {"rejections_total{reason=auth}": 1},
    ),
    "failed": (
        ended(status=502, key_name="studio"),
        request(502) | {"key_requests_total{key=studio,outcome=failed}": 1},
    ),
    "left before there was a status": (
        ended(status=None, left_early=True, waiting="poll", key_name="studio"),
        {
            "http_requests_total{method=POST,route=generations,status=499}": 1,
            "http_request_duration_seconds_count{route=generations,status_class=4xx}": 1,
            "http_request_duration_seconds_sum{route=generations,status_class=4xx}": 40,
            "client_disconnects_total{phase=poll}": 1,
            "key_requests_total{key=studio,outcome=left}": 1,
        },
    ),
    "left while it was answered": (
        ended(left_early=True, waiting="write", images=1, sent=100),
        {
            "http_requests_total{method=POST,route=generations,status=200}": 1,
            "http_request_duration_seconds_count{route=generations,status_class=2xx}": 1,
            "http_request_duration_seconds_sum{route=generations,status_class=2xx}": 40,
            "http_response_body_bytes_count{route=generations}": 1,
            "http_response_body_bytes_sum{route=generations}": 100,
            "client_disconnects_total{phase=write}": 1,
        },
    ),
    "cut by the end of the process": (
        ended(status=None),
        {
            "http_requests_total{method=POST,route=generations,status=500}": 1,
            "http_request_duration_seconds_count{route=generations,status_class=5xx}": 1,
            "http_request_duration_seconds_sum{route=generations,status_class=5xx}": 40,
        },
    ),
    "joined": (JobJoined(**JOB, how="orphan"), {"rejoins_total{how=orphan}": 1}),
    # Tasks
    "accepted": (
        step(Created(**AT, upstream_id="u", seconds=1.5)),
        creates("accepted", 1.5) | bought(),
    ),
    "refused": (step(Refused(**AT, reason="r")), creates("refused", 7)),
    "not sent": (step(NotSent(**AT, reason="r")), creates("not_sent", 7)),
    "throttled": (step(Throttled(**AT, retry_after=None)), creates("throttled", 7)),
    "ambiguous": (step(CreateLost(**AT, reason="r")), creates("ambiguous", 7)),
    "found": (
        step(Found(**AT, upstream_id="u")),
        {"ledger_reconciled_total{verdict=found}": 1} | bought(),
    ),
    "lost": (
        step(NotFound(**AT), charged=40_000, cost=40_000, unserved=40_000),
        {"ledger_reconciled_total{verdict=lost}": 1} | charged(0.04) | unserved("ambiguous", 0.04),
    ),
    "to be bought again": (
        step(RecreateAllowed(**AT)),
        {"ledger_reconciled_total{verdict=recreated}": 1},
    ),
    "made": (
        step(
            Succeeded(**AT, images=3, seconds=31.0, completed_at=996.0, cost_usd="0.12"),
            charged=120_000,
            cost=120_000,
        ),
        task_took("done", 31)
        | charged(0.12)
        | {
            "upstream_poll_lag_seconds_count{upstream=toapis}": 1,
            "upstream_poll_lag_seconds_sum{upstream=toapis}": 4,
        },
    ),
    "made, the vendor does not say when": (
        step(Succeeded(**AT, images=3, seconds=31.0, completed_at=None, cost_usd=None)),
        task_took("done", 31),
    ),
    "made by a clock ahead of ours": (
        step(Succeeded(**AT, images=3, seconds=31.0, completed_at=1_009.0, cost_usd=None)),
        task_took("done", 31) | {"upstream_poll_lag_seconds_count{upstream=toapis}": 1},
    ),
    "given up and refunded": (step(TaskFailed(**AT, reason="r")), task_took("failed", 7)),
    "given up and charged": (
        step(TaskFailed(**AT, reason="r"), charged=5_000, cost=5_000, unserved=5_000),
        task_took("failed", 7) | charged(0.005) | unserved("failed_not_refunded", 0.005),
    ),
    "forgotten": (
        step(Vanished(**AT, reason="r"), charged=10, cost=10, unserved=10),
        charged(0.00001) | unserved("failed_not_refunded", 0.00001),
    ),
    "its charge was told when it was made": (
        step(LinkDead(**AT, reason="r"), cost=120_000, unserved=120_000),
        unserved("failed_not_refunded", 0.12),
    ),
    "given up before it was sent": (step(Dropped(**AT, reason="r")), {}),
    "given up when a create before it may have been paid": (
        step(Dropped(**AT, reason="r"), charged=40_000, cost=40_000, unserved=40_000),
        charged(0.04) | unserved("ambiguous", 0.04),
    ),
    "about to be sent": (step(CreateSent(**AT)), {}),
    "asked after": (step(Polled(**AT, word="running", progress=3)), {}),
    "on the shelf": (step(Collected(**AT, images=1, size=1), cost=9), {}),
    "never fetched": (
        PurchaseUnclaimed(job_id="job_1", key_name="studio", images=1, cost=60_000),
        unserved("unclaimed", 0.06),
    ),
    # The service
    "a turn": (
        TurnTaken(**WHO, key_name="studio", seconds=3.0),
        {"queue_wait_seconds_count": 1, "queue_wait_seconds_sum": 3},
    ),
    "waited too long": (
        TaskUnqueued(**WHO, key_name="studio", how="overdue", seconds=60.0),
        {"queue_expired_total": 1},
    ),
    "gave way": (
        TaskUnqueued(**WHO, key_name="studio", how="put_off", seconds=1.0),
        {"queue_expired_total": 1},
    ),
    "had its turn": (TaskUnqueued(**WHO, key_name="studio", how="came", seconds=1.0), {}),
    "for nobody": (TaskUnqueued(**WHO, key_name="studio", how="moot", seconds=1.0), {}),
    "a question": (Asked(**WHO, answer="pending", seconds=0.2), polled("pending", "answered")),
    "no such task": (Asked(**WHO, answer="unknown", seconds=0.2), polled("unknown", "answered")),
    "no answer": (Asked(**WHO, answer="timeout", seconds=0.2), polled("timeout", "unanswered")),
    "not now": (Asked(**WHO, answer="http_429", seconds=0.2), polled("http_429", "unanswered")),
    "a webhook": (HintCame(result="used", **WHO), hinted("used")),
    "a webhook about a lost task": (HintCame(result="revived", **WHO), hinted("revived")),
    "one that is not found": (HintCame(result="lost", **WHO), hinted("lost")),
    "a webhook too many": (HintCame(result="put_off"), hinted("put_off")),
    "a webhook that is forged": (HintCame(result="refused", reason="forged"), hinted("refused")),
    "sent again": (
        CallRepeated(op="create", reason="throttled"),
        {"upstream_retries_total{op=create,reason=throttled,upstream=toapis}": 1},
    ),
    "taken up": (
        JobRecovered(**JOB, states=("running", "uncertain", "running", "done", "lost")),
        {
            "ledger_recovered_total{from=running}": 2,
            "ledger_recovered_total{from=uncertain}": 1,
        },
    ),
    "written": (
        LedgerCommitted(seconds=0.003, entries=4),
        {"ledger_commit_seconds_count": 1, "ledger_commit_seconds_sum": 0.003},
    ),
    "a request crashed": (
        Crashed("req_1", "ValueError", "Traceback"),
        {"faults_total{part=request}": 1},
    ),
    "a job crashed": (
        JobCrashed(job_id="job_1", error=ValueError()),
        {"faults_total{part=job}": 1},
    ),
    "a chore failed": (
        ChoreFailed(chore="look", error=ValueError()),
        {"faults_total{part=chore}": 1},
    ),
    "a watcher failed": (
        ObserverFailed(observer="o", event="e", error="ValueError"),
        {"faults_total{part=observer}": 1},
    ),
    "not written": (
        LedgerFailed(op="commit", reason="disk_full"),
        {"ledger_errors_total{op=commit}": 1},
    ),
    "fetched": (
        PictureFetched(**WHO, seconds=0.5, size=2_000_000),
        {
            "image_bytes_count": 1,
            "image_bytes_sum": 2_000_000,
            "image_fetch_seconds_count": 1,
            "image_fetch_seconds_sum": 0.5,
        },
    ),
    "unusable": (
        PictureRejected(**WHO, reason="broken"),
        {"image_rejected_total{reason=broken}": 1},
    ),
    "told": (
        WebhookDelivered(**HOOK, attempt=1, seconds=0.1),
        {"webhooks_total{outcome=delivered}": 1},
    ),
    "not told": (
        WebhookFailed(**HOOK, attempt=1, reason="HTTP 500", again_in=5.0),
        {"webhooks_total{outcome=failed}": 1},
    ),
    "never told": (
        WebhookGivenUp(**HOOK, attempts=10, reason="HTTP 500"),
        {"webhooks_total{outcome=given_up}": 1},
    ),
    "nothing to count": (BreakerClosed(), {}),
    "the end of a job": (JobEnded(**JOB), {}),
    "no event at all": (object(), {}),
}
