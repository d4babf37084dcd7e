"""What the console says: from a snapshot to words and figures, panel by panel.

Owns: which figures are shown, in which words and order, how many rows there are, and how loud each
is. Must not know: HTML, scripts, where a snapshot comes from. Every value is plain (text, numbers,
truths, lists and mappings of them), for the page's template and its script read the same ones.
Names of states are those of the ledger and the metrics.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from gateway.events import State
from gateway.ops.bars import ROWS, Tone, Value, Values, bar, more
from gateway.ops.recent import Failure
from gateway.ops.snapshot import (
    JobView,
    QueueView,
    Snapshot,
    TaskView,
    VendorView,
)
from gateway.ops.troubles import troubles, uncertain_now
from gateway.ops.wording import (
    ago,
    amount,
    balance,
    count,
    counted,
    moment,
    ordinal,
    share,
    size,
    span,
)

FAILURES = 30
_TONES: Mapping[State, Tone] = {
    State.INTENT: "calm",
    State.CREATING: "busy",
    State.UNCERTAIN: "bad",
    State.RUNNING: "busy",
    State.COLLECTING: "busy",
    State.DONE: "good",
    State.LOST: "bad",
}
_HOW: Mapping[str, str] = {
    "idempotency_key": "asked again with the same Idempotency-Key",
    "sdk_retry": "an SDK's own retry",
    "orphan": "asked again after a hang-up",
    "replay": "a remembered outcome, given again",
}


def overview(
    snapshot: Snapshot, failures: Sequence[Failure], saved: Mapping[str, int]
) -> Mapping[str, Value]:
    """Everything but the keys (``key_panel.py``)."""
    found = troubles(snapshot)
    return {
        "head": _head(snapshot),
        "troubles": [
            {"key": one.key, "tone": one.tone, "text": one.text, "do": one.do} for one in found
        ],
        "verdict": _verdict([one.tone for one in found]),
        "tiles": _tiles(snapshot, saved),
        "jobs": _jobs(snapshot),
        "queue": _queue(snapshot.queue),
        "vendor": _vendor(snapshot.vendor),
        "failures": _failures(failures, snapshot.at),
        "saved": _saved(saved),
        "holdings": _holdings(snapshot),
        "traffic": _traffic(snapshot),
    }


# The head


def _head(snapshot: Snapshot) -> Values:
    read = snapshot.config_read_at
    config = f"configuration of {ago(read, snapshot.at)}"
    readiness, tone = _readiness(snapshot)
    return {
        "readiness": readiness,
        "tone": tone,
        "version": snapshot.version,
        "uptime": f"up {span(snapshot.uptime)}",
        "since": f"since {moment(snapshot.at - snapshot.uptime)}",
        "config": config if snapshot.config_good else "new configuration refused",
        "config_tone": "good" if snapshot.config_good else "bad",
        "config_exact": f"in force: read {moment(read)}",
        "at": moment(snapshot.at),
    }


def _verdict(tones: Sequence[Tone]) -> Values:
    """Whether to worry, in a few words."""
    if not tones:
        return {"text": "All is well", "tone": "good"}
    worst: Tone = "bad" if "bad" in tones else "warn"
    return {"text": f"{counted(len(tones), 'thing needs', 'things need')} a look", "tone": worst}


def _readiness(snapshot: Snapshot) -> tuple[str, Tone]:
    """What ``/readyz`` says: whether callers should be sent here."""
    if snapshot.draining:
        return "draining", "warn"
    fit = all(wrong is None for wrong in snapshot.findings.values())
    return ("ready", "good") if fit else ("not ready", "bad")


def _tiles(snapshot: Snapshot, saved: Mapping[str, int]) -> Values:
    queue, jobs = snapshot.queue, snapshot.by_key
    return {
        "jobs": count(sum(jobs.values())),
        "jobs_more": f"jobs of {counted(len(jobs), 'key')}" if jobs else "jobs",
        "waiting": count(queue.requests),
        "waiting_more": f"of {count(queue.most_requests)} that may",
        "vendor": count(queue.at_vendor),
        "vendor_more": f"of {counted(queue.most_at_vendor, 'task')}",
        "saved": count(sum(saved.values())),
        "saved_more": "since the start",
    }


# What is being made


def _jobs(snapshot: Snapshot) -> Values:
    """The oldest first, for they are the likeliest to be stuck; in front, what is uncertain."""
    ordered = sorted(snapshot.jobs, key=lambda job: not _is_uncertain(job))
    shown = ordered[:ROWS]
    return {
        "rows": [_job(job, snapshot.at) for job in shown],
        "more": more(sum(snapshot.by_key.values()) - len(shown), "job"),
        "none": not ordered,
        "some": bool(ordered),
    }


def _job(job: JobView, now: float) -> Values:
    states = Counter(task.state for task in job.tasks)
    progress = _progress(job.tasks)
    ids = [task.upstream_id for task in job.tasks if task.upstream_id]
    return {
        "key": job.job_id,
        "state": _states(states),
        "tone": _tone(states),
        "progress": progress,
        "progress_text": "" if progress is None else share(progress / 100),
        "no_progress": progress is None,
        "asked": f"{job.size} · {job.quality} · {counted(job.n, 'picture')}",
        "kind": f"{job.kind} · {job.model}",
        "name": job.key_name,
        "age": span(job.age),
        "began": f"began {moment(now - job.age)}",
        "wait": _wait(job),
        "no_wait": job.position is None and job.expected is None,
        "callers": _callers(job.callers),
        "deserted": "calm" if job.callers == 0 else "",
        "ids": ", ".join(ids),
        "no_ids": not ids,
    }


def _states(states: Mapping[State, int]) -> str:
    if len(states) == 1:
        return next(iter(states)).value
    return ", ".join(f"{number} {state.value}" for state, number in states.items())


def _tone(states: Mapping[State, int]) -> Tone:
    """The loudest of its tasks'."""
    tones = {_TONES.get(state, "calm") for state in states}
    return next((tone for tone in ("bad", "busy", "calm", "good") if tone in tones), "calm")


