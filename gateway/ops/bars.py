"""What every panel is made of: plain values, figures with bars, and how many rows there are.

Owns: the shape of these, and when a bar is loud. Must not know: what any figure is of.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Union

from gateway.ops.wording import count, counted

Tone = Literal["bad", "warn", "busy", "calm", "good", ""]
"""Loud to quiet; the empty one is not coloured at all."""

# What the page's template and its script both read.
Value = Union[str, int, float, bool, None, Mapping[str, "Value"], Sequence["Value"]]  # noqa: UP007 - it names itself
Values = dict[str, Value]

ROWS = 200
_FULL, _NEARLY = 1.0, 0.8


def bar(used: float, limit: float, text: str | None = None, *, scarce: bool = False) -> Values:
    """A figure with a bar: ``used`` of ``limit``; ``scarce``: what is left, so that little is bad.

    ``part`` is from 0 to 1.
    """
    part = min(1.0, max(0.0, used / limit)) if limit else 0.0
    gone = 1.0 - part if scarce else part
    tone: Tone = "bad" if gone >= _FULL else "warn" if gone >= _NEARLY else "good"
    text = f"{count(int(used))} of {count(int(limit))}" if text is None else text
    return {"text": text, "part": round(part, 3), "tone": tone, "open": False, "whole": ""}


def unbounded(text: str) -> Values:
    """A figure that has no limit, so no bar."""
    return {"text": text, "part": 0, "tone": "", "open": True, "whole": ""}


def more(number: int, one: str, many: str | None = None) -> str:
    """``and 3 more jobs``, for the rows that are left out; empty for none."""
    return f"and {counted(number, one, many).replace(' ', ' more ', 1)}" if number > 0 else ""
