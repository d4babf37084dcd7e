"""From events to lines."""

import dataclasses
import enum
import io
import json
import logging
import pathlib
import threading
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.sections import Log
from gateway.events import (
    About,
    Created,
    CreateLost,
    JobCrashed,
    JobEnded,
    Polled,
    Refused,
    State,
    Stepped,
)
from gateway.facts import RequestEnded
from gateway.jobs.journal import Stamp
from gateway.notices import JobBegun, LedgerFailed, ObserverFailed
from gateway.ops.logs import Logs, configure
from gateway.ops.plain import plain, shape
from gateway.ops.redaction import Redaction
from gateway.translate.model import note


class FakeClock:
    now = 1_000_000_000.1234

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass(frozen=True)
class Plain:
    text: str = "a"
    number: int = 0
    empty: str = ""
    nothing: None = None
    hidden: str = dataclasses.field(default="prompt text", repr=False)


@dataclasses.dataclass(frozen=True)
class Quiet:
    level: ClassVar[Literal["debug"]] = "debug"
    what: str = "x"


class Opened:
    """A log on a string, and its lines."""

    def __init__(self, **given: Any) -> None:
        self.stream = given.pop("stream", None) or io.StringIO()
        self.clock = FakeClock()
        secrets = given.pop("secrets", ())
        self.logs = configure(Log(**given), self.stream, clock=self.clock, secrets=secrets)

    def lines(self) -> list[dict[str, Any]]:
        self.logs.close()
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def opened() -> Iterator[Opened]:
    one = Opened()
    yield one
    one.logs.close()


def test_an_event_becomes_one_line(opened: Opened) -> None:
    opened.logs.emit(Plain())
    assert opened.lines() == [
        {
            "timestamp": "2001-09-09T01:46:40.123Z",
            "level": "info",
            "event": "plain",
            "text": "a",
            "number": 0,
        }
    ]


def test_our_own_failures_are_warnings(opened: Opened) -> None:
    ended = RequestEnded("req_1", "POST", 200, 12.3, 99)
    opened.logs.emit(ended)
    opened.logs.emit(dataclasses.replace(ended, status=502))
    assert [line["level"] for line in opened.lines()] == ["info", "warning"]


def test_an_event_that_is_carried_is_told_in_its_own_name_and_loudness(opened: Opened) -> None:
    who = Stamp(job_id="job_1", task_id="task_1", at=5.0)
    about = About(key_name="studio", model="m", tier="1k", quality="low", images=1)
    asked = Stepped(
        event=Polled(**who, word="queued", progress=0), state=State.RUNNING, about=about
    )
    refused = Stepped(event=Refused(**who, reason="401"), state=State.REFUSED, about=about)
    opened.logs.emit(asked)
    opened.logs.emit(refused)
    (line,) = opened.lines()  # a question that changed nothing is for those who debug
    assert (line["event"], line["level"]) == ("refused", "warning")
    assert {"job_id": "job_1", "reason": "401", "state": "refused"}.items() <= line.items()
    assert "event_" not in line


def test_a_word_named_event_is_no_event(opened: Opened) -> None:
    opened.logs.emit(ObserverFailed(observer="o", event="Created", error="ValueError"))
    (line,) = opened.lines()
    assert (line["event"], line["event_"]) == ("observer_failed", "Created")


def test_the_level_decides_what_is_told() -> None:
    for level, told in (("debug", 2), ("info", 1), ("warning", 0)):
        one = Opened(level=level)
        one.logs.emit(Plain())
        one.logs.emit(Quiet())
        assert len(one.lines()) == told


def test_what_is_no_event_is_an_error(opened: Opened) -> None:
    with pytest.raises(TypeError, match="str is no dataclass"):
        opened.logs.emit("text")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Colour.RED, "red"),
        (b"abc", "<3 bytes>"),
        (type("Id", (str,), {})("a"), "a"),
        (pathlib.PurePosixPath("/a"), "/a"),
        ((1, "b"), [1, "b"]),
        (frozenset({1}), [1]),
        ({1: (True, None)}, {"1": [True, None]}),
        (note("a"), "a"),
        (note("a", b='say "x"', c=2), 'a;b="say \\"x\\"";c=2'),
        (Plain(), {"text": "a", "number": 0, "empty": "", "nothing": None}),
        (object(), "<object>"),
        (Plain, "<type>"),
    ],
)
def test_values_are_made_plain(value: object, shown: object) -> None:
    assert plain(value) == shown


def test_a_fault_of_ours_is_told_with_its_way_here(opened: Opened) -> None:
    try:
        int("no")
    except ValueError as error:
        opened.logs.emit(JobCrashed(job_id="job_1", error=error))
    (line,) = opened.lines()
    assert line["error"].startswith("Traceback")
    assert line["error"].endswith("ValueError: invalid literal for int() with base 10: 'no'\n")
    assert "test_logs.py" in line["error"]


