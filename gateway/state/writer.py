"""The one thread that writes.

Owns: gathering what waits into one commit, what becomes of entries while nothing can be written
(steps towards a purchase are refused, facts are kept in order and written later), and what is told
of both. Must not know: SQL, what an entry says.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Sequence

from gateway.clock import Clock
from gateway.notices import (
    LedgerCommitted,
    LedgerFailed,
    LedgerHindered,
    LedgerRecovered,
)
from gateway.state.ballast import Ballast
from gateway.state.commit import Committer, Entry, Kind
from gateway.state.trouble import TROUBLE, is_want_of_room, kind, unavailable, words

_AT_ONCE = 256
_PAUSES = (0.5, 1.0, 2.0, 4.0, 5.0)
# Whoever wants to buy makes the ledger try again, but no more often than this.
_SELDOM = 1.0

Answer = tuple[asyncio.Future[object], object]


class Writer:
    """Commits entries in the order they came. ``emit`` is called in the loop.

    ``release`` is called last in the thread, once everything is closed.
    """

    def __init__(
        self,
        committer: Committer,
        ballast: Ballast,
        clock: Clock,
        emit: Callable[[object], None],
        release: Callable[[], None],
    ) -> None:
        self._committer = committer
        self._ballast = ballast
        self._clock = clock
        self._emit = emit
        self._release = release
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._answers: list[Answer] = []
        self._facts: list[object] = []
        self._backlog: list[Entry] = []
        self._reason: str | None = None
        self._pauses = iter(_PAUSES)
        self._tried = self._due = clock.monotonic()
        self._made_good = 0
        self._closed = False
        # A daemon: one that was never closed must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="ledger-writer", daemon=True)

    @property
    def trouble(self) -> str | None:
        """Why no job can be added; None if one can."""
        reason = self._reason
        if reason is not None and self._backlog:
            return f"{reason}; {len(self._backlog)} facts wait to be written"
        return reason

    def start(self, trouble: str | None) -> None:
        """Begin; in trouble where there was no making the ballast."""
        if trouble is not None:
            self._hinder(trouble)
            self._tell()
        self._thread.start()

    async def write(self, entry: Entry) -> object:
        """Have an entry written. Raises: LedgerUnavailable, or what was wrong with the entry."""
        if self._closed:
            raise unavailable()
        self._queue.put(entry)
        return await entry.answer

    async def close(self) -> None:
        """Write the rest, if that can be done, and end the thread."""
        self._closed = True
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    # All below is the thread's own.

    def _run(self) -> None:
        try:
            more = True
            while more:
                batch, more = self._gather()
                self._take(batch)
                self._tell()
            self._finish()
            self._tell()
        finally:
            self._committer.close()
            self._release()

    def _gather(self) -> tuple[list[Entry], bool]:
        """What waits, and whether more may come; nothing where it is time to try again."""
        batch: list[Entry] = []
        patience = None
        if self._reason is not None:
            patience = max(0.0, self._due - self._clock.monotonic())
        with contextlib.suppress(queue.Empty):
            entry = self._queue.get(timeout=patience)
            while entry is not None:
                batch.append(entry)
                if len(batch) == _AT_ONCE:
                    return batch, True
                entry = self._queue.get_nowait()
            return batch, False
        return batch, True

    def _take(self, batch: list[Entry]) -> None:
        try:
            if self._reason is not None and self._is_time(batch):
                self._mend()
            admitted = [entry for entry in batch if self._admits(entry)]
            if admitted:
                self._write(admitted)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not leave everybody waiting for ever
            self._answers += [(entry.answer, error) for entry in batch]

    def _is_time(self, batch: Sequence[Entry]) -> bool:
        now = self._clock.monotonic()
        asked = any(entry.kind is Kind.STEP for entry in batch)
        return not batch or now >= self._due or (asked and now - self._tried >= _SELDOM)

    def _admits(self, entry: Entry) -> bool:
        """Whether an entry may be tried now; another is refused or put behind the others."""
        match entry.kind:
            case Kind.STEP if entry.answer.cancelled():
                return False  # whoever asked has gone and will not do it
            case Kind.STEP if self._reason is not None:
                self._refuse(entry)
                return False
            case Kind.CHORE if self._backlog:
                self._refuse(entry)
                return False
            case Kind.FACT if self._backlog:
                self._put_off(entry)
                return False
        return True

    def _write(self, entries: Sequence[Entry]) -> None:
        try:
            outcomes = self._commit(entries)
        except TROUBLE as error:
            self._fall_back(entries, error)
        else:
            self._answer(entries, outcomes)
            self._confirm()
            if not self._ballast.held:  # the log must not fill what room there is
                self._committer.shrink()

    def _commit(self, entries: Sequence[Entry], *, synced: bool = False) -> list[object]:
        """Commit, and tell what came of it. Raises TROUBLE."""
        began = self._clock.monotonic()
        try:
            outcomes = self._committer.commit(entries, synced=synced)
        except TROUBLE as error:
            self._facts.append(LedgerFailed(op="commit", reason=kind(error)))
            raise
        if entries and self._committer.synced:
            seconds = self._clock.monotonic() - began
            self._facts.append(LedgerCommitted(seconds=seconds, entries=len(entries)))
        return outcomes

    def _mark(self) -> None:
        """Mark the commit that was made. Raises TROUBLE."""
        try:
            self._committer.confirm()
        except TROUBLE as error:
            self._facts.append(LedgerFailed(op="commit", reason=kind(error)))
            raise

    def _fall_back(self, entries: Sequence[Entry], error: BaseException) -> None:
        """A commit failed: save the facts."""
        facts = [entry for entry in entries if entry.kind is Kind.FACT]
        outcomes = self._again(facts) if is_want_of_room(error) else None
        if outcomes is None:
            for fact in facts:
                self._put_off(fact)
        else:
            self._answer(facts, outcomes)
            self._confirm()
        self._hinder(words(error))
        for entry in entries:
            if entry.kind is not Kind.FACT:
                self._refuse(entry)

    def _again(self, facts: Sequence[Entry]) -> list[object] | None:
        """Make room and try once more; None if that was of no use."""
        self._ballast.give_up()
        try:
            return self._commit(facts)
        except TROUBLE:
            return None

    def _confirm(self) -> None:
        """A commit was made. What goes wrong now does not undo it, but nothing more is begun."""
        try:
            self._mark()
        except TROUBLE as error:
            self._hinder(words(error))

    def _hinder(self, reason: str) -> None:
        if self._reason is None:
            self._pauses = iter(_PAUSES)
            self._postpone()
            self._facts.append(LedgerHindered(reason=reason, waiting=len(self._backlog)))
        self._reason = reason

    def _postpone(self) -> None:
        self._tried = self._clock.monotonic()
        self._due = self._tried + next(self._pauses, _PAUSES[-1])

    def _mend(self) -> None:
        """Try to make good what could not be done."""
        try:
            self._flush()
            if not self._ballast.held:
                self._committer.shrink()
                self._ballast.restore()
            self._commit((), synced=True)  # an empty one shows that all is well
            self._mark()
        except TROUBLE as error:
            if is_want_of_room(error):
                self._ballast.give_up()
            self._reason = words(error)
            self._postpone()
        else:
            self._reason = None
            self._facts.append(LedgerRecovered(written=self._made_good))
            self._made_good = 0

    def _flush(self) -> None:
        while self._backlog:
            facts = self._backlog[:_AT_ONCE]
            try:
                outcomes = self._commit(facts)
            except TROUBLE as error:
                again = self._again(facts) if is_want_of_room(error) else None
                if again is None:
                    raise
                outcomes = again
            del self._backlog[: len(facts)]
            left_out = [one for one in outcomes if isinstance(one, Exception)]
            self._made_good += len(outcomes) - len(left_out)
            for fault in left_out:
                said = f"an entry was left out: {fault!r}"
                self._facts.append(LedgerHindered(reason=said, waiting=len(self._backlog)))
            self._mark()

    def _finish(self) -> None:
        if self._reason is not None:
            self._mend()
        if self._backlog:
            said = f"closed with facts unwritten: {self._reason}"
            self._facts.append(LedgerHindered(reason=said, waiting=len(self._backlog)))

    def _answer(self, entries: Sequence[Entry], outcomes: Sequence[object]) -> None:
        self._answers += [
            (entry.answer, outcome) for entry, outcome in zip(entries, outcomes, strict=True)
        ]

    def _refuse(self, entry: Entry) -> None:
        self._answers.append((entry.answer, unavailable()))

    def _put_off(self, entry: Entry) -> None:
        self._backlog.append(entry)
        self._answers.append((entry.answer, None))

    def _tell(self) -> None:
        """Answer all at once: waking the loop is what costs."""
        answers, self._answers = self._answers, []
        facts, self._facts = self._facts, []
        if answers or facts:
            with contextlib.suppress(RuntimeError):  # the loop is gone, and with it who waited
                self._loop.call_soon_threadsafe(_settle, answers, facts, self._emit)


def _settle(
    answers: Sequence[Answer], facts: Sequence[object], emit: Callable[[object], None]
) -> None:
    for future, outcome in answers:
        if future.done():
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
    for fact in facts:
        emit(fact)
