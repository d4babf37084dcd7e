"""What needs a look now: the lines that stand at the top of the console.

Owns: which figures of a snapshot are trouble, how bad, and what to do, in order of urgency. Must
not know: pages. What is over stands among the recent failures (``recent.py``), not here.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.events import State
from gateway.ops.bars import Tone
from gateway.ops.snapshot import Figures, QueueView, Snapshot, VendorView
from gateway.ops.wording import count, counted, size, span

_NEARLY = 0.8
_LITTLE_ROOM = 1_000_000_000
_FEW_DOLLARS = 5.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """One line: what is so, and what to do about it. ``key`` tells it from the others."""

    key: str
    tone: Tone
    text: str
    do: str


def troubles(snapshot: Snapshot) -> list[Trouble]:
    """All there are; the bad ones first."""
    found = [
        *_of_readiness(snapshot),
        *_of_the_vendor(snapshot.vendor),
        *_of_money(snapshot),
        *_of_room(snapshot.figures),
        *_of_load(snapshot),
    ]
    return sorted(found, key=lambda one: one.tone != "bad")


def _of_readiness(snapshot: Snapshot) -> Iterator[Trouble]:
    for name, wrong in snapshot.findings.items():
        if wrong is not None and not (name == "draining" and snapshot.draining):
            yield Trouble(
                f"ready {name}", "bad", f"Not ready, {name}: {wrong}", _READY.get(name, _WAIT)
            )
    if snapshot.draining:
        do = "New requests are put off; who waits is told to come back."
        yield Trouble("draining", "warn", "The process is about to stop", do)
    if not snapshot.config_good:
        do = "The one before stays in force: run 'check --config FILE', mend it, reload."
        yield Trouble("config", "bad", "The new configuration was refused", do)


_WAIT = "Callers who choose by /readyz go elsewhere until it is over."
_READY = {
    "ledger": "Free disk space or mend the disk; it goes on by itself.",
    "loops": "Restart the process; nothing bought is lost. Report it.",
}


def _of_the_vendor(vendor: VendorView) -> Iterator[Trouble]:
    if vendor.breaker != "closed":
        probing = vendor.breaker == "half_open"
        text = "The vendor keeps failing: " + (
            "one create is tried" if probing else "creates are held back"
        )
        do = "Nothing is bought meanwhile, and callers come back; if it lasts, run 'doctor'."
        yield Trouble("breaker", "warn" if probing else "bad", text, do)
    if vendor.held:
        do = "Creates wait; if it lasts, lower upstream.submit_per_second to the account's rate."
        yield Trouble("held", "warn", "The vendor asked us to wait", do)
    if vendor.oldest_task is not None and vendor.oldest_task > vendor.longest_wait:
        text = f"A task is at the vendor for {span(vendor.oldest_task)}"
        do = "It is followed, and kept once it is done; if there are more, ask the vendor."
        yield Trouble("slow", "warn", text, do)
    if vendor.balance is not None and vendor.balance < _FEW_DOLLARS:
        tone: Tone = "bad" if vendor.balance <= 0 else "warn"
        text = f"The account at the vendor holds ${vendor.balance:,.2f}"
        yield Trouble("balance", tone, text, "Top it up before requests fail.")


def uncertain_now(snapshot: Snapshot) -> int:
    """Tasks perhaps bought: those under way, or what was counted in the ledger a while ago."""
    counted_then = snapshot.figures.tasks.get(State.UNCERTAIN, 0)
    return max(counted_then, snapshot.by_state.get(State.UNCERTAIN, 0))


def _of_money(snapshot: Snapshot) -> Iterator[Trouble]:
    uncertain = uncertain_now(snapshot)
    if uncertain:
        oldest = snapshot.figures.oldest_uncertain
        text = f"{counted(uncertain, 'task')} perhaps bought: the answer to a create was lost"
        age = f"The oldest for {span(oldest)}; it" if oldest else "It"
        do = f"{age} is looked up by our own id; only upstream.on_unknown: recreate sends it again."
        yield Trouble("uncertain", "bad", text, do)


def _of_room(figures: Figures) -> Iterator[Trouble]:
    if 0 < figures.disk_free < _LITTLE_ROOM:
        text = f"{size(figures.disk_free)} of disk are left"
        yield Trouble("disk", "bad", text, "Without room nothing is bought: free some.")
    if figures.shelf_limit and figures.shelf_bytes > _NEARLY * figures.shelf_limit:
        text = f"The shelf holds {size(figures.shelf_bytes)} of {size(figures.shelf_limit)}"
        do = "Delivered pictures give way first; raise images.shelf if unclaimed ones fill it."
        yield Trouble("shelf", "warn", text, do)


def _of_load(snapshot: Snapshot) -> Iterator[Trouble]:
    if _is_nearly(snapshot.queue):
        queue = snapshot.queue
        text = f"{count(queue.requests)} of {count(queue.most_requests)} places in the queue taken"
        do = "Beyond them callers are told to come back; look which key asks for so much."
        yield Trouble("queue", "warn", text, do)
    clients, limit = snapshot.connections.get("clients", 0), snapshot.connections_limit
    if limit and clients > _NEARLY * limit:
        text = f"{count(clients)} of {count(limit)} connections are open"
        yield Trouble("connections", "warn", text, "Beyond them callers are turned away.")


def _is_nearly(queue: QueueView) -> bool:
    return queue.most_requests > 0 and queue.requests > _NEARLY * queue.most_requests