def test_names_and_keys_are_made_from_classes() -> None:
    made = dataclasses.make_dataclass("HTTPCallEnded2Fast", [("event", str), ("x", int)])
    assert shape(made) == ("http_call_ended2_fast", (("event", "event_"), ("x", "x")))


def test_secrets_and_prompts_do_not_pass() -> None:
    canary = "canary-5c1d9e"
    event = dataclasses.make_dataclass("Said", [("text", str), ("prompt", str), ("note", Any)])
    one = Opened(secrets=[canary])
    one.logs.emit(event(f"sk-igw-abc {canary}", "a cat", {"token": "t0", "b": [canary]}))
    logging.getLogger("some.library").warning("Bearer %s", "abcdef")
    one.logs.close()
    text = one.stream.getvalue()
    for secret in (canary, "igw-abc", "a cat", "t0", "abcdef"):
        assert secret not in text
    assert len(text.splitlines()) == 2


def test_what_is_concealed_later_does_not_pass_either() -> None:
    event = dataclasses.make_dataclass("Said", [("text", str)])
    one = Opened(secrets=["canary-of-the-start"])
    one.logs.conceal(["canary-of-the-reload"])
    one.logs.emit(event("canary-of-the-start, canary-of-the-reload"))
    assert [line["text"] for line in one.lines()] == ["***, ***"]


def test_a_job_s_lines_name_the_request_it_was_begun_for(opened: Opened) -> None:
    who = Stamp(job_id="job_1", task_id="task_1", at=5.0)
    accepted = Created(**who, upstream_id="v_1", seconds=0.5)
    opened.logs.emit(JobBegun(job_id="job_1", request_id="req_1", key_name="a", tasks=1))
    about = About(key_name="a", model="m", tier="1k", quality="low", images=1)
    opened.logs.emit(Stepped(event=accepted, state=State.RUNNING, about=about))
    opened.logs.emit(JobEnded(job_id="job_1", at=6.0))
    opened.logs.emit(JobEnded(job_id="job_2", at=6.0))
    opened.logs.emit(Plain())
    lines = opened.lines()
    assert [line.get("request_id") for line in lines] == ["req_1"] * 3 + [None] * 2
    assert lines[1]["seconds"] == 0.5  # of the create, whatever the state before lasted


def test_the_origin_is_learned_however_little_is_told() -> None:
    one = Opened(level="error")
    one.logs.emit(JobBegun(job_id="job_1", request_id="req_1", key_name="a", tasks=1))
    one.logs.emit(JobCrashed(job_id="job_1", error=ValueError("v")))
    (line,) = one.lines()
    assert (line["event"], line["request_id"]) == ("job_crashed", "req_1")


def turned_away(number: int, status: int = 401) -> RequestEnded:
    return RequestEnded(f"req_{number}", "POST", status, 0.001, 9, rejection="auth")


def test_a_flood_is_thinned_and_the_rest_counted(opened: Opened) -> None:
    for number in range(100):
        opened.logs.emit(turned_away(number))
    assert opened.logs.suppressed == 60
    opened.clock.now += 0.1  # two more
    for number in range(100, 103):
        opened.logs.emit(turned_away(number))
    *told, rest = opened.lines()
    numbers = [int(line["request_id"].removeprefix("req_")) for line in told]
    assert numbers == [*range(40), 100, 101]
    assert [line.get("suppressed") for line in told] == [None] * 40 + [60, None]
    assert (rest["event"], rest["level"]) == ("suppressed", "info")
    assert (rest["lines"], rest["count"]) == ("request_ended 401", 1)
    assert opened.logs.suppressed == 61


def test_one_flood_leaves_the_lines_of_others(opened: Opened) -> None:
    for number in range(100):
        opened.logs.emit(turned_away(number))
    opened.logs.emit(turned_away(100, 404))
    assert "req_100" in [line.get("request_id") for line in opened.lines()]


def test_errors_purchases_and_states_are_told_in_any_number(opened: Opened) -> None:
    who = Stamp(job_id="job_1", task_id="task_1", at=5.0)
    about = About(key_name="a", model="m", tier="1k", quality="low", images=1)
    always = (
        dataclasses.replace(turned_away(0), rejection=None, status=500),
        dataclasses.replace(turned_away(0), rejection=None, status=200, job_id="job_1"),
        Stepped(event=CreateLost(**who, reason="reset"), state=State.UNCERTAIN, about=about),
        Stepped(event=Created(**who, upstream_id="v", seconds=1), state=State.RUNNING, about=about),
        JobEnded(job_id="job_1", at=6.0),
    )
    for _ in range(200):
        for event in always:
            opened.logs.emit(event)
    assert len(opened.lines()) == 200 * len(always)
    assert opened.logs.suppressed == 0


