"""What went wrong lately, and which purchases were saved: one of those who watch.

Owns: which facts are failures, what of one is kept, and that many of a kind are one entry with a
count. Must not know: pages. Nothing is kept of what a vendor or a caller said: codes, names of
keys, ids and times are all there is. What is worth a look each time has an entry for each job.
"""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus

from gateway.clock import Clock
from gateway.events import JobJoined, Stepped
from gateway.facts import RequestEnded
from gateway.ops.advice import Advice, for_event, for_request
from gateway.ops.plain import shape

MOST = 100
_JOBS = 1_000
_CLIENT_CLOSED = 499
# What ends which troubles; "found" only that of its own task.
_ENDS: Mapping[str, tuple[str, ...]] = {
    "found": ("create_lost", "not_found"),
    "breaker_closed": ("breaker_opened",),
    "ledger_recovered": ("ledger_hindered",),
    "config_reloaded": ("config_refused",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failure, or ``count`` of a kind: then key, job and request are those of the last.

    Times are wall-clock seconds. ``over``: what failed has since been mended. ``perhaps`` has the
    tasks of a job that were perhaps bought, and are not found.
    """

    code: str
    advice: Advice
    at: float
    first_at: float
    count: int = 1
    key_name: str | None = None
    job_id: str | None = None
    request_id: str | None = None
    status: int | None = None
    over: bool = False
    perhaps: frozenset[str] = frozenset()


class Recent:
    """The last failures, and the purchases that were saved since the start.

    Call it with every fact, from any thread.
    """

    def __init__(self, clock: Clock, most: int = MOST) -> None:
        self._clock = clock
        self._most = most
        self._lock = threading.Lock()
        self._failures: dict[str, Failure] = {}  # the latest last
        self._jobs: dict[str, str] = {}  # which entry a job's failure went into
        self._saved: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<Recent failures={len(self._failures)} saved={self._saved.total()}>"

    def __call__(self, fact: object) -> None:
        """Look at a fact."""
        with self._lock:
            if isinstance(fact, JobJoined):
                self._saved[fact.how] += 1
            elif isinstance(fact, RequestEnded):
                self._request(fact)
            else:
                self._event(fact)

    def failures(self) -> tuple[Failure, ...]:
        """The latest first."""
        with self._lock:
            return tuple(reversed(self._failures.values()))

    def saved(self) -> Mapping[str, int]:
        """How many requests got what was paid for already, by how that was known."""
        with self._lock:
            return dict(self._saved)

    def _request(self, ended: RequestEnded) -> None:
        """A request failed if that was our fault or the vendor's; with a job it had passed us."""
        status = ended.final_status
        if status is None or status == _CLIENT_CLOSED or status < HTTPStatus.BAD_REQUEST:
            return
        if status < HTTPStatus.INTERNAL_SERVER_ERROR and ended.job_id is None:
            return
        known = self._entry_of(ended.job_id)
        if known is not None:  # what befell its job is told already
            name, failure = known
            if failure.job_id == ended.job_id:
                key_name = failure.key_name or ended.key_name
                self._failures[name] = replace(
                    failure, request_id=ended.request_id, status=status, key_name=key_name
                )
            return
        code = ended.error_code or str(status)
        advice = for_request(ended.error_code, status)
        self._add(self._made(code, advice, ended.key_name, ended.job_id, ended), ended.job_id)

    def _event(self, fact: object) -> None:
        event = fact.event if isinstance(fact, Stepped) else fact
        name = shape(type(event))[0]  # type: ignore[arg-type]  # a class has a hash
        key_name = fact.about.key_name if isinstance(fact, Stepped) else None
        job_id: str | None = getattr(event, "job_id", None)
        tasks = frozenset({getattr(event, "task_id", "")})
        if name in _ENDS:
            self._end(_ENDS[name], job_id, tasks)
        advice = for_event(name)
        if advice is None:
            return
        key_name = key_name or getattr(event, "key_name", None)
        failure = self._made(name, advice, key_name, job_id)
        if name in _ENDS["found"]:
            failure = replace(failure, perhaps=tasks)
        known = self._entry_of(job_id)
        if known is None or (advice.each and not known[1].advice.each):
            self._add(replace(failure, request_id=getattr(event, "request_id", None)), job_id)
        elif known[1].job_id == job_id:  # the same job's trouble, one step further
            entry, before = known
            perhaps = before.perhaps | failure.perhaps
            after = replace(before, code=name, advice=advice, at=failure.at, perhaps=perhaps)
            self._put(entry, replace(after, over=False))

    def _made(
        self,
        code: str,
        advice: Advice,
        key_name: str | None,
        job_id: str | None,
        ended: RequestEnded | None = None,
    ) -> Failure:
        now = self._clock.wall()
        return Failure(
            code=code,
            advice=advice,
            at=now,
            first_at=now,
            key_name=key_name or None,
            job_id=job_id,
            request_id=ended.request_id if ended else None,
            status=ended.final_status if ended else None,
        )

    def _entry_of(self, job_id: str | None) -> tuple[str, Failure] | None:
        name = self._jobs.get(job_id or "")
        return None if name is None or name not in self._failures else (name, self._failures[name])

    def _add(self, failure: Failure, job_id: str | None) -> None:
        """A new case: an entry of its own, or one more of a kind."""
        one = failure.advice.each and (job_id or failure.request_id)
        name = one or f"{failure.advice.what}, {failure.key_name}"
        before = self._failures.get(name)
        if before is not None:
            failure = replace(failure, first_at=before.first_at, count=before.count + 1)
        self._put(name, failure)
        if job_id is not None:
            self._jobs[job_id] = name
            if len(self._jobs) > _JOBS:
                del self._jobs[next(iter(self._jobs))]

    def _put(self, name: str, failure: Failure) -> None:
        self._failures.pop(name, None)
        self._failures[name] = failure
        if len(self._failures) > self._most:
            del self._failures[next(iter(self._failures))]

    def _end(self, codes: Sequence[str], job_id: str | None, tasks: frozenset[str]) -> None:
        """Something was mended: its entries stay, and say so once all of it is."""
        for name, failure in self._failures.items():
            if failure.code in codes and (job_id is None or failure.job_id == job_id):
                left = failure.perhaps - tasks
                self._failures[name] = replace(failure, over=not left, perhaps=left)
