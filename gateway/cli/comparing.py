"""What it means where ledger and vendor do not say the same of a task.

Owns: the table of differences, each in plain words and with advice. Must not know: how either is
asked, how a difference is told. The table is a pure function of a ledger's row and the vendor's
answers; what is not in it is no difference.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from gateway.cli.telling import dollars, plain
from gateway.events import State
from gateway.state.records import TaskRecord
from gateway.upstream.base import TaskStatus

Said = Literal["under way", "done", "failed", "unknown"]
"""What the vendor says of a task, as far as it matters here."""

# For so long the vendor keeps what it made, so for so long it should know of it.
REMEMBERED = 86_400.0


@dataclass(frozen=True, slots=True)
class Seen:
    """The vendor's answers about one task.

    ``own`` is what it says of the id it gave, as the ledger has it; ``ours`` what it says of the
    id we gave. Either is None where it knows no such task, or was not asked.
    """

    own: TaskStatus | None = None
    ours: TaskStatus | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference. A serious one should not be possible, or has cost money for nothing."""

    kind: str
    task_id: str | None
    job_id: str | None
    upstream_id: str | None
    ledger: str | None
    vendor: str
    message: str
    advice: str
    serious: bool = False


@dataclass(frozen=True, slots=True)
class _Verdict:
    kind: str
    message: str
    advice: str
    serious: bool = False


_FETCH_BY_HAND = (
    "While the vendor keeps it (24 h), its pictures can be had by hand: "
    "GET /v1/images/generations/{upstream_id} with upstream.api_key."
)
_WAIT_OR_START = (
    "A running gateway notices by itself within a minute; look again then. Where none runs, start "
    "it: it goes on where it stopped, and buys nothing for it."
)
_UNRECORDED = _Verdict(
    "unrecorded",
    "The ledger says {ledger}, so nothing should be bought, but the vendor has it as "
    "{upstream_id}, {vendor}.",
    "This must not happen: keep the ledger and the log, and report it. " + _FETCH_BY_HAND,
    serious=True,
)
_FOUND = _Verdict(
    "found",
    "The ledger says {ledger}, but the vendor has it as {upstream_id}: it is bought, and {vendor}.",
    _WAIT_OR_START + " `tasks show {task_id}` then tells how it went.",
)
_FOUND_TOO_SOON = _Verdict(
    "found",
    "The ledger says {ledger}, for the answer to a create was lost, but the vendor has it as "
    "{upstream_id}: it is bought, and {vendor}.",
    "upstream.on_unknown is recreate: it is bought once more when its turn comes, or else held for "
    "lost and looked for. Where no gateway runs, start it.",
)
_FOUND_LATE = _Verdict(
    "found",
    "The ledger holds it for lost, but the vendor has it as {upstream_id}: it is bought, and "
    "{vendor}.",
    "Start the gateway again, or wait for its next look at what is lost: it takes the task up, and "
    "`tasks show {task_id}` and `tasks claim {task_id}` then have it.",
)
_UNNOTICED = _Verdict(
    "unnoticed",
    "The ledger says {ledger}, but at the vendor it is {vendor}.",
    _WAIT_OR_START,
)
_GONE = _Verdict(
    "gone",
    "The ledger says {ledger}, but the vendor knows no {upstream_id}.",
    "Is upstream.api_key of the account that bought it? If so, a running gateway gives the task up "
    "after upstream.settle_time.",
)
_DONE_GONE = _Verdict(
    "gone",
    "The ledger says done, but the vendor knows no {upstream_id}, though that ended within a day.",
    "Is upstream.api_key of the account that bought it? The pictures are on the shelf.",
)
_CONTRARY = _Verdict(
    "contrary",
    "The ledger says {ledger}, but at the vendor it is {vendor}.",
    "`tasks show {task_id}` tells what the vendor had said before. If it charged for the task, "
    "this is a question to the vendor.",
)
_NOT_GIVEN_UP = _Verdict(
    "given up",
    "The ledger gave it up, but at the vendor it is {vendor}: it is bought, and nobody waits.",
    "`tasks show {task_id}` tells why it was given up. " + _FETCH_BY_HAND,
)

_ORPHANED = _Verdict(
    "found",
    _FOUND_LATE.message,
    "Another task was bought in its place, so no gateway takes it up. " + _FETCH_BY_HAND,
)
_TWICE = _Verdict(
    "bought twice",
    "The vendor has two tasks under this id: {own_id}, which is the ledger's, and {upstream_id}, "
    "{vendor}, which the ledger does not have.",
    "Expected only where upstream.on_unknown is recreate. Else this must not happen: keep the "
    "ledger and the log, and report it. " + _FETCH_BY_HAND,
    serious=True,
)
_EXCHANGED = _Verdict(
    "exchanged",
    "The ledger has {own_id}, which the vendor does not know; under this id it has {upstream_id}, "
    "{vendor}.",
    "This must not happen: keep the ledger and the log, and report it. " + _FETCH_BY_HAND,
    serious=True,
)
_COST = _Verdict(
    "cost",
    "The ledger has a cost of ${own_cost}, the vendor says ${cost}.",
    "Sums over the ledger differ from the vendor's bill by this.",
)

