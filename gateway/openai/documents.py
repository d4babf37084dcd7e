"""JSON text to a mapping, under this gateway's rules.

Owns: which JSON is accepted: UTF-8, no NaN, an object, not too many values, not too deep. Of two
equal names the last one counts, as at OpenAI; a number beyond all floats is an infinite one, which
no parameter takes. Must not know: parameters.
"""

import json

from gateway.openai.faults import Json
from gateway.openai.lifting import broken

MOST_VALUES = 50_000
"""Values in one document; so many take about 8 ms to parse, during which nothing else runs."""

MOST_DIGITS = 400
"""Digits of an integer: no float has more, and thousands of them take long to read."""


def parse(text: bytes) -> dict[str, Json]:
    """Return the document's top-level members. Raises ``InvalidRequest``.

    ``text`` is at most a megabyte, which with ``MOST_VALUES`` keeps the parsing short.
    """
    if sum(text.count(mark) for mark in (b",", b"[", b"{")) > MOST_VALUES:
        raise broken("it holds too many values")
    try:
        document: Json = json.loads(
            text.decode("utf-8-sig"), parse_int=_integer, parse_constant=_constant
        )
    except UnicodeDecodeError:
        raise broken("it is not UTF-8") from None
    except RecursionError:
        raise broken("it is nested too deeply") from None
    except _NoNumber as fault:
        raise broken(str(fault)) from None
    except json.JSONDecodeError as fault:
        raise broken(f"{fault.msg[:1].lower()}{fault.msg[1:]}") from None
    if not isinstance(document, dict):
        raise broken("it is not an object")
    return document


class _NoNumber(ValueError):
    """A number that is none, or one that nobody means."""


def _integer(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise _NoNumber("a number is too long")
    return int(digits)


def _constant(name: str) -> float:
    raise _NoNumber(f"{name} is no number")
