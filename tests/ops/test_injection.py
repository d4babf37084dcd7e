"""Whatever somebody sends, it stays within its line, and within its value."""

import dataclasses
import io
import itertools
import json
import logging
from typing import Any, Literal

import pytest

from gateway.config.sections import Log
from gateway.facts import Crashed, RequestEnded
from gateway.ops.logs import configure
from tests.clocks import FakeClock
from tests.ops.facts import WHOLE

BREAKS = (
    *("\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"),
    *("\x00", "\x08", "\x1b[2J", "\x1b]0;title\x07", "\x1b[1A\x1b[2K", "\x9b31m", "\x7f"),
    *("\u202e", "\u2066", "\ufeff", "\ud800", "\\n", "\\", "%0a", "%0d%0a", '"', "'"),
)
FORGED = (
    '{"timestamp": "2026-11-23T00:00:00.000Z", "level": "info", "event": "request_ended"}',
    '"}\n{"event": "forged", "level": "error"}',
    '", "status": 200, "forged": "',
    "2026-11-23T00:00:00.000Z [info     ] started                  version=forged",
    "event=forged level=error",
    "}" * 40,
    "]]>",
    "${jndi:ldap://example.invalid/a}",
    "%s %d {0} {event}",
    "é漢字🖼 and more",
)
STRINGS = (
    *(break_ + forged for break_, forged in itertools.product(BREAKS, FORGED)),
    *(f"a{break_}{break_}b" for break_ in BREAKS[:20]),
)


def told(shape: Literal["json", "console"], *events: object) -> list[str]:
    """The lines of a log that was given these, as a reader of lines sees them."""
    stream = io.StringIO()
    logs = configure(Log(format=shape), stream, clock=FakeClock())
    for event in events:
        logs.emit(event)
    logs.close()
    text = stream.getvalue()
    assert text.endswith("\n")
    return text[:-1].split("\n")


def requests() -> list[RequestEnded]:
    """A request for each string, which stands wherever text from outside can stand."""
    names = ("client_request_id", "error_code", "model", "job_id", "key_name")
    told: list[dict[str, Any]] = [dict.fromkeys(names, text) for text in STRINGS]
    return [dataclasses.replace(WHOLE, **changes) for changes in told]


def test_there_are_three_hundred_different_ones() -> None:
    assert len(set(STRINGS)) == 300


def test_in_json_each_request_is_one_object_that_says_just_what_was_sent() -> None:
    lines = told("json", *requests())
    assert len(lines) == len(STRINGS)
    for line, text in zip(lines, STRINGS, strict=True):
        said: dict[str, Any] = json.loads(line)
        assert line.isprintable()
        assert (said["event"], said["status"]) == ("request_ended", 200)
        assert {said[name] for name in ("client_request_id", "model", "job_id")} == {text}


def test_in_the_console_s_format_each_is_one_line_that_moves_no_cursor() -> None:
    lines = told("console", *requests())
    assert len(lines) == len(STRINGS)
    for line in lines:
        assert line.isprintable()
        assert line.startswith("2026-")
        assert line.split()[2:4] == ["]", "request_ended"]


@pytest.mark.parametrize("shape", ["json", "console"])
def test_a_traceback_and_a_library_s_words_stay_in_their_line_too(
    shape: Literal["json", "console"],
) -> None:
    stream = io.StringIO()
    logs = configure(Log(format=shape), stream, clock=(clock := FakeClock()))
    library = logging.getLogger("a.library")
    for text in STRINGS:
        logs.emit(Crashed(text, text, f"Traceback\n  {text}"))
        library.warning("%s", text)
        clock.now += 1
    logs.close()
    lines = stream.getvalue()[:-1].split("\n")
    assert len(lines) == 2 * len(STRINGS)
    assert all(line.isprintable() for line in lines)