_TABLE: Mapping[State, Mapping[Said, _Verdict]] = {
    **dict.fromkeys(
        (State.INTENT, State.REFUSED, State.DROPPED),
        dict.fromkeys(("under way", "done", "failed"), _UNRECORDED),
    ),
    **dict.fromkeys(
        (State.CREATING, State.UNCERTAIN),
        dict.fromkeys(("under way", "done", "failed"), _FOUND),
    ),
    State.LOST: dict.fromkeys(("under way", "done", "failed"), _FOUND_LATE),
    State.RUNNING: {"done": _UNNOTICED, "failed": _UNNOTICED, "unknown": _GONE},
    State.COLLECTING: {"under way": _CONTRARY, "failed": _CONTRARY, "unknown": _GONE},
    State.DONE: {"under way": _CONTRARY, "failed": _CONTRARY, "unknown": _DONE_GONE},
    State.FAILED: {"under way": _NOT_GIVEN_UP, "done": _NOT_GIVEN_UP},
}


def said(status: TaskStatus | None) -> Said:
    """What an answer comes to."""
    if status is None:
        return "unknown"
    match status.phase:
        case "queued" | "running":
            return "under way"
        case "done" | "failed":
            return status.phase


def forgotten(task: TaskRecord, seen: Seen, now: float) -> bool:
    """Whether the vendor no longer knows what ended too long ago for it to be asked."""
    over = task.state is State.DONE and seen.own is None and seen.ours is None
    return over and task.ended_at is not None and task.ended_at < now - REMEMBERED


def differences(task: TaskRecord, seen: Seen, now: float) -> Iterator[Difference]:
    """Everything in which ledger and vendor differ about a task."""
    if forgotten(task, seen, now):
        return
    if seen.ours is not None and _another(task, seen.ours):
        yield _difference(task, seen.ours, _EXCHANGED if seen.own is None else _TWICE)
        if seen.own is None:
            return
    status = seen.own or seen.ours
    verdict = _TABLE[task.state].get(said(status))
    if verdict is _FOUND_LATE and task.replaced:
        verdict = _ORPHANED
    if verdict is _UNRECORDED and task.state is State.INTENT and task.create_lost:
        verdict = _FOUND_TOO_SOON
    # Given up after the vendor was done, for its picture could not be fetched: as both know.
    if verdict is not None and not (verdict is _NOT_GIVEN_UP and task.made):
        yield _difference(task, status, verdict)
    if status is not None and _costs_differ(task, status):
        yield _difference(task, status, _COST)


def _another(task: TaskRecord, status: TaskStatus) -> bool:
    """Whether what the vendor has under our id is another task than the one in the ledger.

    A vendor that repeats the id it was asked by says nothing of its own.
    """
    known = {task.upstream_id, task.task_id}
    return task.upstream_id is not None and status.upstream_id not in known


def _costs_differ(task: TaskRecord, status: TaskStatus) -> bool:
    """Whether both name a cost, and not the same."""
    ours, theirs = dollars(task.cost_usd), dollars(status.cost_usd)
    return ours is not None and theirs is not None and ours != theirs


def _difference(task: TaskRecord, status: TaskStatus | None, verdict: _Verdict) -> Difference:
    upstream_id = status.upstream_id if status is not None else task.upstream_id
    words = {
        "ledger": task.state.value,
        "vendor": _worded(status),
        "task_id": plain(task.task_id),
        "upstream_id": plain(upstream_id or task.task_id),
        "own_id": plain(task.upstream_id or ""),
        "own_cost": plain(task.cost_usd or ""),
        "cost": plain(status.cost_usd or "") if status is not None else "",
    }
    return Difference(
        kind=verdict.kind,
        task_id=task.task_id,
        job_id=task.job_id,
        upstream_id=upstream_id,
        ledger=task.state.value,
        vendor=said(status),
        message=verdict.message.format_map(words),
        advice=verdict.advice.format_map(words),
        serious=verdict.serious,
    )


def _worded(status: TaskStatus | None) -> str:
    """The vendor's answer, with its own word where that is another."""
    word = said(status)
    if status is None or status.word.lower() in {word, ""}:
        return word
    return plain(f"{word} ({status.word})")
