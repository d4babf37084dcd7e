"""Which peers are proxies of ours, and whose request one hands on.

Owns: the trust in ``X-Forwarded-*``, and reading the client's address from ``X-Forwarded-For``.
Must not know: what the address is wanted for.
"""

import ipaddress
from collections.abc import Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Proxies:
    """The configured proxies: addresses and networks."""

    def __init__(self, trusted: Sequence[str]) -> None:
        self._trusted = [ipaddress.ip_network(net, strict=False) for net in trusted]

    def trusts(self, peer: str | None) -> bool:
        """Whether what this peer forwards is believed."""
        address = _address(peer or "")
        return address is not None and self._among(address)

    def client(self, peer: str | None, forwarded_for: Sequence[str]) -> str:
        """Who asks: the peer, or the last address that was put down by a proxy and is none.

        ``forwarded_for`` are the headers of that name, in order. Each proxy appends whom it had
        the request from, so only what stands right of the first stranger is known to be true.
        Empty where nothing is known.
        """
        found = _address(peer or "")
        hops = ",".join(forwarded_for).split(",") if forwarded_for else []
        while found is not None and hops and self._among(found):
            before = _address(_without_port(hops.pop().strip()))
            if before is None:
                break
            found = before
        return "" if found is None else str(found)

    def _among(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def _address(text: str) -> Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _without_port(hop: str) -> str:
    """``192.0.2.1:4711`` and ``[2001:db8::1]:4711`` as some proxies write them."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
