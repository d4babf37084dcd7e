"""Finished pictures on disk for as long as their links are good.

Owns: tokens, lifetimes, room and what goes first when there is none: pictures that were delivered
or fetched, the oldest of them first, and never one that nobody has had yet. Must not know: HTTP,
jobs, how a picture was made. Everything but the methods marked ``async`` is arithmetic in memory.
"""

import asyncio
import secrets
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from gateway.clock import Clock
from gateway.config.sections import Images
from gateway.errors import ImageNotFound, NoRoom
from gateway.images.finish import Finished
from gateway.images.reservation import Reservation
from gateway.images.storage import EXTENSIONS, Shelved, blank, place, remove, take_stock

__all__ = ["Reservation", "Shelf", "Shelved"]


@dataclass(slots=True)
class _Entry:
    shelved: Shelved
    dies: float  # in the clock's monotonic time, so that a set wall clock ends nothing early
    claimed: bool = False


def _free(folder: str) -> int:
    return shutil.disk_usage(folder).free


class Shelf:
    """The pictures that links point to. Call ``open`` once before anything else."""

    def __init__(
        self, section: Images, clock: Clock, *, free: Callable[[str], int] = _free
    ) -> None:
        self._folder = str(Path(section.folder).absolute())
        self._lifetime = section.lifetime
        self._capacity = section.shelf
        self._clock = clock
        self._free = free
        self._entries: dict[str, _Entry] = {}  # the oldest first
        self._doomed: dict[str, int] = {}  # paths still to be deleted, and their sizes
        self._used = 0
        self._reserved = 0
        self._evictable = 0
        self._burials: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return (
            f"Shelf({len(self)} pictures, {self._used} bytes of {self._capacity}, "
            f"{self._reserved} reserved, {self._evictable} evictable)"
        )

    @property
    def used(self) -> int:
        """Bytes of the pictures that lie there."""
        return self._used

    async def open(self, claimed: Collection[str] = ()) -> None:
        """Make the folder, sweep what was left unfinished, and serve what is there.

        ``claimed`` are the tokens of those that somebody has had; the others are not evicted.
        """
        found = await asyncio.to_thread(take_stock, self._folder, self._lifetime)
        for picture in found:
            self._used += picture.size
            self._add(picture, min(picture.expires_at - self._clock.wall(), self._lifetime))
            if picture.token in claimed:
                self._claim(picture.token)
        await self.sweep()

    def room(self, size: int) -> bool:
        """Whether ``size`` more bytes could be reserved."""
        return self._lacking(size) <= self._evictable

    def reserve(self, size: int) -> Reservation:
        """Set ``size`` bytes aside, evicting what may go. Raises ``NoRoom``."""
        lacking = self._lacking(size)
        if lacking > self._evictable:
            raise NoRoom("There is no room for another picture at the moment.")
        self._evict(lacking)
        self._reserved += size
        return Reservation(size, self._give_back)

    def blank(self) -> str:
        """Name a file that does not exist yet, for a download or an encoder to write."""
        return blank(self._folder)

    async def keep(self, finished: Finished, reservation: Reservation | None = None) -> Shelved:
        """Take a picture in under a new token, durably; its file is moved from where it was.

        It is never refused, for it is paid for; room is asked for beforehand.
        """
        now = self._clock.wall()
        token = secrets.token_hex(16)
        shelved = Shelved(
            token=token,
            path=str(Path(self._folder) / f"{token}.{EXTENSIONS[finished.format]}"),
            format=finished.format,
            width=finished.width,
            height=finished.height,
            size=finished.size,
            expires_at=now + self._lifetime,
        )
        self._used += shelved.size
        try:
            await asyncio.to_thread(place, finished.path, shelved.path, now)
        except BaseException:
            self._used -= shelved.size
            raise
        if reservation is not None:
            reservation.consume(shelved.size)
        self._add(shelved, self._lifetime)
        self._evict(self._lacking(0))
        return shelved

    def find(self, token: str, extension: str) -> Shelved | None:
        """Look a link's picture up; None where it never was, expired, or has another extension."""
        entry = self._entries.get(token)
        if entry is None or entry.dies <= self._clock.monotonic():
            return None
        return entry.shelved if EXTENSIONS[entry.shelved.format] == extension else None

    def open_for_reading(self, shelved: Shelved) -> BinaryIO:
        """Open a picture's file (this blocks). What is open can be read to its end, come what may.

        Raises ``ImageNotFound`` where it went since it was found.
        """
        try:
            return Path(shelved.path).open("rb")
        except FileNotFoundError as fault:
            raise ImageNotFound("This picture is no longer available.") from fault

    def delivered(self, token: str) -> None:
        """Mark a picture as handed over in an answer's body."""
        self._claim(token)

    def fetched(self, token: str) -> None:
        """Mark a picture as read to its end through its link."""
        self._claim(token)

    def is_claimed(self, token: str) -> bool:
        """Whether somebody has had a picture; one that is gone counts as had."""
        entry = self._entries.get(token)
        return entry is None or entry.claimed

    async def sweep(self) -> None:
        """Forget and delete what has expired."""
        now = self._clock.monotonic()
        for token, entry in list(self._entries.items()):
            if entry.dies > now:
                break
            self._drop(token)
        await self._bury()

    async def keep_swept(self, interval: float) -> None:
        """Sweep every ``interval`` seconds, until cancelled.

        A file that cannot be deleted is tried again the next time.
        """
        while True:
            await self._clock.sleep(interval)
            await self.sweep()

    def _add(self, shelved: Shelved, left: float) -> None:
        self._entries[shelved.token] = _Entry(shelved, self._clock.monotonic() + left)

    def _claim(self, token: str) -> None:
        entry = self._entries.get(token)
        if entry is not None and not entry.claimed:
            entry.claimed = True
            self._evictable += entry.shelved.size

    def _give_back(self, size: int) -> None:
        self._reserved -= size

    def _lacking(self, size: int) -> int:
        """Bytes that would have to go for ``size`` more to fit, on the shelf and on the disk."""
        needed = self._reserved + size
        on_disk = needed - self._free(self._folder) - sum(self._doomed.values())
        return max(0, self._used + needed - self._capacity, on_disk)

    def _evict(self, size: int) -> None:
        if size <= 0:
            return
        for token, entry in list(self._entries.items()):
            if size <= 0:
                break
            if entry.claimed:
                size -= entry.shelved.size
                self._drop(token)
        task = asyncio.get_running_loop().create_task(self._bury())
        self._burials.add(task)
        task.add_done_callback(self._burials.discard)

    def _drop(self, token: str) -> None:
        entry = self._entries.pop(token)
        self._used -= entry.shelved.size
        self._evictable -= entry.shelved.size if entry.claimed else 0
        self._doomed[entry.shelved.path] = entry.shelved.size

    async def _bury(self) -> None:
        """Delete what was dropped, off the loop; what resists stays on the list."""
        paths = list(self._doomed)
        resisting = await asyncio.to_thread(remove, paths)
        for path in paths:
            if path not in resisting:
                self._doomed.pop(path, None)
