import base64
import json
from collections.abc import Iterator

import pytest

from gateway import errors
from gateway.errors import Bought, GatewayError
from gateway.images.shelf import Shelved
from gateway.openai.responses import TABLE, Result, note_header, render_error, row_for, segments
from gateway.translate.model import Finish, Plan, TaskSpec, note

PROMPT = 'a "quoted" 灯塔\nwith lines'


def subclasses(kind: type[GatewayError]) -> Iterator[type[GatewayError]]:
    yield kind
    for one in kind.__subclasses__():
        if one.__module__ == errors.__name__:
            yield from subclasses(one)


def an_error(kind: type[GatewayError]) -> GatewayError:
    if kind is errors.MethodNotAllowed:
        return errors.MethodNotAllowed("no", allowed=("GET", "HEAD"))
    return kind("no")


@pytest.mark.parametrize("kind", list(subclasses(GatewayError)))
def test_every_error_of_the_tree_has_a_row_of_its_own(kind: type[GatewayError]) -> None:
    assert kind in TABLE
    answer = render_error(an_error(kind))
    error = json.loads(answer.body)["error"]
    assert list(error) == ["message", "type", "param", "code"]
    assert error["message"].startswith("no")
    assert answer.status == row_for(an_error(kind)).status
    assert answer.headers["content-type"] == "application/json"


def test_the_table_has_no_row_without_an_error() -> None:
    assert set(TABLE) == set(subclasses(GatewayError))


def test_a_class_without_a_row_goes_by_its_nearest_ancestor() -> None:
    class Newer(errors.TaskFailed):
        pass

    assert row_for(Newer("x")) is TABLE[errors.TaskFailed]


def test_once_something_is_bought_the_answer_names_it_and_asks_for_no_repetition() -> None:
    bought = Bought("job_1", ("tsk_1", "tsk_2"), ("ab.png",))
    error = errors.DeadlineExceeded("late", retry_after=3, bought=bought)
    answer = render_error(error, "https://pictures.example")
    message = json.loads(answer.body)["error"]["message"]
    assert "job_1" in message
    assert "tsk_1, tsk_2" in message
    assert "https://pictures.example/images/ab.png" in message
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["x-gateway-task"] == "tsk_1, tsk_2"
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize(
    ("kind", "retry"),
    [
        (errors.UpstreamUnfunded, "false"),
        (errors.UpstreamOutcomeUnknown, "false"),
        (errors.UpstreamUnauthorized, "false"),
        (errors.Draining, "true"),
        (errors.UpstreamThrottled, None),
        (errors.InvalidRequest, None),
    ],
)
def test_a_hint_to_retry_is_given_where_it_is_known(
    kind: type[GatewayError], retry: str | None
) -> None:
    assert render_error(kind("x")).headers.get("x-should-retry") == retry


@pytest.mark.parametrize(("seconds", "header"), [(0.2, "1"), (7.1, "8"), (3600, "60")])
def test_the_wait_is_whole_seconds_and_never_beyond_what_sdks_heed(
    seconds: float, header: str
) -> None:
    error = errors.UpstreamThrottled("x", retry_after=seconds)
    assert render_error(error).headers["retry-after"] == header


def test_a_vendors_odd_id_cannot_break_out_of_a_header() -> None:
    error = errors.TaskFailed("x", bought=Bought("job_1", ("tsk\r\nset-cookie: a=b", "灯塔")))
    header = render_error(error).headers["x-gateway-task"]
    assert header == "tsk%0D%0Aset-cookie%3A%20a%3Db, %E7%81%AF%E5%A1%94"


def test_notes_are_a_structured_list() -> None:
    notes = (
        note("size-cropped", from_="16:9", share=0.03),
        note("n-raised", from_=0, to=1),
        note("odd", value='a "quote" \\ and 灯\r\n'),
        note("long", value="x" * 500),
    )
    header = note_header(notes)
    assert header.startswith('size-cropped;from="16:9";share=0.03, n-raised;from=0;to=1, odd;')
    assert 'value="a \\"quote\\" \\\\ and ???"' in header
    assert "x" * 100 in header
    assert "x" * 101 not in header
    header.encode("ascii")


def shelved(token: str, size: int, width: int = 1024) -> Shelved:
    return Shelved(token, f"/{token}", "png", width, 1024, size, 0.0)


def a_result(delivery: str, model: str | None, images: int = 1) -> Result:
    task = TaskSpec("m", PROMPT, "1:1", "1k", "low", "png", images)
    pixels = (1024, 1024)
    plan = Plan("generation", "m", model, (task,), Finish(pixels, "png"), pixels, pixels, delivery)  # type: ignore[arg-type]
    kept = tuple(shelved(f"{place:032x}", place + 1) for place in range(images))
    return Result(plan, kept, 1_790_000_000, "https://gw")


def body_of(result: Result) -> dict[str, object]:
    parts = (
        part if isinstance(part, bytes) else base64.b64encode(bytes(part.size))
        for part in segments(result)
    )
    body: dict[str, object] = json.loads(b"".join(parts))
    return body


@pytest.mark.parametrize("images", [1, 2, 10])
@pytest.mark.parametrize("model", [None, "gpt-image-2", "dall-e-3", "openai/dall-e-2"])
@pytest.mark.parametrize("delivery", ["url", "b64_json", "both"])
def test_the_pieces_of_a_body_are_json_together(
    delivery: str, model: str | None, images: int
) -> None:
    data = body_of(a_result(delivery, model, images))["data"]
    assert isinstance(data, list)
    assert len(data) == images
    for place, item in enumerate(data):
        assert ("url" in item) == (delivery != "b64_json")
        assert ("b64_json" in item) == (delivery != "url")
        assert item.get("revised_prompt") == (PROMPT if "dall-e" in (model or "") else None)
        if "b64_json" in item:
            assert len(base64.b64decode(item["b64_json"])) == place + 1
        if "url" in item:
            assert item["url"] == f"https://gw/images/{place:032x}.png"


def test_the_body_has_openais_keys_in_openais_order() -> None:
    body = body_of(a_result("b64_json", "gpt-image-2"))
    assert list(body) == [
        "created",
        "background",
        "data",
        "output_format",
        "quality",
        "size",
        "usage",
    ]
    assert body["created"] == 1_790_000_000
