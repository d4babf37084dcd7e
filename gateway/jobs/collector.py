"""Collecting: from the vendor's links to finished pictures on the shelf.

Owns: the order (fetch, check and finish, keep), the one fresh look at a dead link, and what is
told of a picture that cannot be had. Must not know: formats, HTTP, who waits. What has been kept
stays kept, whatever becomes of the rest.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from gateway.errors import ResultUnusable, TaskFailed
from gateway.events import Collected, CollectingHindered, LinkDead
from gateway.failpoints import failpoint
from gateway.images.finish import Finished, Reason, UnusableResult
from gateway.images.shelf import Shelf, Shelved
from gateway.jobs.asking import ask
from gateway.jobs.board import Job, LiveTask
from gateway.jobs.journal import Journal
from gateway.notices import CallRepeated, Flaw, PictureFetched, PictureRejected, Repeated
from gateway.state.base import PictureRow
from gateway.translate.model import Finish, Note
from gateway.upstream import download
from gateway.upstream.base import StatusUnavailable, TaskStatus, TaskUnknown, Upstream
from gateway.upstream.governor import Governor

_PAUSES = (1.0, 2.0, 5.0, 10.0, 30.0)
_UNKNOWN_TIMES = 5
_FLAWS: Mapping[Reason, Flaw] = {
    "empty": "broken",
    "damaged": "broken",
    "html": "no_image",
    "not_a_picture": "no_image",
    "too_large": "wrong_size",  # in pixels; of bytes the download has a bound
}


class Fetcher(Protocol):
    """Gets a link into a file."""

    async def fetch(self, url: str, path: str) -> int:
        """Bytes written to ``path``. Raises: download.LinkDead."""
        ...


class Finisher(Protocol):
    """Checks a fetched file and brings it into its final form."""

    async def finish(self, source: str, target: str, wanted: Finish) -> Finished:
        """Raises: UnusableResult."""
        ...


class _Unusable(Exception):
    """A picture could not be had by its link; ``away``: nor could any, for the time being.

    ``flaw`` is what was wrong with it, ``repeated`` the reason if another download is made.
    """

    def __init__(
        self, reason: str, flaw: Flaw, *, away: bool = False, repeated: Repeated = "broken"
    ) -> None:
        super().__init__(reason)
        self.flaw = flaw
        self.away = away
        self.repeated = repeated
        self.rejected = False


class Collector:
    """Collects tasks' pictures."""

    def __init__(
        self, asker: "Asker", fetcher: Fetcher, finisher: Finisher, shelf: Shelf, journal: Journal
    ) -> None:
        self._asker = asker
        self._fetcher = fetcher
        self._finisher = finisher
        self._shelf = shelf
        self._journal = journal

    async def collect(self, job: Job, task: LiveTask, status: TaskStatus) -> None:
        """Fetch, finish and keep the pictures of a task that succeeded.

        They are put into ``task.kept``, in the vendor's order, with notes in ``task.notes``.
        Raises: ResultUnusable, TaskFailed (fewer than asked for); what could be had is kept.
        """
        links = status.links[: task.spec.n]
        rows = []
        had = await asyncio.gather(
            *(self._picture(job, task, place, link) for place, link in enumerate(links)),
            return_exceptions=True,
        )
        for place, one in enumerate(had):
            if isinstance(one, tuple):
                task.kept.append(one[0])
                task.notes.extend(one[1])
                rows.append(_row(task, place, *one))
        failpoint("collect.kept")
        failed = [one for one in had if isinstance(one, BaseException)]
        stamp = task.entry.stamp(self._asker.wall())
        if failed:
            reason = str(failed[0]) if isinstance(failed[0], _Unusable) else repr(failed[0])
            await self._journal.tell(task.entry, LinkDead(**stamp, reason=reason), rows)
            _raise_ours(failed)
            message = f"A picture was made, but could not be fetched whole ({reason})."
            raise ResultUnusable(message, code="upstream_result_unusable")
        size = sum(shelved.size for shelved in task.kept)
        told = Collected(**stamp, images=len(task.kept), size=size)
        await self._journal.tell(task.entry, told, rows)
        failpoint("collect.written")
        if len(links) < task.spec.n:
            message = f"The upstream made {len(links)} of {task.spec.n} pictures."
            raise TaskFailed(message, code="upstream_fewer_images")

    async def collect_late(self, job: Job, task: LiveTask) -> None:
        """Collect a task that had succeeded when another process ended. Raises: as ``collect``."""
        status = await self._asker.finished(task, job.give_up)
        if status is None:
            reason = "its links could not be asked for again"
            stamp = task.entry.stamp(self._asker.wall())
            await self._journal.tell(task.entry, LinkDead(**stamp, reason=reason))
            message = f"A picture was made, but {reason}."
            raise ResultUnusable(message, code="upstream_result_unusable")
        await self.collect(job, task, status)

    async def _picture(
        self, job: Job, task: LiveTask, place: int, link: str
    ) -> tuple[Shelved, tuple[Note, ...]]:
        """One picture; a link that gives none is looked up afresh once.

        Where it is the way to it that fails, or the question, both are tried for as long as the
        task is followed: it is paid for.
        """
        pauses = iter(_PAUSES)
        afresh = False
        while True:
            try:
                return await self._keep_patiently(job, task, link)
            except _Unusable as unusable:
                fault = unusable
            if not fault.away:
                self._reject(task, fault)
                if afresh:
                    raise fault
            try:
                fresh = await self._asker.fresh_link(task, place)
            except StatusUnavailable:
                fault.away = True
            else:
                if fresh is None:
                    raise self._reject(task, fault)
                link, afresh = fresh, afresh or not fault.away
            if fault.away and not await self._asker.pause(next(pauses, _PAUSES[-1]), job.give_up):
                raise self._reject(task, fault)
            self._journal.announce(CallRepeated(op="download", reason=fault.repeated))

    def _reject(self, task: LiveTask, fault: _Unusable) -> _Unusable:
        """Tell, once, that a link was given up."""
        if not fault.rejected:
            fault.rejected = True
            entry = task.entry
            told = PictureRejected(job_id=entry.job_id, task_id=entry.task_id, reason=fault.flaw)
            self._journal.announce(told)
        return fault

    async def _keep_patiently(
        self, job: Job, task: LiveTask, link: str
    ) -> tuple[Shelved, tuple[Note, ...]]:
        """Keep a picture; a fault of this machine (a full disk) is waited out: it is paid for."""
        pauses = iter(_PAUSES)
        while True:
            try:
                return await self._keep(job, task, link)
            except OSError as error:
                told = CollectingHindered(
                    job_id=job.job_id, task_id=task.entry.task_id, reason=str(error.strerror)
                )
                self._journal.announce(told)
                if not await self._asker.pause(next(pauses, _PAUSES[-1]), job.give_up):
                    raise

    async def _keep(self, job: Job, task: LiveTask, link: str) -> tuple[Shelved, tuple[Note, ...]]:
        """Fetch, finish, keep; files on the way are moved on, or removed after a fault."""
        fetched, finished_path = self._shelf.blank(), self._shelf.blank()
        try:
            await self._fetch(task, link, fetched)
            failpoint("collect.fetched")
            finished = await self._finisher.finish(fetched, finished_path, job.plan.finish)
            shelved = await self._shelf.keep(finished, job.reservation)
        except BaseException as error:
            await asyncio.to_thread(_remove, fetched, finished_path)
            if isinstance(error, download.LinkDead):
                away, repeated = error.away, error.repeated
                raise _Unusable(error.reason, error.flaw, away=away, repeated=repeated) from error
            if isinstance(error, UnusableResult):
                raise _Unusable(error.reason, _FLAWS[error.reason]) from error
            raise
        else:
            return shelved, finished.notes

    async def _fetch(self, task: LiveTask, link: str, path: str) -> None:
        clock, entry = self._journal.clock, task.entry
        began = clock.monotonic()
        size = await self._fetcher.fetch(link, path)
        task.watch.fetched = now = clock.monotonic()
        told = PictureFetched(
            job_id=entry.job_id, task_id=entry.task_id, seconds=now - began, size=size
        )
        self._journal.announce(told)


