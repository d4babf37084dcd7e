"""Where clients put their key.

Owns: the headers a token may come in. Must not know: which tokens are good. Never a query string.
"""

from collections.abc import Mapping

_PLAIN = ("api-key", "x-api-key")


def token_of(headers: Mapping[str, str]) -> str | None:
    """The bearer token, else an Azure-style header's; the scheme's case does not matter."""
    scheme, _, token = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return next((headers[name].strip() for name in _PLAIN if headers.get(name)), None)
