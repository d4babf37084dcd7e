"""Reading answers' headers.

Owns: ``Retry-After``, which comes as seconds, a date, or nonsense. Must not know: what is retried.
"""

from collections.abc import Mapping
from email.utils import parsedate_to_datetime


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds to wait (RFC 9110 §10.2.3), ``now`` in Unix seconds; None if absent or nonsense."""
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - now
        except (ValueError, TypeError, OverflowError):
            return None
    return max(0.0, seconds) if seconds < float("inf") else None
