"""References at the vendor: each content is uploaded once, and its address reused while it lives.

Owns: the cache of addresses by content, uploads under way, and the repetition of failed ones (an
upload buys nothing). Must not know: the wire shape, what the pictures are for.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from cachetools import TTLCache

from gateway.clock import Clock
from gateway.errors import UpstreamThrottled, UpstreamUnavailable
from gateway.notices import CallRepeated, Repeated
from gateway.translate.model import Picture, Reference, RemotePicture
from gateway.upstream.base import Upstream
from gateway.upstream.budget import RetryBudget

_TRIES = 3
_PAUSE = 1.0
_LONGEST_PAUSE = 10.0
_AT_ONCE = 4
_REMEMBERED = 4096


class Uploads:
    """Gives an address for every reference."""

    def __init__(
        self,
        upstream: Upstream,
        clock: Clock,
        lifetime: float,
        budget: RetryBudget,
        tell: Callable[[object], None],
    ) -> None:
        self._upstream = upstream
        self._clock = clock
        self._budget = budget
        self._tell = tell
        self._known: TTLCache[str, str] = TTLCache(
            maxsize=_REMEMBERED, ttl=lifetime, timer=clock.monotonic
        )
        self._under_way: dict[str, asyncio.Task[str]] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def links(self, references: Sequence[Reference]) -> Mapping[Reference, str]:
        """An address for each; order and repetition do not matter. Raises: GatewayError.

        Returns only when no upload needs the references' files any more, for another job may have
        joined an upload that this one began.
        """
        wanted = list(dict.fromkeys(references))
        given = await asyncio.gather(
            *(self._link(reference) for reference in wanted), return_exceptions=True
        )
        addresses: dict[Reference, str] = {}
        for reference, address in zip(wanted, given, strict=True):
            if isinstance(address, BaseException):
                raise address
            addresses[reference] = address
        return addresses

    async def close(self) -> None:
        """Give up the uploads under way: their files are about to go."""
        for task in tuple(self._under_way.values()):
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def _link(self, reference: Reference) -> str:
        if isinstance(reference, RemotePicture):
            return reference.url
        known = self._known.get(reference.digest)
        if known is not None:
            return known
        task = self._under_way.get(reference.digest)
        if task is None:
            task = asyncio.create_task(self._upload(reference))
            self._under_way[reference.digest] = task
            task.add_done_callback(lambda _: self._under_way.pop(reference.digest, None))
        return await asyncio.shield(task)

    async def _upload(self, picture: Picture) -> str:
        self._budget.called()
        for attempt in range(1, _TRIES):
            try:
                return await self._upload_once(picture)
            except (UpstreamUnavailable, UpstreamThrottled) as error:
                if not self._budget.take():
                    raise
                pause = error.retry_after if error.retry_after is not None else _PAUSE * attempt
                await self._clock.sleep(min(pause, _LONGEST_PAUSE))
                throttled = isinstance(error, UpstreamThrottled)
                reason: Repeated = "throttled" if throttled else "unavailable"
                self._tell(CallRepeated(op="upload", reason=reason))
        return await self._upload_once(picture)

    async def _upload_once(self, picture: Picture) -> str:
        async with self._slots:
            address = await self._upstream.upload(picture)
        self._known[picture.digest] = address
        return address
