"""Where links to pictures point to, and what a proxy in front may say about it.

Owns: the public base URL of one request. Must not know: pictures. ``X-Forwarded-*`` count only
from configured proxies; otherwise the scheme and Host of the request itself do.
"""

import re
from collections.abc import Mapping, Sequence

from gateway.openai.proxies import Proxies

_HOST = re.compile(r"[A-Za-z0-9._\-\[\]:]{1,300}")


class BaseUrls:
    """Gives ``scheme://host[:port]`` for a request."""

    def __init__(self, public_url: str | None, trusted_proxies: Sequence[str]) -> None:
        self._public_url = public_url.rstrip("/") if public_url else None
        self._proxies = Proxies(trusted_proxies)

    def base_url(self, scheme: str, peer: str | None, headers: Mapping[str, str]) -> str:
        """``peer`` is the connection's address; header names in lower case."""
        if self._public_url:
            return self._public_url
        host = headers.get("host", "localhost")
        if self._proxies.trusts(peer):
            scheme = _first(headers.get("x-forwarded-proto"), scheme)
            host = _first(headers.get("x-forwarded-host"), host)
        if scheme not in {"http", "https"}:
            scheme = "http"
        return f"{scheme}://{host if _HOST.fullmatch(host) else 'localhost'}"


def _first(values: str | None, otherwise: str) -> str:
    first = (values or "").split(",")[0].strip()
    return first or otherwise
