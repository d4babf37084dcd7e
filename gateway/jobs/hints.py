"""What the vendor tells by itself, taken for a hint: its task is asked about now.

Owns: which live task a webhook is about, whether there is a question to be put, and what is told
of it. Must not know: signatures, the vendor's shapes (``Reader``), HTTP. Nothing that it says is
believed: a task has ended when the vendor, being asked, says so. So nothing is lost where webhooks
never come, and where they lie, or come in a flood, there is a question more now and then.
"""

from collections.abc import Mapping
from typing import Protocol

from gateway.errors import WebhookRefused
from gateway.events import State
from gateway.jobs.board import Board, LiveTask
from gateway.jobs.journal import Journal
from gateway.jobs.poller import Poller
from gateway.notices import HintCame
from gateway.upstream.base import NotGenuine, Webhook

_AWAITED = frozenset({State.CREATING, State.UNCERTAIN, State.RUNNING})
_OVER = "not_awaited"
# Whoever tries may not learn how far he came.
_REFUSED = "The webhook's signature or timestamp is missing or not right."


class Reader(Protocol):
    """Tells the vendor's own webhooks from all else."""

    def read(self, headers: Mapping[str, str], body: bytes) -> Webhook:
        """What a webhook says. Raises: NotGenuine."""
        ...


class Hints:
    """Takes webhooks; no call ever waits for anything."""

    def __init__(self, reader: Reader, board: Board, poller: Poller, journal: Journal) -> None:
        self._reader = reader
        self._board = board
        self._poller = poller
        self._announce = journal.announce

    def __repr__(self) -> str:
        return f"Hints({self._reader!r})"

    def take(self, headers: Mapping[str, str], body: bytes) -> None:
        """Act on a webhook, or not; whoever sent it should send it again only if this raises.

        Raises: WebhookRefused.
        """
        try:
            webhook = self._reader.read(headers, body)
        except NotGenuine as doubt:
            self._announce(HintCame(result="refused", reason=doubt.reason))
            raise WebhookRefused(_REFUSED) from None
        if webhook.repeated:
            self._announce(HintCame(result="duplicate"))
        elif not webhook.names:
            self._announce(HintCame(result="ignored", reason=webhook.word))
        else:
            self._use(webhook)

    def _use(self, webhook: Webhook) -> None:
        task = self._board.task(webhook.names)
        if task is None:
            self._announce(HintCame(result="unknown"))
            return
        entry = task.entry
        if not _is_awaited(task):
            told = HintCame(
                result="ignored", reason=_OVER, job_id=entry.job_id, task_id=entry.task_id
            )
        else:
            self._poller.hint(task)
            told = HintCame(result="used", job_id=entry.job_id, task_id=entry.task_id)
        self._announce(told)


def _is_awaited(task: LiveTask) -> bool:
    """Whether nobody knows yet that it has ended, and it may have."""
    return task.marking or task.entry.state in _AWAITED
