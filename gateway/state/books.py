"""What is written down of the keys' accounts.

Owns: the values that travel between the accounts in memory and whatever keeps them. Must not know:
how they come about, who writes them. Days are numbers since the epoch (UTC), money is in
micro-dollars, times are wall-clock seconds.
"""

from dataclasses import dataclass

from gateway.state.base import JobRow


@dataclass(frozen=True, slots=True)
class Owed:
    """One rate of a key as it is written down; ``name`` is its setting's."""

    key_name: str
    name: str
    debt: int
    at: float


@dataclass(frozen=True, slots=True)
class Use:
    """When a key was used last, by which credential of it."""

    key_name: str
    credential: str
    at: float


@dataclass(frozen=True, slots=True)
class Spent:
    """So many more pictures and micro-dollars on a key's day; both may be negative."""

    key_name: str
    day: int
    images: int
    cost: int


@dataclass(frozen=True, slots=True)
class Change:
    """What a task's event changes: its own charge, and its key's day."""

    task_id: str
    charged: int
    spent: Spent


@dataclass(frozen=True, slots=True)
class Taken:
    """What a new job has taken: its row with the day and reservations told, and what to write."""

    job: JobRow
    owed: tuple[Owed, ...]
    spent: Spent


@dataclass(frozen=True, slots=True)
class Kept:
    """What another process had written down: rates, days, and the jobs that had not ended."""

    owed: tuple[Owed, ...]
    spent: tuple[Spent, ...]
    jobs: tuple[JobRow, ...]
