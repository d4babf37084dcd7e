"""Double-entry: what the vendor sold against what users were told and what the ledger says.

Owns: what counts as a double and as lost. Must not know: how any of the three was learned. The
vendor's books alone say what was bought; the gateway's word counts only for where it is now.
"""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.clock import SystemClock
from tests.faults import ledger
from tests.faults.ledger import Entry
from tests.faults.proving import Findings
from tests.faults.supervisor import Supervisor
from tests.faults.users import Reply
from tests.faults.vendor import Purchase
from tests.faults.wishes import Wish

_QUIET = 60.0  # seconds until a gateway that is let alone must have ended all its jobs
_LOOK = 0.1


@dataclass(slots=True)
class Audit:
    """Where every purchase is. ``doubles`` and ``lost`` are sentences, and should be none."""

    purchases: int = 0
    delivered: int = 0
    claimable: int = 0
    failed: int = 0
    doubles: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


def audit(
    purchases: Sequence[Purchase],
    entries: Iterable[Entry],
    shelved: frozenset[str],
    replies: Iterable[Reply],
    wishes: Iterable[Wish],
) -> Audit:
    """Compare. ``shelved`` are the tokens of the pictures that lie on the shelf."""
    wishes = tuple(wishes)
    names = {wish.sha256: wish.name for wish in wishes}
    found = Audit(purchases=len(purchases))
    found.doubles = doubles(purchases, names, {wish.sha256: wish.tasks for wish in wishes})
    answered = {reply.wish.sha256 for reply in replies if reply.answered}
    known = list(entries)
    by_upstream_id = {entry.upstream_id: entry for entry in known if entry.upstream_id is not None}
    by_task_id = {entry.task_id: entry for entry in known}
    counts = Counter(purchase.wish for purchase in purchases)
    for purchase in purchases:
        entry = by_upstream_id.get(purchase.task_id) or by_task_id.get(purchase.business_id or "")
        name = names.get(purchase.wish, "a wish nobody had")
        # Where a wish was bought twice, an answer does not say which of the two was delivered.
        was_told = purchase.wish in answered and counts[purchase.wish] == 1
        if entry is None:
            found.lost.append(f"{purchase.task_id} ({name}) is not in the ledger")
        elif entry.upstream_id != purchase.task_id:
            found.lost.append(f"{purchase.task_id} ({name}): the ledger has {entry}")
        elif was_told or entry.delivered_at is not None:
            found.delivered += 1
        elif entry.state == "done" and entry.tokens and shelved.issuperset(entry.tokens):
            found.claimable += 1
        elif entry.state == "failed":
            found.failed += 1
        else:
            found.lost.append(f"{purchase.task_id} ({name}): the ledger has {entry}")
    return found


def doubles(
    purchases: Iterable[Purchase], names: Mapping[str, str], tasks: Mapping[str, int] | None = None
) -> list[str]:
    """Wishes that were bought more than once, and purchases that nobody wished for.

    ``tasks`` says of how many tasks a wish is, where that is not one.
    """
    most = tasks or {}
    counts = Counter(purchase.wish for purchase in purchases)
    return [
        f"{names[wish]} was bought {number} times"
        if wish in names
        else f"something nobody wished for was bought ({wish[:12]})"
        for wish, number in counts.items()
        if number > most.get(wish, 1) or wish not in names
    ]


async def quiet(supervisor: Supervisor, seconds: float = _QUIET) -> int:
    """Wait until the gateway has ended every job; gives how many it has not. Raises: as ledger."""
    clock = SystemClock()
    until = clock.monotonic() + seconds
    left = await asyncio.to_thread(ledger.unfinished, supervisor.ledger)
    while left and clock.monotonic() < until and supervisor.process.alive:
        await clock.sleep(_LOOK)
        left = await asyncio.to_thread(ledger.unfinished, supervisor.ledger)
    return left


async def settle(
    findings: Findings, supervisor: Supervisor, replies: Sequence[Reply], wishes: Sequence[Wish]
) -> None:
    """After a run: let the gateway finish, then count and compare. It must be running.

    Every reply counts, also an earlier one to the same wish.
    """
    findings.count("wishes", len(wishes))
    errors = [reply.error for reply in replies if reply.error is not None]
    findings.count("calls that failed for the user", len(errors))
    for error in errors:
        findings.count(f"told {error}")
    try:
        left = await quiet(supervisor)
        known = await asyncio.to_thread(ledger.entries, supervisor.ledger)
    except sqlite3.Error as error:
        findings.breach(f"the ledger cannot be read: {error}")
        left, known = 0, []
    if left:
        findings.breach(f"{left} jobs have not ended {_QUIET:g} s after the last user left")
    shelved = frozenset(path.stem for path in supervisor.shelf.glob("*.*"))
    found = audit(await supervisor.vendor.purchases(), known, shelved, replies, wishes)
    _take_in(findings, found)
    for line in supervisor.faults():
        findings.breach(f"a fault of the gateway's own: {line}")


def _take_in(findings: Findings, found: Audit) -> None:
    findings.count("purchases", found.purchases)
    findings.count("delivered", found.delivered)
    findings.count("claimable", found.claimable)
    findings.count("failed at the vendor", found.failed)
    findings.count("doubles", len(found.doubles))
    findings.count("lost", len(found.lost))
    for sentence in (*found.doubles, *(f"lost: {one}" for one in found.lost)):
        findings.breach(sentence)


def unanswered(findings: Findings, replies: Iterable[Reply]) -> None:
    """Where a promise is an answer for everybody: who did not get one."""
    for reply in replies:
        findings.count("answers", int(reply.answered))
        if not reply.answered:
            findings.breach(f"{reply.wish.name} was not answered: {reply.error}")
