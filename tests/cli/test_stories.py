"""Every event that a ledger can hold is told in a sentence."""

import dataclasses
from typing import TYPE_CHECKING, Any, cast

import pytest

from gateway import events
from gateway.cli.stories import _WORDS, sentence
from gateway.ops.plain import shape
from gateway.state.records import EventRecord

if TYPE_CHECKING:
    from collections.abc import Hashable

STAMP = {"job_id", "task_id", "at"}
BASES: tuple[type, ...] = (events.TaskEvent, events.JobEvent)
KINDS: dict[str, type[Any]] = {
    shape(cast("Hashable", kind))[0]: kind
    for kind in vars(events).values()
    if isinstance(kind, type) and issubclass(kind, BASES) and kind not in BASES
}


def told(name: str, **detail: object) -> str:
    return sentence(EventRecord(0.0, name, "task_a", detail))


def test_every_event_has_its_words_and_no_other() -> None:
    assert sorted(_WORDS) == sorted(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_a_sentence_asks_for_nothing_that_its_event_does_not_say(name: str) -> None:
    detail = {field.name: "0" for field in dataclasses.fields(KINDS[name])}
    full = sentence(EventRecord(0.0, name, "t", detail))
    assert "?" not in full
    for part in _WORDS[name]:
        part.format_map(dict.fromkeys(detail.keys() - STAMP, "0"))


@pytest.mark.parametrize("name", KINDS)
def test_an_event_without_details_is_told_as_well(name: str) -> None:
    assert told(name)
    assert "None" not in told(name)


@pytest.mark.parametrize(
    ("name", "detail", "sentence"),
    [
        ("create_sent", {}, "create sent"),
        ("created", {"upstream_id": "tsk_img_1", "seconds": 0.4}, "accepted as tsk_img_1"),
        ("created", {}, "accepted as ?"),
        ("throttled", {"retry_after": None}, "put off by the vendor"),
        (
            "throttled",
            {"retry_after": 90},
            "put off by the vendor, who asks for 90 s of patience",
        ),
        (
            "create_lost",
            {"reason": "timeout"},
            "the create's answer was lost, it is perhaps bought: timeout",
        ),
        (
            "succeeded",
            {"images": 2, "seconds": 60.0, "completed_at": None, "cost_usd": "0.135"},
            "the vendor is done, pictures: 2, cost: $0.135",
        ),
        (
            "succeeded",
            {"images": 2, "cost_usd": "dear"},
            "the vendor is done, pictures: 2, cost: dear",
        ),
        ("collected", {"images": 1, "size": 1_400_000}, "on the shelf, pictures: 1, 1.4 MB"),
        ("polled", {"word": "queued", "progress": 0}, "the vendor says queued (0 %)"),
        ("job_ended", {"code": None}, "the job ended"),
        ("job_ended", {"code": "upstream_task_failed"}, "the job ended with upstream_task_failed"),
        (
            "job_suspended",
            {"states": ["running", "done"]},
            "the process stopped before the job ended; tasks: running, done",
        ),
        ("task_failed", {"reason": "a{b}\x1b[2J"}, "given up by the vendor: a{b}\ufffd[2J"),
        ("danced_on", {"table": 3}, "danced on (table 3)"),
        ("danced", {}, "danced"),
    ],
)
def test_what_happened_is_told_in_plain_words(
    name: str, detail: dict[str, object], sentence: str
) -> None:
    assert told(name, **detail) == sentence
