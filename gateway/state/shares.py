"""What of a task's cost went to nobody, in shares of its pictures: pure arithmetic.

Owns: how much pictures come to that were not kept, or that nobody had. A share is of what the task
was to make, or of what it made if it is done with fewer: those that never were are paid with the
others. It is rounded down, so that all shares together never come to more than the whole. Must not
know: rows, events, who is told. Micro-dollars.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pictures:
    """Of a task's pictures: how many it was to make, were kept, and died unseen (``nobodys``)."""

    wanted: int
    kept: int
    nobodys: int


def unkept(cost: int, kept: int, wanted: int) -> int:
    """The share of the pictures that were not kept, of a task that failed for one of them."""
    return cost * (wanted - kept) // wanted if wanted > kept else 0


def unclaimed(cost: int, pictures: Pictures, *, failed: bool, lost: int) -> int:
    """The share of the pictures that nobody had, beyond what was told before of their task.

    That is the share of those that were not kept, if it ``failed`` for them, and what was set aside
    for it when it was ``lost``.
    """
    wanted = max(pictures.wanted, pictures.kept) if failed else pictures.kept
    before = unkept(cost, pictures.kept, wanted) if failed else 0
    return max(0, before + cost * pictures.nobodys // wanted - max(before, lost))
