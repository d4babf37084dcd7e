"""Webhooks: telling callers what became of a job, until they have heard it or it is of no use.

Owns: the loop that tells, what a message says and how it is signed (Standard Webhooks), and when it
is told again. Must not know: HTTP's engine, which secrets there are, how a job is shown: it is
handed all three. The ledger is the queue: in memory there is only what is under way, so the next
process goes on where this one ended. What was told and could not be written is told again, under
the same id: whoever is told drops what they have heard before.
"""

import asyncio
import base64
import hashlib
import hmac
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import urlsplit

from gateway.config.answers import Webhooks as Section
from gateway.errors import LedgerUnavailable
from gateway.events import JobEnded, JobPromised
from gateway.jobs.memory import Memory
from gateway.jobs.reception import Glance
from gateway.jobs.rows import outcome_of
from gateway.jobs.turns import Turns
from gateway.notices import (
    ChoreFailed,
    LedgerRecovered,
    WebhookDelivered,
    WebhookFailed,
    WebhookGivenUp,
)
from gateway.state.hooks import HookRow
from gateway.web.posts import Interrupted, Reply

PAUSES = (5.0, 30.0, 120.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 28_800.0)
"""Seconds after each failed attempt; after the one that follows the last it is given up."""

_JITTER = 0.2
_LONGEST_HINT = 3_600.0
_LOOK = 60.0  # seconds between two looks into the ledger, if nothing calls for one
_LEAST = 0.01
_SHARE = 4  # a key has at most this part of what may be under way
_LAST = 3.0  # seconds that what is under way has at the stop
_TO_FETCH = 60.0  # seconds before the pictures' end that the last attempt is made, at most
_HINTS = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})

Render = Callable[[Glance, str], tuple[str, bytes]]
"""What came of a job that is over, in a word, and the job as JSON with links that begin as said."""

Secrets = Callable[[str], Sequence[bytes]]
"""What webhooks of a key, by its name, are signed with."""


class Poster(Protocol):
    """Sends one message; ``web.posts.Posts`` does."""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send it once. Raises: Interrupted."""
        ...


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came of an attempt; ``final``: there is no use in another. ``hint`` in seconds."""

    words: str
    delivered: bool = False
    final: bool = False
    hint: float = 0.0


