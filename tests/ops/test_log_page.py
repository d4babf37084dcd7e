"""What the page says of a request's line is what is written."""

import dataclasses
import io
import json
import re
from typing import Any, get_args

from gateway.config.sections import Log
from gateway.facts import Rejection
from gateway.ops import floods, lines, writer
from gateway.ops.logs import configure
from tests.clocks import FakeClock
from tests.ops.facts import WHOLE
from tests.repo import pages
from tests.repo.source import ROOT

SECTION = pages.section((ROOT / "docs/running.md").read_text("utf-8"), "A request's line")
EXAMPLE = dataclasses.replace(WHOLE, joined=None, retry=None)


def example() -> dict[str, Any]:
    found = re.search(r"^```json\n(.+?)^```", SECTION, re.DOTALL | re.MULTILINE)
    assert found is not None
    said: dict[str, Any] = json.loads(found[1])
    return said


def test_the_example_is_what_such_a_request_leaves_in_the_log() -> None:
    stream, clock = io.StringIO(), FakeClock(epoch=1_795_440_007.431)
    logs = configure(Log(), stream, clock=clock)
    logs.emit(EXAMPLE)
    logs.close()
    said = json.loads(stream.getvalue())
    assert list(said.items()) == list(example().items())


def test_the_table_has_every_key_that_can_be_in_the_line_and_no_other() -> None:
    listed = [
        key
        for row in SECTION.splitlines()
        if row.startswith("| `")
        for key in re.findall(r"`([^`]+)`", row.split("|")[1])
    ]
    times = [f"{name}_ms" for name in ("duration", *WHOLE.phases, "ours")]
    assert sorted(listed) == sorted([*lines._REQUEST, *times, "cost_usd", "suppressed"])


def test_the_table_has_every_reason_for_turning_a_request_away() -> None:
    row = next(row for row in SECTION.splitlines() if row.startswith("| `rejection`"))
    said = row.partition("and why: ")[2].rstrip(" |").split(", ")
    assert sorted(said) == sorted(get_args(Rejection))


def test_the_numbers_told_of_floods_and_readers_are_those_in_force() -> None:

    text = (ROOT / "docs/running.md").read_text("utf-8")
    told = pages.section(text, "Floods, and readers who stop")
    assert (floods._RATE, floods._BURST, writer._CAPACITY) == (20, 40, 4096)
    for words in ("twenty lines a second", "a burst of forty", "4,096 lines wait"):
        assert words in " ".join(told.split())