def test_a_flood_that_just_stops_is_summed_up_within_seconds() -> None:
    summed_up = threading.Event()

    class Heard(io.StringIO):
        def write(self, text: str) -> int:
            if '"suppressed"' in text:
                summed_up.set()
            return super().write(text)

    one = Opened(stream=Heard())
    for number in range(50):
        one.logs.emit(turned_away(number))
    one.clock.now += 5
    assert summed_up.wait(30)  # though nobody says anything more
    (told,) = [line for line in one.lines() if line["event"] == "suppressed"]
    assert (told["lines"], told["count"]) == ("request_ended 401", 10)


def test_a_flood_of_what_is_not_told_at_all_is_none() -> None:
    one = Opened(level="info")
    for _ in range(100):
        one.logs.emit(LedgerFailed(op="commit", reason="disk_full"))
    assert one.lines() == []
    assert one.logs.suppressed == 0


def test_what_libraries_log_goes_the_same_way(opened: Opened) -> None:
    library = logging.getLogger("some.library")
    library.info("GET https://example.org/secret-address")
    library.warning("first\nsecond %d", 2)
    wrong_format = {"name": "some.library", "levelno": 40, "msg": "bad %d", "args": ("word",)}
    opened.logs._bridge.emit(logging.makeLogRecord(wrong_format))  # pytest's own would raise
    try:
        int("why")
    except ValueError:
        library.exception("failed")
    for _ in range(100):
        library.warning("flood")
    warned, wrong, failed, *flood = opened.lines()
    assert warned["event"] == "library"
    assert warned["logger"] == "some.library"
    assert warned["message"] == "first\nsecond 2"
    assert wrong["message"] == "bad %d"
    assert failed["level"] == "error"
    assert failed["traceback"].endswith("with base 10: 'why'\n")
    assert len(flood) == 39 + 1  # one of the forty was the first warning; one tells the rest
    rest = flood[-1]
    assert (rest["event"], rest["level"], rest["count"]) == ("suppressed", "warning", 61)
    assert rest["lines"] == "library some.library"


def test_a_library_s_lines_follow_the_level_too() -> None:
    one = Opened(level="error")
    logging.getLogger("some.library").warning("w")
    logging.getLogger("some.library").critical("c")
    assert [line["message"] for line in one.lines()] == ["c"]


def test_the_root_logger_is_given_back() -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    one = Opened()
    assert root.handlers != before[0]
    one.logs.close()
    one.logs.close()
    assert (root.handlers, root.level) == before


def test_lines_nobody_read_are_counted_and_told() -> None:
    class Jammed(io.StringIO):
        jammed = True
        attempts = 0

        def write(self, text: str) -> int:
            self.attempts += 1
            if self.jammed:
                raise BlockingIOError
            return super().write(text)

    stream = Jammed()
    logs = configure(Log(), stream, clock=FakeClock())
    logs.emit(Plain("lost"))
    while not stream.attempts > 1:  # the line, and the first attempt to tell
        pass
    stream.jammed = False
    logs.emit(Plain("heard"))
    logs.close()
    heard, told = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert heard["text"] == "heard"
    assert (told["event"], told["level"], told["count"]) == ("log_dropped", "warning", 1)
    assert repr(logs) == "<Logs dropped=1 suppressed=0>"


NASTY = st.text(st.characters(), max_size=60) | st.sampled_from(
    ["\r\n", "\x1b[2J", '"}\n{"event":"forged"}', "\u2028", "\x85", "\u202e", "\ud800", "\x00"]
)


@pytest.mark.parametrize("shape_of_line", ["json", "console"])
@given(text=NASTY)
def test_whatever_the_text_there_is_one_clean_line(
    shape_of_line: Literal["json", "console"], text: str
) -> None:
    stream = io.StringIO()
    made = dataclasses.make_dataclass("Said", [("text", str), ("more", Any)])
    logs = Logs(Log(format=shape_of_line), stream, FakeClock(), Redaction())
    logs.emit(made(text, [text, {"k": text}]))
    logs.close()
    raw = stream.getvalue()
    assert raw.endswith("\n")
    assert raw[:-1].isprintable()
    if shape_of_line == "json":
        line = json.loads(raw)
        assert line.get("text", "") == text


def test_the_console_s_line_is_for_people() -> None:
    one = Opened(format="console")
    one.logs.emit(Plain("two words"))
    one.logs.close()
    raw = one.stream.getvalue()
    assert "2001-09-09T01:46:40.123Z" in raw
    assert "plain" in raw
    assert "text='two words'" in raw
