"""How a request says that it is, or may be, one that was sent before.

Owns: the headers ``Idempotency-Key`` and ``x-stainless-retry-count``, and what they may hold. Must
not know: what is made of it.
"""

from collections.abc import Mapping

from gateway.errors import InvalidRequest

_LONGEST = 255
_MOST = 99  # repetitions told apart


def idempotency_key(headers: Mapping[str, str]) -> str | None:
    """The caller's own name for this wish. Raises: InvalidRequest."""
    key = headers.get("idempotency-key", "").strip()
    if not key:
        return None
    if len(key) > _LONGEST or not (key.isascii() and key.isprintable()):
        message = f"Idempotency-Key must be at most {_LONGEST} printable ASCII characters."
        raise InvalidRequest(message, param=None, code="invalid_idempotency_key")
    return key


def retries(headers: Mapping[str, str]) -> int | None:
    """How often an SDK says that it has sent this already; None where it says nothing of it."""
    count = headers.get("x-stainless-retry-count", "")
    return min(int(count[:9]), _MOST) if count.isascii() and count.isdigit() else None


def is_retry(headers: Mapping[str, str]) -> bool:
    """Whether an SDK says that it sends this again by itself."""
    return bool(retries(headers))
