import base64
import json
from collections import Counter
from typing import Any

import pytest

from gateway.errors import Bought, ContentRefused, DeadlineExceeded
from gateway.images.shelf import Shelved
from gateway.openai.frames import comment, completed, failed
from gateway.openai.responses import Result, Segment, segments
from gateway.translate.model import Delivery, Kind
from tests.openai.answered import JOB, a_plan

KEYS = ["type", "b64_json", "created_at", "size", "quality", "background", "output_format", "usage"]


def a_result(n: int, delivery: Delivery = "b64_json", kind: Kind = "generation") -> Result:
    images = tuple(
        Shelved(f"{place:032x}", f"/{place}", "webp", 1024 + place, 768, place + 1, 0.0)
        for place in range(n)
    )
    return Result(a_plan(n, delivery, kind), images, 1_790_000_000, "https://gw")


def text_of(parts: list[Segment]) -> str:
    filled = (
        part if isinstance(part, bytes) else base64.b64encode(bytes(part.size)) for part in parts
    )
    return b"".join(filled).decode()


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Each event's name and data; every block has exactly these two lines."""
    assert text.endswith("\n\n")
    found = []
    for block in text.removesuffix("\n\n").split("\n\n"):
        event, data = block.split("\n")
        name, value = event.removeprefix("event: "), data.removeprefix("data: ")
        assert (len(name), len(value)) < (len(event), len(data))
        found.append((name, json.loads(value)))
    return found


@pytest.mark.parametrize(
    ("kind", "name"),
    [("generation", "image_generation.completed"), ("edit", "image_edit.completed")],
)
def test_an_event_is_flat_named_twice_and_has_every_key_of_openais(kind: Kind, name: str) -> None:
    ((told, data),) = events(text_of(completed(a_result(1, kind=kind))))
    assert told == data["type"] == name
    assert list(data) == KEYS
    assert data["created_at"] == 1_790_000_000
    assert (data["size"], data["output_format"]) == ("1024x768", "webp")
    assert (data["quality"], data["background"]) == ("low", "opaque")
    assert base64.b64decode(data["b64_json"]) == b"\0"


def test_each_picture_is_told_of_in_order_with_its_own_size() -> None:
    told = [data for _, data in events(text_of(completed(a_result(3))))]
    assert [data["size"] for data in told] == ["1024x768", "1025x768", "1026x768"]
    assert [len(base64.b64decode(data["b64_json"])) for data in told] == [1, 2, 3]


@pytest.mark.parametrize(
    ("delivery", "there", "absent"),
    [("url", {"url"}, {"b64_json"}), ("both", {"url", "b64_json"}, set())],
)
def test_links_stand_where_they_were_asked_for(
    delivery: Delivery, there: set[str], absent: set[str]
) -> None:
    for place, (_, data) in enumerate(events(text_of(completed(a_result(2, delivery))))):
        assert there <= data.keys()
        assert not absent & data.keys()
        assert data["url"] == f"https://gw/images/{place:032x}.webp"
        assert set(KEYS) - {"b64_json"} <= data.keys()


@pytest.mark.parametrize("n", range(1, 11))
def test_the_events_tokens_add_up_to_those_of_one_body(n: int) -> None:
    result = a_result(n)
    body = json.loads(text_of(segments(result)))["usage"]
    sums: Counter[str] = Counter()
    for _, data in events(text_of(completed(result))):
        usage = data["usage"]
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
        assert usage["output_tokens"] > 0
        for side in ("input", "output"):
            details = usage.pop(f"{side}_tokens_details")
            assert sum(details.values()) == usage[f"{side}_tokens"]
            sums.update({f"{side} {name}": value for name, value in details.items()})
        sums.update(usage)
    for side in ("input", "output"):
        details = body.pop(f"{side}_tokens_details")
        assert {name: sums.pop(f"{side} {name}") for name in details} == details
    assert sums == body


def test_a_failure_is_nested_and_says_what_was_bought_and_where() -> None:
    error = DeadlineExceeded("late\nvery", code="upstream_timeout", bought=Bought(JOB, ("tsk_1",)))
    ((name, data),) = events(failed(error, "https://gw").decode())
    assert name == data["type"] == "error"
    assert data.keys() == {"type", "error"}
    assert data["error"].keys() == {"type", "code", "message", "param"}
    assert (data["error"]["type"], data["error"]["code"]) == ("server_error", "upstream_timeout")
    for part in (JOB, "tsk_1", f"https://gw/v1/images/generations/{JOB}"):
        assert part in data["error"]["message"]


def test_a_failure_without_a_code_of_its_own_has_its_kinds() -> None:
    ((_, data),) = events(failed(ContentRefused("no"), "").decode())
    assert data["error"] == {
        "message": "no",
        "type": "image_generation_user_error",
        "param": None,
        "code": "moderation_blocked",
    }


def test_a_comment_is_a_line_that_begins_with_a_colon_and_ends_no_event() -> None:
    assert comment("ping") == b": ping\n"