def _progress(tasks: Sequence[TaskView]) -> int | None:
    """In percent, over all tasks; None while the vendor says nothing of any."""
    told = [100 if task.state is State.DONE else task.progress for task in tasks]
    if all(task.progress is None for task in tasks):
        return None
    return min(100, max(0, sum(one or 0 for one in told) // len(told)))


def _wait(job: JobView) -> str:
    """Its place, if it waits for its turn, and how long it is going to take."""
    left = "" if job.expected is None else f"about {span(job.expected)} to go"
    if job.position is None:
        return left
    place = f"{ordinal(job.position)} of {count(job.waiting or job.position)}"
    return f"{place}, {left}" if left else place


def _callers(number: int) -> str:
    """Whoever left can come back: what is paid for is finished and kept."""
    return counted(number, "caller") if number else "nobody waits"


def _is_uncertain(job: JobView) -> bool:
    return any(task.state is State.UNCERTAIN for task in job.tasks)


def _queue(queue: QueueView) -> Values:
    return {
        "requests": bar(queue.requests, queue.most_requests),
        "tasks": counted(queue.tasks, "task"),
        # That all places are taken is what a queue is for.
        "vendor": {**bar(queue.at_vendor, queue.most_at_vendor), "tone": "good"},
    }


def _vendor(vendor: VendorView) -> Values:
    words = {
        "closed": ("closed: creates are sent", ""),
        "open": ("open: creates are held back", "bad"),
        "half_open": ("half open: one create is tried", "warn"),
    }
    text, tone = words[vendor.breaker]
    oldest = vendor.oldest_task
    return {
        "name": vendor.name,
        "url": vendor.base_url,
        "breaker": text,
        "breaker_tone": tone,
        "held": "yes: it asked us to wait" if vendor.held else "no",
        "held_tone": "warn" if vendor.held else "",
        "submits": _allowance(vendor.submits, vendor.submits_per_second),
        "queries": _allowance(vendor.queries, vendor.queries_per_second),
        "budget": bar(vendor.retry_budget, 1.0, share(vendor.retry_budget), scarce=True),
        "balance": balance(vendor.balance),
        "oldest": "none" if oldest is None else span(oldest),
    }


def _allowance(left: float, per_second: float) -> Values:
    return bar(left, per_second, f"{amount(left)} left, {amount(per_second)} a second", scarce=True)


# What went wrong, and what did not have to be bought


def _failures(failures: Sequence[Failure], now: float) -> Values:
    return {
        "rows": [_failure(one, now) for one in failures[:FAILURES]],
        "more": more(len(failures) - FAILURES, "older entry", "older entries"),
        "some": bool(failures),
    }


def _failure(failure: Failure, now: float) -> Values:
    times = f" × {count(failure.count)}" if failure.count > 1 else ""
    status = f"{failure.status} " if failure.status else ""
    since = f", the first {moment(failure.first_at)}" if failure.count > 1 else ""
    return {
        "key": f"{failure.code} {failure.job_id or failure.request_id or failure.key_name or ''}",
        "tone": "calm" if failure.over else failure.advice.tone,
        "what": failure.advice.what,
        "times": times,
        "code": f"{status}{failure.code}",
        "do": "Over: nothing need be done." if failure.over else failure.advice.do,
        "when": ago(failure.at, now),
        "exact": moment(failure.at) + since,
        "name": failure.key_name or "",
        "nobody": not failure.key_name,
        "job": failure.job_id or "",
        "no_job": not failure.job_id,
        "request": failure.request_id or "",
        "no_request": not failure.request_id,
    }


def _saved(saved: Mapping[str, int]) -> Values:
    return {
        "rows": [
            {"key": how, "how": words, "count": count(saved.get(how, 0))}
            for how, words in _HOW.items()
        ]
    }


# The ledger, the disks, the doors


def _holdings(snapshot: Snapshot) -> Values:
    figures = snapshot.figures
    uncertain, lost = uncertain_now(snapshot), figures.tasks.get(State.LOST, 0)
    oldest = f", the oldest for {span(figures.oldest_uncertain)}" if uncertain else ""
    return {
        "uncertain": counted(uncertain, "task") + oldest,
        "uncertain_tone": "bad" if uncertain else "",
        "lost": counted(lost, "task"),
        "lost_tone": "warn" if lost else "",
        "unclaimed": counted(figures.unclaimed, "task"),
        "unclaimed_tone": "warn" if figures.unclaimed else "",
        "ledger": size(figures.ledger_bytes),
        "free": size(figures.disk_free),
        "shelf": bar(
            figures.shelf_bytes,
            figures.shelf_limit,
            f"{size(figures.shelf_bytes)} of {size(figures.shelf_limit)}",
        ),
        "dropped": counted(snapshot.log_dropped, "line"),
        "dropped_tone": "warn" if snapshot.log_dropped else "",
        "suppressed": counted(snapshot.log_suppressed, "line"),
    }


def _traffic(snapshot: Snapshot) -> Values:
    clients = snapshot.connections.get("clients", 0)
    by_route = sorted(snapshot.requests.items(), key=lambda pair: -pair[1])
    routes = ", ".join(f"{route or 'not yet known'} {count(n)}" for route, n in by_route if n)
    return {
        "requests": count(sum(snapshot.requests.values())),
        "routes": routes,
        "no_routes": not routes,
        "connections": bar(clients, snapshot.connections_limit),
        "operators": count(snapshot.connections.get("operators", 0)),
        "refused": count(snapshot.connections_refused),
        "refused_tone": "warn" if snapshot.connections_refused else "",
    }
