"""What counts as an address in the configuration.

Owns: the checks of URLs, host names, networks and the state's URL, each a function that returns
the value (normalised where said) or raises ``ValueError`` with a sentence for the operator.
Must not know: who connects to what. No message repeats the value: a URL may hold a password.
"""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?")
_OTHER_ORIGIN = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,63})://[A-Za-z0-9._-]{1,255}")
_PORTS = {"http": 80, "https": 443}
_UNFIT = re.compile(r"[\s\x00-\x1f\x7f\\]")


def is_loopback(host: str) -> bool:
    """Say whether a listener on, or a URL to, ``host`` stays on this machine."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_host(text: str) -> bool:
    try:
        return bool(_HOST.fullmatch(text) or ipaddress.ip_address(text))
    except ValueError:
        return False


def _split(value: str) -> SplitResult:
    if _UNFIT.search(value):
        raise ValueError("must be a URL without spaces or control characters")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("must be a URL with a valid host and port") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ValueError("must be an absolute URL that starts with https:// or http://")
    if "@" in parts.netloc:
        raise ValueError("must not hold a user name or password")
    if "?" in value or "#" in value:
        raise ValueError("must not have a query or a fragment")
    if not _is_host(parts.hostname):
        raise ValueError("must be a URL with a valid host and port")
    return parts


def web_origin(value: str) -> str:
    """Check an origin as browsers send it, ``https://host`` or with a port; ``*`` is any.

    Programs that are built of pages have schemes of their own: ``app://name``.
    """
    if value == "*":
        return value
    if value == "null":
        raise ValueError("must not be null, which any page can be; '*' admits those as well")
    other = _OTHER_ORIGIN.fullmatch(value)
    if other is not None and other["scheme"].lower() not in _PORTS:
        return value.lower()
    parts = _split(value)
    if parts.path.strip("/"):
        raise ValueError("must be an origin: a scheme and a host, without a path")
    usual = f":{_PORTS[parts.scheme]}"  # which browsers leave out
    return f"{parts.scheme}://{parts.netloc.removesuffix(usual)}".lower()


def base_url(value: str) -> str:
    """Check the vendor's address; trailing slashes and a trailing ``/v1`` are taken off."""
    parts = _split(value)
    path = parts.path.rstrip("/").removesuffix("/v1").rstrip("/")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("must start with https://; plain http is for this machine only")
    return f"{parts.scheme}://{parts.netloc}{path}"


def public_url(value: str) -> str:
    """Check the address under which callers reach the gateway."""
    _split(value)
    if value.endswith("/"):
        raise ValueError("must not end in a slash")
    return value


def network(value: str) -> str:
    """Check an IP address or a network such as ``10.0.0.0/8``."""
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise ValueError("must be an IP address or a network such as 10.0.0.0/8") from None
    return value


def host(value: str) -> str:
    """Check a host: a name or an address, without scheme, port or path."""
    if not _is_host(value):
        raise ValueError("must be a host name or an address, without https://, port or path")
    return value


def state_url(value: str) -> str:
    """Check where jobs are remembered: in a file, or for a try-out in memory only."""
    if value == "memory://":
        return value
    scheme, _, path = value.partition("://")
    if scheme == "sqlite" and path.startswith("/") and len(path) > 1 and "?" not in path:
        if path.endswith("/"):
            raise ValueError("must name a file, not a folder, such as sqlite:///data/state.db")
        return value
    if scheme == "sqlite":
        raise ValueError("must be sqlite:/// and a file's path, such as sqlite:///data/state.db")
    if scheme in {"postgres", "postgresql"}:
        raise ValueError(
            "postgresql:// comes with support for several replicas in a later version; "
            "this one has sqlite:///… and memory://"
        )
    raise ValueError("must be sqlite:///…, or memory:// where nothing need be remembered")


def ledger_path(url: str) -> str | None:
    """The ledger's file: ``sqlite:///data/state.db`` is relative, four slashes are absolute.

    None for ``memory://``.
    """
    return url.removeprefix("sqlite:///") if url.startswith("sqlite:///") else None
