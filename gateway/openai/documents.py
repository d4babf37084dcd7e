"""JSON text to a mapping, under this gateway's rules.

Owns: which JSON is accepted: UTF-8, finite numbers, an object, not too many values, not too
deep. Of two equal names the last one counts, as at OpenAI. Must not know: parameters.
"""

import json
import math

from gateway.openai.faults import Json
from gateway.openai.lifting import broken

MOST_VALUES = 50_000
"""Values in one document; so many take about 6 ms to parse, during which nothing else runs."""


def parse(text: bytes) -> dict[str, Json]:
    """Return the document's top-level members. Raises ``InvalidRequest``.

    ``text`` is at most a megabyte, which with ``MOST_VALUES`` keeps the parsing short.
    """
    if sum(text.count(mark) for mark in (b",", b"[", b"{")) > MOST_VALUES:
        raise broken("it holds too many values")
    try:
        document: Json = json.loads(
            text.decode("utf-8-sig"), parse_float=_finite, parse_constant=_no_number
        )
    except UnicodeDecodeError:
        raise broken("it is not UTF-8") from None
    except RecursionError:
        raise broken("it is nested too deeply") from None
    except json.JSONDecodeError as fault:
        raise broken(f"{fault.msg[:1].lower()}{fault.msg[1:]}") from None
    except ValueError as fault:
        # Python's own bound on the digits of an integer, and the two refusals below.
        raise broken(
            str(fault) if isinstance(fault, _NoNumber) else "a number is too long"
        ) from None
    if not isinstance(document, dict):
        raise broken("it is not an object")
    return document


class _NoNumber(ValueError):
    """A number that JSON, or a computer, does not have."""


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise _NoNumber("a number is out of range")
    return number


def _no_number(name: str) -> float:
    raise _NoNumber(f"{name} is no number")
