"""What the vendor tells by itself, taken for a hint: its task is asked about now.

Owns: which task a webhook is about, whether there is a question to be put, and what is told of it.
Must not know: signatures, the vendor's shapes (``Reader``), HTTP. Nothing that it says is believed:
a task has ended when the vendor, being asked, says so. So nothing is lost where webhooks never
come, and where they lie, or come in a flood, there is a question more now and then. One thing alone
is taken from them: what the vendor has told of is not created again (``hearsay.py``).
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Protocol

from gateway.errors import Overloaded, WebhookRefused
from gateway.events import State
from gateway.jobs.board import Board, LiveTask
from gateway.jobs.ids import is_task_id
from gateway.jobs.journal import Journal
from gateway.jobs.late_words import LateWords
from gateway.jobs.poller import Poller
from gateway.notices import HintCame
from gateway.upstream.base import NotGenuine, Webhook

_AWAITED = frozenset({State.CREATING, State.UNCERTAIN, State.RUNNING})
_OVER = "not_awaited"
# Whoever tries may not learn how far he came.
_REFUSED = "The webhook's signature or timestamp is missing or not right."
_BUSY = "Too many webhooks are still being looked into; send it again."
_UNSETTLED = "What is known of the task is not written yet; send it again."
_AGAIN = 10.0


class Reader(Protocol):
    """Tells the vendor's own webhooks from all else."""

    def read(self, headers: Mapping[str, str], body: bytes) -> Webhook:
        """What a webhook says. Raises: NotGenuine."""
        ...

    def glance(self, headers: Mapping[str, str]) -> None:
        """Whether one with such headers may be genuine. Raises: NotGenuine."""
        ...

    def forget(self, webhook: Webhook) -> None:
        """Take a webhook for new when it comes again."""
        ...


class Hints:
    """Takes webhooks; no call ever waits for anything."""

    def __init__(
        self, reader: Reader, board: Board, poller: Poller, late: LateWords, journal: Journal
    ) -> None:
        self._reader = reader
        self._board = board
        self._poller = poller
        self._late = late
        self._announce = journal.announce

    def __repr__(self) -> str:
        return f"Hints({self._reader!r})"

    def glance(self, headers: Mapping[str, str]) -> None:
        """Whether the body that comes with such headers is read at all. Raises: WebhookRefused."""
        with self._refusing():
            self._reader.glance(headers)

    def take(self, headers: Mapping[str, str], body: bytes) -> None:
        """Act on a webhook, or not; whoever sent it should send it again only if this raises.

        Raises: WebhookRefused, Overloaded.
        """
        with self._refusing():
            webhook = self._reader.read(headers, body)
        if webhook.repeated:
            self._announce(HintCame(result="duplicate"))
        elif not webhook.names:
            self._announce(HintCame(result="ignored", reason=webhook.word))
        else:
            self._use(webhook)

    @contextlib.contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except NotGenuine as doubt:
            self._announce(HintCame(result="refused", reason=doubt.reason))
            raise WebhookRefused(_REFUSED) from None

    def _use(self, webhook: Webhook) -> None:
        task = self._board.task(webhook.names)
        if task is None or task.entry.state is State.LOST:
            self._look_back(webhook)
            return
        entry, heard = task.entry, False
        if _is_awaited(task):
            heard = self._listen(task, webhook)
            self._poller.hint(task)
            self._announce(HintCame(result="used", job_id=entry.job_id, task_id=entry.task_id))
        else:
            over = HintCame(
                result="ignored", reason=_OVER, job_id=entry.job_id, task_id=entry.task_id
            )
            self._announce(over)
        if heard or self._late.in_doubt:
            # What is not written ends with the process. So the vendor keeps it: it tells this
            # again, also to the next process, until the ledger has the task as found.
            self._reader.forget(webhook)
            raise Overloaded(_UNSETTLED, code="server_is_overloaded", retry_after=_AGAIN)

    def _listen(self, task: LiveTask, webhook: Webhook) -> bool:
        """A task whose create is not answered: that there is one, and what the vendor calls it.

        Whether this was about such a task.
        """
        ours, theirs = _both(webhook)
        if task.entry.state is State.RUNNING or ours != task.entry.task_id:
            return False  # the ledger has its name, or it is not certain to be meant
        if theirs is not None and self._board.is_anothers(ours, theirs):
            theirs = None
        self._board.hearsay.hear(ours, theirs)
        return True

    def _look_back(self, webhook: Webhook) -> None:
        """Nobody works on the task; if it is one of ours, it may be held for lost."""
        ours, theirs = _both(webhook)
        if ours is None:
            self._announce(HintCame(result="unknown"))
        elif ours in self._late:
            self._announce(HintCame(result="duplicate"))
        elif not self._late.take(ours, theirs):
            self._reader.forget(webhook)
            self._announce(HintCame(result="put_off"))
            raise Overloaded(_BUSY, code="server_is_overloaded", retry_after=_AGAIN)


def _both(webhook: Webhook) -> tuple[str | None, str | None]:
    """Our own id for the task, if it is named, and the vendor's, if that is as well."""
    *theirs, ours = webhook.names
    if not is_task_id(ours):
        return None, None
    return ours, theirs[0] if theirs and theirs[0] != ours else None


def _is_awaited(task: LiveTask) -> bool:
    """Whether nobody knows yet that it has ended, and it may have."""
    tried = task.tried and task.entry.state is State.INTENT
    return task.marking or task.lost_before or tried or task.entry.state in _AWAITED
