"""The facts of the service's own life: queue, ledger, configuration, breaker, observers.

Owns: the notices, frozen, past tense, each true when it is told. Must not know: who reads them.
Those of a task's and a job's life are in ``events.py``. Standard library only.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

Chore = Literal["write_off", "prune", "look", "accounts", "webhooks"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobBegun:
    """A job was written down, and is worked on from now on: for which request, in so many tasks."""

    level: ClassVar[str] = "info"

    job_id: str
    request_id: str
    key_name: str
    tasks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskQueued:
    """A task waits for its turn: its ``position`` among so many ``waiting``.

    ``expected`` is how many seconds that will be, as far as can be said.
    """

    level: ClassVar[str] = "info"

    job_id: str
    task_id: str
    key_name: str
    position: int
    waiting: int
    expected: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskUnqueued:
    """A task waits no longer, after so many ``seconds``; ``how`` says why."""

    level: ClassVar[str] = "info"

    job_id: str
    task_id: str
    key_name: str
    how: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnTaken:
    """A task has its turn at the vendor, after so many ``seconds``: 0 if it had not to wait."""

    level: ClassVar[str] = "debug"

    job_id: str
    task_id: str
    key_name: str
    seconds: float


Answer = Literal[
    "pending", "done", "failed", "unknown", "http_429", "http_5xx", "timeout", "network", "garbage"
]
"""What came of one question about a task; ``unknown``: the vendor has no such task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The vendor was asked about a task, by a poll or a look-up; the answer took ``seconds``."""

    level: ClassVar[str] = "debug"

    job_id: str
    task_id: str
    answer: Answer
    seconds: float


Heard = Literal["used", "revived", "lost", "duplicate", "unknown", "put_off", "refused", "ignored"]
"""What came of a webhook of the vendor's: its task is asked about; it was told before; no task of
that name is under way; it is not known to be the vendor's; it is about nothing to be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HintCame:
    """Something came where the vendor's webhooks arrive.

    About a task that had been given up as LOST it was ``revived``, or is still ``lost``.
    ``reason`` says why it was ``refused`` (unsigned, forged, stale) or ``ignored``: what the vendor
    calls it, or not_awaited where the end of its task had been noticed.
    """

    result: Heard
    reason: str | None = None
    job_id: str | None = None
    task_id: str | None = None

    @property
    def level(self) -> str:
        """There is one for each task, which is no news; what is not in order is."""
        if self.result in {"refused", "put_off"}:
            return "warning"
        news = self.result in {"revived", "lost"} or (
            self.result == "ignored" and self.job_id is None
        )
        return "info" if news else "debug"


Repeated = Literal["not_sent", "throttled", "unavailable", "broken"]
"""How a call failed: it never left; the vendor said not now; it, or the way to it, failed; what
came was not whole, or not what it should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRepeated:
    """A call to the vendor that failed, and bought nothing, is made again; ``reason``: how."""

    level: ClassVar[str] = "debug"

    op: Literal["create", "upload", "download"]
    reason: Repeated


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFetched:
    """A result was fetched whole, after so many ``seconds``: ``size`` bytes, as it was sent."""

    level: ClassVar[str] = "debug"

    job_id: str
    task_id: str
    seconds: float
    size: int


Flaw = Literal["dead_link", "forbidden", "too_large", "broken", "no_image", "wrong_size"]
"""What was wrong with a result: its link gives nothing, or leads where none may; too many bytes;
not whole; something else than a picture; too many pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRejected:
    """What a result's link led to could not be used, so that the link was given up."""

    level: ClassVar[str] = "warning"

    job_id: str
    task_id: str
    reason: Flaw


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseUnclaimed:
    """Pictures that were paid for were never handed to anybody, and their lifetime is over.

    ``cost`` is their share of what was paid, in micro-dollars, as far as it was not told before.
    """

    level: ClassVar[str] = "warning"

    job_id: str
    key_name: str
    images: int
    cost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDelivered:
    """A caller was told what became of a job, at the so many-th attempt, which took ``seconds``.

    ``host`` is the address's: the rest of it may be a secret.
    """

    level: ClassVar[str] = "info"

    job_id: str
    key_name: str
    host: str
    attempt: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookFailed:
    """A caller could not be told what became of a job; it is tried again ``again_in`` seconds."""

    level: ClassVar[str] = "info"

    job_id: str
    key_name: str
    host: str
    attempt: int
    reason: str
    again_in: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookGivenUp:
    """A caller was not told what became of a job, and is not going to be."""

    level: ClassVar[str] = "warning"

    job_id: str
    key_name: str
    host: str
    attempts: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCommitted:
    """The ledger has ``entries`` more, synced to the disk in so many ``seconds``."""

    level: ClassVar[str] = "debug"

    seconds: float
    entries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerFailed:
    """One attempt to write or read the ledger failed."""

    level: ClassVar[str] = "debug"

    op: Literal["commit", "read"]
    reason: Literal["disk_full", "locked", "io", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerOpened:
    """The ledger is open; ``created`` says that there was none, and that this one is empty."""

    path: str
    created: bool
    jobs: int
    unfinished: int

    @property
    def level(self) -> str:
        """An empty ledger is worth a look: it should be new because it is the first."""
        return "warning" if self.created else "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerHindered:
    """The ledger takes no entries now; ``waiting`` facts are kept in memory until it does."""

    level: ClassVar[str] = "error"

    reason: str
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRecovered:
    """The ledger takes entries again; ``written`` facts were made good."""

    level: ClassVar[str] = "warning"

    written: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerPruned:
    """Old jobs were forgotten."""

    jobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserverFailed:
    """One of those who watch raised; the job went on."""

    level: ClassVar[str] = "error"

    observer: str
    event: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoreFailed:
    """A fault of ours ended one round of a chore, or cut a job out of it; the next round comes."""

    level: ClassVar[str] = "error"

    chore: Chore
    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigReloaded:
    """A configuration was read anew, by a ``signal`` or for a changed ``file``, and is in force.

    ``changed`` are sections; ``pending`` settings that differ and wait for a restart.
    """

    cause: str
    changed: tuple[str, ...]
    keys_added: tuple[str, ...]
    keys_removed: tuple[str, ...]
    keys_changed: tuple[str, ...]
    pending: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigRefused:
    """A configuration cannot be used: the one before stays in force. ``error``: a fault of ours."""

    level: ClassVar[str] = "error"

    cause: str
    faults: tuple[str, ...]
    error: BaseException | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartNeeded:
    """These settings were changed in the file, and are in force only after a restart."""

    level: ClassVar[str] = "warning"

    settings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerOpened:
    """So many creates failed that none is sent for ``seconds``, and then one as a probe.

    ``failures`` of so many outcomes; of a probe that failed, one of one.
    """

    level: ClassVar[str] = "warning"

    failures: int
    of: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerClosed:
    """A probe succeeded: creates are sent again."""

    level: ClassVar[str] = "warning"