class Asker:
    """Time, and a fresh look at a task for the sake of its links."""

    def __init__(
        self, upstream: Upstream, governor: Governor, journal: Journal, settle_time: float
    ) -> None:
        self._upstream = upstream
        self._governor = governor
        self._journal = journal
        self._clock = journal.clock
        self._settle_time = settle_time

    def wall(self) -> float:
        """Now, in Unix seconds."""
        return self._clock.wall()

    async def pause(self, seconds: float, until: float) -> bool:
        """Wait, if it can be done ``until`` then (monotonic seconds)."""
        if self._clock.monotonic() + seconds > until:
            return False
        await self._clock.sleep(seconds)
        return True

    async def finished(self, task: LiveTask, until: float) -> TaskStatus | None:
        """The status of a task that was done when last asked; None if it is not to be had.

        That the vendor does not know it counts only if it is said again and again, over the settle
        time; that it names no picture, not at all.
        """
        pauses = iter(_PAUSES)
        unknown, since = 0, 0.0
        while True:
            await self._governor.queries.turn()
            try:
                status = await self._ask(task)
                if status.links:
                    return status
                unknown = 0
            except TaskUnknown:
                now = self._clock.monotonic()
                since = since if unknown else now
                unknown += 1
                if unknown >= _UNKNOWN_TIMES and now - since >= self._settle_time:
                    return None
            except StatusUnavailable:
                unknown = 0
            if not await self.pause(next(pauses, _PAUSES[-1]), until):
                return None

    async def fresh_link(self, task: LiveTask, place: int) -> str | None:
        """The link of the picture at ``place`` as the vendor names it now; None if it does not.

        Raises: StatusUnavailable.
        """
        await self._governor.queries.turn()
        try:
            status = await self._ask(task)
        except TaskUnknown:
            return None
        return status.links[place] if place < len(status.links) else None

    async def _ask(self, task: LiveTask) -> TaskStatus:
        return await ask(self._upstream, self._journal, task.entry, task.upstream_id)


def _row(task: LiveTask, place: int, shelved: Shelved, notes: tuple[Note, ...]) -> PictureRow:
    return PictureRow(
        token=shelved.token,
        task_id=task.entry.task_id,
        place=place,
        format=shelved.format,
        width=shelved.width,
        height=shelved.height,
        size=shelved.size,
        expires_at=shelved.expires_at,
        notes=notes,
    )


def _raise_ours(failed: list[BaseException]) -> None:
    """A fault that is not the link's: a bug, a full disk, or our own end."""
    for error in failed:
        if not isinstance(error, _Unusable):
            raise error


def _remove(*paths: str) -> None:
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            Path(path).unlink()
