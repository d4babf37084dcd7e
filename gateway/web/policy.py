"""Which addresses may be fetched from.

Owns: the rule for links that strangers name (the vendor's results, callers' pictures): https, a
host that is a name, port 443, and after resolution only addresses of the public internet. The
vendor's own origin and hosts that the operator lists are exempt. Must not know: who fetches.
The check after resolution is the one that counts, and it is made on the very addresses that are
then connected to (``clients.py``): no second look-up, no second parser.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z][a-z0-9-]{0,62}")
_PLAIN = re.compile(r"[\x21-\x7e]+")
_LONGEST = 8_192
_HTTPS_PORT = 443
# What no host of the public internet has, by the registries of special addresses (RFC 6890 and
# what has been added since), or what carries another address inside. ``is_global`` knows others;
# which ones, depends on Python's version. Of IPv6 only 2000::/3 is given out at all.
_SPECIAL = tuple(
    ipaddress.ip_network(net)
    for net in (
        "192.0.0.0/24",
        "192.88.99.0/24",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
    )
)
_GIVEN_OUT = ipaddress.ip_network("2000::/3")


class AddressRefused(Exception):
    """A link may not be followed; the message says why, without the link."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Which links are followed.

    ``origins`` (``scheme://host:port``, lower case) and ``hosts`` are exempt from the rule; where
    ``only_hosts`` is not empty, other links must point to one of them.
    """

    origins: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    only_hosts: frozenset[str] = frozenset()

    def check(self, url: str) -> None:
        """Judge a link before resolution. Raises: AddressRefused."""
        scheme, host, port = _parts(url)
        _readable(url, host)
        if f"{scheme}://{host}:{port}" in self.origins:
            return
        if self.only_hosts and host not in self.only_hosts:
            raise AddressRefused("its host is not one of those configured")
        if host in self.hosts and scheme in {"http", "https"}:
            return
        if scheme != "https":
            raise AddressRefused("only https is followed")
        if port != _HTTPS_PORT:
            raise AddressRefused("only port 443 is followed")
        if not _NAME.fullmatch(host):
            raise AddressRefused("its host is not a public name")

    def exempt(self, host: str) -> bool:
        """Whether addresses of this host are taken as they resolve."""
        name = host.lower()
        return name in self.hosts or any(_parts(origin)[1] == name for origin in self.origins)


def origin(url: str) -> str:
    """``scheme://host:port`` of a configured address, lower case. Raises: AddressRefused."""
    scheme, host, port = _parts(url)
    return f"{scheme}://{host}:{port}"


def check_addresses(addresses: Iterable[str]) -> None:
    """All addresses a name resolved to must be public. Raises: AddressRefused."""
    for text in addresses:
        if not is_public(text):
            raise AddressRefused("its host resolves to an address that is not public")


def is_public(text: str) -> bool:
    """Whether an IP address belongs to the public internet and is not a tunnel to elsewhere."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if address.version == _GIVEN_OUT.version and address not in _GIVEN_OUT:
        return False
    if any(address in net for net in _SPECIAL if net.version == address.version):
        return False
    return address.is_global and not address.is_multicast


def _readable(url: str, host: str) -> None:
    """Whether httpx reads the same host out of a link, and can show it. Raises: AddressRefused."""
    try:
        read = httpx.URL(url)
        same = read.raw_host.decode("ascii") == host and read.host != ""
    except (httpx.InvalidURL, UnicodeError):  # a name that pretends to be in another script
        same = False
    if not same:
        raise AddressRefused("its host is not a public name")


def _parts(url: str) -> tuple[str, str, int]:
    """Scheme, host and port, by rules strict enough that no two parsers disagree."""
    if len(url) > _LONGEST or not _PLAIN.fullmatch(url) or "\\" in url:
        raise AddressRefused("it is not a plain URL")
    try:
        split = urlsplit(url)
        port = split.port
    except ValueError:
        raise AddressRefused("it is not a URL") from None
    scheme, host = split.scheme.lower(), (split.hostname or "").lower()
    if not host or scheme not in {"http", "https"}:
        raise AddressRefused("it is not an http URL")
    if "@" in split.netloc:
        raise AddressRefused("it carries a user name")
    return scheme, host, port or (_HTTPS_PORT if scheme == "https" else 80)
