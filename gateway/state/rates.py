"""The rates of all keys: which there are, what they hold, what of it is not written down yet.

Owns: the buckets by key and setting, and their times. Must not know: jobs, budgets, who writes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from gateway.clock import Clock
from gateway.config.sections import Limits
from gateway.state.base import LimitReached, Room
from gateway.state.books import Owed
from gateway.state.bucket import Bucket, Take

Name = Literal["requests_per_minute", "images_per_minute"]

_NANO = 1_000_000_000
_MICROSECOND = 1_000
_WORTH = 6  # of a minute's, that a burst is if nothing else is said


@dataclass(frozen=True, slots=True)
class _Rate:
    limit: int
    burst: int


class Rates:
    """Takes from rates and gives back; a key without a limit has no rate."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, Name], Bucket] = {}
        self._restored: dict[tuple[str, str], tuple[int, int]] = {}
        self._unwritten: set[tuple[str, Name]] = set()

    def __repr__(self) -> str:
        return f"Rates({self._buckets!r})"

    def too_fast(
        self, key_name: str, limits: Limits, requests: int, images: int
    ) -> LimitReached | None:
        """The rate that keeps these waiting longest, if one does."""
        now, longest, found = self._now(), 0, None
        wanted: tuple[tuple[Name, int], ...] = (
            ("requests_per_minute", requests),
            ("images_per_minute", images),
        )
        for name, count in wanted:
            rate = _rate(name, limits)
            if rate is None or not count:
                continue
            wait = self._bucket(key_name, name, rate, now).wait(now, count, rate.burst)
            if wait > longest:
                longest = wait
                seconds = -(-wait // _MICROSECOND) / 1e6
                found = LimitReached(name, rate.limit, asked=count, wait=seconds)
        return found

    def take(self, key_name: str, name: Name, limits: Limits, count: int) -> Take | None:
        """Take ``count``, whether or not they may be taken; None where there is no limit."""
        rate = _rate(name, limits)
        if rate is None:
            return None
        now = self._now()
        self._unwritten.add((key_name, name))
        return self._bucket(key_name, name, rate, now).take(now, count)

    def give_back(self, key_name: str, name: Name, take: Take | None) -> None:
        """Undo a take."""
        if take is not None:
            self._buckets[key_name, name].give_back(take)
            self._unwritten.add((key_name, name))

    def settle(self, key_name: str, name: Name, take: Take | None) -> None:
        """A take stands."""
        if take is not None:
            self._buckets[key_name, name].settle(take)

    def room(self, key_name: str, name: Name, limits: Limits) -> Room | None:
        """What a rate leaves."""
        rate = _rate(name, limits)
        if rate is None:
            return None
        now = self._now()
        bucket = self._bucket(key_name, name, rate, now)
        return Room(
            rate.limit, rate.burst, bucket.left(now, rate.burst), bucket.empty_in(now) / 1e9
        )

    def restore(self, owed: Iterable[Owed]) -> None:
        """Take up what was written down.

        A clock that was set back meanwhile pays nothing back, and no debt grows by it.
        """
        now, wall = self._now(), self._clock.wall()
        for one in owed:
            ago = int(max(0.0, wall - one.at) * _NANO)
            self._restored[one.key_name, one.name] = (one.debt, now - ago)

    def owed_by(self, key_name: str) -> tuple[Owed, ...]:
        """All rates of a key, to be written down."""
        names: tuple[Name, ...] = ("requests_per_minute", "images_per_minute")
        mine = [(key_name, name) for name in names if (key_name, name) in self._buckets]
        self._unwritten.difference_update(mine)
        return tuple(self._owed(*one) for one in mine)

    def not_written(self, owed: Iterable[Owed]) -> None:
        """What was told could not be written down: it is to be told again."""
        told = {(one.key_name, one.name) for one in owed}
        self._unwritten.update(place for place in self._buckets if place in told)

    def unwritten(self) -> tuple[Owed, ...]:
        """What has changed since it was told, here or by ``owed_by``."""
        told = tuple(self._owed(*one) for one in self._unwritten)
        self._unwritten.clear()
        return told

    def _owed(self, key_name: str, name: Name) -> Owed:
        debt = self._buckets[key_name, name].debt(self._now())
        return Owed(key_name, name, debt, self._clock.wall())

    def _bucket(self, key_name: str, name: Name, rate: _Rate, now: int) -> Bucket:
        place = (key_name, name)
        bucket = self._buckets.get(place)
        if bucket is None:
            debt, at = self._restored.pop(place, (0, now))
            bucket = self._buckets[place] = Bucket(rate.limit, debt=debt, at=at)
        bucket.change(rate.limit, now)
        return bucket

    def _now(self) -> int:
        return round(self._clock.monotonic() * _NANO)


def _rate(name: Name, limits: Limits) -> _Rate | None:
    requests = name == "requests_per_minute"
    limit = limits.requests_per_minute if requests else limits.images_per_minute
    if limit is None:
        return None
    burst = limits.requests_burst if requests else limits.images_burst
    return _Rate(limit, burst or -(-limit // _WORTH))
