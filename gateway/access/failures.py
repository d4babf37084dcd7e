"""How often an address may show a wrong key.

Owns: a rate per address, within bounded memory. Must not know: keys, HTTP, how an address is found
out. IPv6 is counted by /64, which is what one subscriber has.

Who shows wrong keys from more addresses than are remembered is forgotten in between, the longest
silent first: that bounds our memory, and such a one is not held up by addresses anyway.
"""

import ipaddress

from cachetools import LRUCache

from gateway.clock import Clock
from gateway.state.bucket import Bucket

MOST = 10_000
_SECOND = 1_000_000_000
_SUBSCRIBER = 64


class Failures:
    """Wrong keys per address; without a limit nothing is counted."""

    def __init__(self, per_minute: int | None, clock: Clock, most: int = MOST) -> None:
        self._limit = per_minute
        self._clock = clock
        self._buckets: LRUCache[str, Bucket] = LRUCache(most)

    def __repr__(self) -> str:
        return f"<Failures limit={self._limit} addresses={len(self._buckets)}>"

    def __len__(self) -> int:
        return len(self._buckets)

    @property
    def limit(self) -> int | None:
        """Wrong keys a minute, and at once."""
        return self._limit

    def wait(self, address: str) -> float:
        """Seconds until another wrong key of this address is heard; 0 if it is now."""
        bucket = self._buckets.get(counted_as(address))
        if bucket is None or self._limit is None:
            return 0.0
        return bucket.wait(self._now(), 1, self._limit) / _SECOND

    def count(self, address: str) -> None:
        """Note a wrong key."""
        if self._limit is None:
            return
        name = counted_as(address)
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = Bucket(self._limit)
        bucket.settle(bucket.take(self._now(), 1))

    def _now(self) -> int:
        return int(self._clock.monotonic() * _SECOND)


def counted_as(address: str) -> str:
    """What an address is counted as: IPv4 by itself, also within IPv6; IPv6 by its /64."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, _SUBSCRIBER), strict=False))