class Hooks:
    """``run`` must be running for anything to be told; ``observe`` is given every fact."""

    def __init__(
        self,
        memory: Memory,
        poster: Poster,
        secrets: Secrets,
        render: Render,
        section: Section,
        lifetime: float,
    ) -> None:
        self._memory = memory
        self._store = memory.store
        self._clock = memory.clock
        self._poster = poster
        self._secrets = secrets
        self._render = render
        self._section = section
        self._lifetime = lifetime
        pauses = tuple(pause * section.scale for pause in PAUSES)
        most = max(1, section.concurrency // _SHARE)
        self._turns = Turns(section.concurrency, most, pauses)
        self._until = math.inf
        self._under_way: dict[str, tuple[str, asyncio.Task[None]]] = {}
        self._woken = asyncio.Event()

    def __repr__(self) -> str:
        return f"Hooks({len(self._under_way)} under way)"

    def observe(self, fact: object) -> None:
        """Look at once where something may have come to be told."""
        if isinstance(fact, JobEnded | JobPromised | LedgerRecovered):
            self._woken.set()

    async def run(self) -> None:
        """Tell what is due, for ever; cancel to stop."""
        while True:
            self._woken.clear()
            pause = await self._begin()
            gap = self._turns.gap  # whatever calls for a look: many ends are one
            await self._clock.sleep(gap)
            await self._rest(pause - gap)

    def close(self) -> None:
        """Begin nothing more; what is under way has a little time from now on."""
        if self._until == math.inf:
            self._until = self._clock.monotonic() + _LAST

    async def finish(self) -> None:
        """Let what is under way have its time, and leave off the rest; the next process tells."""
        self.close()
        tasks = {task for _, task in self._under_way.values()}
        if not tasks:
            return
        left = self._until - self._clock.monotonic()
        timer = asyncio.ensure_future(self._clock.sleep(left))
        whole: asyncio.Future[Any] = asyncio.ensure_future(asyncio.wait(tasks))
        await asyncio.wait({timer, whole}, return_when=asyncio.FIRST_COMPLETED)
        for task in (timer, whole, *tasks):
            task.cancel()
        await asyncio.gather(timer, whole, *tasks, return_exceptions=True)

    async def _begin(self) -> float:
        """Begin all that is due and has its turn; seconds until the next look.

        Nothing is begun while the ledger could not take down that it was told.
        """
        turns, moment = self._turns, self._clock.monotonic()
        places = turns.places - len(self._under_way)
        if places <= 0 or not self._may_begin():
            return _LOOK
        now = self._clock.wall()
        # What was told while the ledger was being read may stand there as it was before.
        without = turns.held(moment) | self._under_way.keys()
        try:
            due = await self._store.due_hooks(now, min(places, turns.of_a_key), without)
        except LedgerUnavailable:
            return _LOOK
        if not self._may_begin():
            return _LOOK
        for hook in turns.next(due.hooks, (key_name for key_name, _ in self._under_way.values())):
            telling = asyncio.create_task(self._tell(hook), name=hook.hook_id)
            self._under_way[hook.hook_id] = (hook.key_name, telling)
        waits = (_LOOK, turns.wait(moment), due.next_at and due.next_at - now)
        return max(_LEAST, min(wait for wait in waits if wait is not None))

    def _may_begin(self) -> bool:
        return self._until == math.inf and self._store.trouble is None

    async def _rest(self, seconds: float) -> None:
        timer = asyncio.ensure_future(self._clock.sleep(seconds))
        woken = asyncio.ensure_future(self._woken.wait())
        try:
            await asyncio.wait({timer, woken}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            woken.cancel()

    async def _tell(self, hook: HookRow) -> None:
        began, turns = self._clock.monotonic(), self._turns
        try:
            answer = await self._attempt(hook)
            if answer is not None:
                await self._note(hook, answer, self._clock.monotonic() - began)
            turns.free(hook.hook_id)
        except LedgerUnavailable:  # told by the ledger itself, and soon over
            turns.hold(hook.hook_id, self._clock.monotonic(), longer=False)
        except Exception as error:  # noqa: BLE001 - in the ledger it stands as if it were due still
            turns.hold(hook.hook_id, self._clock.monotonic())
            self._memory.journal.announce(ChoreFailed(chore="webhooks", error=error))
        finally:
            del self._under_way[hook.hook_id]
            self._woken.set()

    async def _attempt(self, hook: HookRow) -> _Answer | None:
        """Send it once, if it is of any use still; None if the job has gone on meanwhile.

        Raises: LedgerUnavailable.
        """
        try:
            row = await self._store.job(hook.job_id)
            if row is None or row.ended_at is None or row.ended_at != hook.ended_at:
                return None
            outcome = outcome_of(row, self._memory.shelf)
            gone = outcome.error is not None and row.failure is None
            if gone or self._clock.wall() >= row.ended_at + self._lifetime:
                return _Answer("the pictures' lifetime is over", final=True)
            secrets = self._secrets(hook.key_name)
            if not secrets:
                return _Answer("no secret is configured for its key")
            told = self._render(Glance(row, outcome), hook.base_url)
            return await self._send(hook, message(told, row.ended_at), secrets)
        except LedgerUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - a fault of ours; at once again would be for ever
            self._memory.journal.announce(ChoreFailed(chore="webhooks", error=error))
            return _Answer("a fault of the gateway's")

    async def _send(self, hook: HookRow, body: bytes, secrets: Sequence[bytes]) -> _Answer:
        headers = signed(message_id(hook), int(self._clock.wall()), body, secrets)
        try:
            reply = await self._poster.post(hook.url, body, headers)
        except Interrupted as interrupted:
            return _Answer(interrupted.reason)
        words = f"HTTP {reply.status}"
        if HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
            return _Answer(words, delivered=True)
        hint = min(reply.retry_after or 0.0, _LONGEST_HINT) if reply.status in _HINTS else 0.0
        return _Answer(words, final=reply.status == HTTPStatus.GONE, hint=hint)

    async def _note(self, hook: HookRow, answer: _Answer, seconds: float) -> None:
        """Write what came of an attempt, then tell those who watch."""
        now, attempts = self._clock.wall(), hook.attempts + 1
        after = replace(hook, attempts=attempts, answer=answer.words, due_at=None)
        pause = None if answer.final else self._pause(hook, attempts, answer.hint)
        whose = {
            "job_id": hook.job_id,
            "key_name": hook.key_name,
            "host": urlsplit(hook.url).hostname or "",
        }
        told: WebhookDelivered | WebhookFailed | WebhookGivenUp
        if answer.delivered:
            after = replace(after, told_at=now)
            told = WebhookDelivered(**whose, attempt=attempts, seconds=seconds)
        elif pause is None:
            after = replace(after, given_up_at=now)
            told = WebhookGivenUp(**whose, attempts=attempts, reason=answer.words)
        else:
            after = replace(after, due_at=now + pause)
            told = WebhookFailed(**whose, attempt=attempts, reason=answer.words, again_in=pause)
        await self._store.hook_tried(after)
        self._memory.journal.announce(told)

    def _pause(self, hook: HookRow, attempts: int, hint: float) -> float | None:
        """Seconds until the next attempt; None if there is no use in one."""
        if attempts > len(PAUSES):
            return None
        spread = 1 + _JITTER * (2 * random.random() - 1)  # noqa: S311 - so that many come apart
        pause = max(PAUSES[attempts - 1] * self._section.scale * spread, hint)
        last = (hook.ended_at or 0.0) + self._lifetime - min(_TO_FETCH, self._lifetime / 10)
        left = last - self._clock.wall()
        return min(pause, left) if left > _LEAST else None


def message_id(hook: HookRow) -> str:
    """The same for every attempt to tell one end of a job to one address, in any process."""
    about = f"{hook.hook_id} {hook.ended_at!r}".encode()
    return f"msg_{hashlib.sha256(about).hexdigest()[:32]}"


def message(told: tuple[str, bytes], ended_at: float) -> bytes:
    """The body; ``told`` is what a ``Render`` gives."""
    status, job = told
    at = datetime.fromtimestamp(ended_at, UTC).isoformat(timespec="milliseconds")
    head = f'{{"type":"generation.{status}","timestamp":"{at[:-6]}Z","data":'
    return head.encode() + job + b"}"


def signed(name: str, at: int, body: bytes, secrets: Sequence[bytes]) -> dict[str, str]:
    """The headers of a message that is sent ``at`` (Unix seconds), signed with each secret."""
    content = f"{name}.{at}.".encode() + body
    digests = (hmac.digest(secret, content, "sha256") for secret in secrets)
    return {
        "content-type": "application/json",
        "webhook-id": name,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(one).decode()}" for one in digests),
    }
