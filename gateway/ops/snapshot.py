"""What is going on right now: the shape of it, for the console's page and for gauges.

Owns: the values that are shown. Must not know: the parts they are read from; the snapshot is taken
in ``gateway/overview.py``, on the loop, in one go. Nothing in it is a prompt, a key or an address.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gateway.events import State
from gateway.ops.budgets import Shares
from gateway.state.base import Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskView:
    """A task under way; ``age`` in seconds since it was accepted, ``progress`` in percent."""

    task_id: str
    state: State
    upstream_id: str | None = None
    age: float | None = None
    progress: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """A job under way. ``age`` and ``expected`` in seconds; ``position`` of ``waiting`` tasks.

    ``callers`` is how many wait for it.
    """

    job_id: str
    key_name: str
    model: str
    kind: Literal["generation", "edit"]
    size: str
    quality: str
    n: int
    age: float
    callers: int
    tasks: tuple[TaskView, ...]
    position: int | None = None
    waiting: int | None = None
    expected: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueView:
    """Requests that wait, tasks that wait, tasks at the vendor; each with its bound."""

    requests: int
    most_requests: int
    tasks: int
    at_vendor: int
    most_at_vendor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorView:
    """How the vendor does, as far as this process can tell.

    ``held``: it asked us to wait with creates. ``submits`` and ``queries`` are what is left of the
    account's allowance, as the vendor told it last, else as we count it ourselves, of so many
    ``per_second``; ``retry_budget`` a share from 0 to 1; ``balance`` in US dollars, if it is known.
    ``longest_wait``: so many seconds a caller waits at most.
    """

    name: str
    base_url: str
    breaker: Literal["closed", "open", "half_open"]
    held: bool
    submits: float
    submits_per_second: float
    queries: float
    queries_per_second: float
    retry_budget: float
    longest_wait: float
    balance: float | None = None
    oldest_task: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the ledger and the disks hold; counted now and then, not for every snapshot.

    ``oldest_uncertain`` in seconds; sizes in bytes. ``budgets`` has every budget of every key.
    ``hooks`` are callers that are to be told of a job's end and were not yet.
    """

    tasks: Mapping[State, int] = field(default_factory=dict)
    unclaimed: int = 0
    oldest_uncertain: float = 0.0
    hooks: int = 0
    ledger_bytes: int = 0
    disk_free: int = 0
    shelf_bytes: int = 0
    shelf_limit: int = 0
    budgets: Shares = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The process as it is. ``at`` and ``config_read_at`` are wall-clock seconds.

    ``requests`` counts those in flight by route, ``connections`` by listener, ``by_key`` the jobs
    under way by key and ``by_state`` their tasks. ``jobs`` has those jobs, the oldest first, or
    only so many of them as were asked for. ``findings`` is what each check of ``/readyz`` found
    wrong.
    """

    at: float
    uptime: float
    version: str
    draining: bool
    findings: Mapping[str, str | None]
    config_good: bool
    config_read_at: float
    requests: Mapping[str | None, int]
    connections: Mapping[str, int]
    connections_limit: int
    connections_refused: int
    by_key: Mapping[str, int]
    by_state: Mapping[State, int]
    jobs: tuple[JobView, ...]
    queue: QueueView
    vendor: VendorView
    figures: Figures
    log_dropped: int = 0
    log_suppressed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyView:
    """A configured key: its limits as they are set (``None``: none), and what it has used.

    Costs are in micro-dollars. ``state`` says whether it would be admitted.
    """

    name: str
    state: Literal["good", "expired", "disabled"]
    requests_per_minute: int | None
    images_per_minute: int | None
    concurrent: int | None
    images_per_day: int | None
    cost_per_day: int | None
    cost_per_month: int | None
    standing: Standing
    last_used: float | None = None
