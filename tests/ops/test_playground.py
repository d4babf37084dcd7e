"""The playground's form, the request that becomes of it, and what is shown of its answer."""

import asyncio
import json
from typing import Any

import pytest
from starlette.types import Message, Receive

from gateway.ops.playground import (
    Playground,
    Playing,
    Unusable,
    Wanted,
    read_form,
    shown,
)
from tests.clocks import FakeClock
from tests.ops.consoles import Answer

FORM = {
    "key": "studio",
    "model": "gpt-image-2",
    "size": "1024x1024",
    "quality": "low",
    "n": "2",
    "prompt": "a lighthouse, 灯塔",
}


def nothing(_name: str) -> None:
    """There is no picture."""


async def unheard() -> Message:
    """Whoever asks stays."""
    raise AssertionError("the playground itself does not listen")


def answer(body: object, status: int = 200, *headers: tuple[str, str]) -> Answer:
    told = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
    return Answer(status, headers, told, ())


def test_a_form_becomes_the_request_that_a_client_would_send() -> None:
    wanted = read_form(FORM)
    assert json.loads(wanted.body()) == {
        "model": "gpt-image-2",
        "prompt": "a lighthouse, 灯塔",
        "n": 2,
        "size": "1024x1024",
        "quality": "low",
    }


def test_what_is_left_empty_is_left_out() -> None:
    wanted = read_form({**FORM, "size": "", "quality": "", "prompt": ""})
    assert json.loads(wanted.body()) == {"model": "gpt-image-2", "n": 2}
    assert (wanted.request().size, wanted.request().quality) == (None, None)


@pytest.mark.parametrize(
    "change",
    [
        {"n": "0"},
        {"n": "5"},
        {"n": "many"},
        {"n": "٣"},
        {"n": "9" * 5_000},
        {"n": "-1"},
        {"n": ""},
        {"key": ""},
        {"prompt": "x" * 32_001},
    ],
)
def test_what_our_page_does_not_send_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(Unusable):
        read_form({**FORM, **change})


def test_pictures_are_shown_by_their_names() -> None:
    found = shown(Answer(pictures=("a.png", "b.webp")), 12.34)
    assert found["pictures"] == [
        {"key": "0", "src": "playground/pictures/a.png", "alt": "Picture 1"},
        {"key": "1", "src": "playground/pictures/b.webp", "alt": "Picture 2"},
    ]
    assert found["took"] == "12.3 s"


def test_pictures_are_shown_even_if_the_json_is_too_large() -> None:
    found = shown(Answer(200, (), None, ("a.png",)), 1)
    assert (
        found["json"]
        == "The answer's JSON is too large to be shown here. What was made is kept all the same."
    )
    assert found["pictures"]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"data":[{"b64_json":"cut', '{"data":[{"b64_json":"cut'),
        (b"\xff<html>", "\N{REPLACEMENT CHARACTER}<html>"),
        (b"[1]", "[\n  1\n]"),
        ('{"a":"aGVs… </script>"}'.encode(), '{\n  "a": "aGVs… </script>"\n}'),
    ],
)
def test_the_json_is_shown_as_it_is(body: bytes, text: str) -> None:
    found = shown(Answer(200, (), body, ()), 1)
    assert (found["json"], found["pictures"]) == (text, [])


@pytest.mark.parametrize(
    ("status", "text", "tone"),
    [(200, "200 OK", "good"), (429, "429 Too Many Requests", "bad"), (599, "599 ", "bad")],
)
def test_an_error_is_shown_as_clients_get_it(status: int, text: str, tone: str) -> None:
    error = {"error": {"message": "no", "code": "x"}}
    found = shown(answer(error, status), 1)
    assert (found["status"], found["tone"]) == (text, tone)
    assert json.loads(str(found["json"])) == error


def test_of_the_headers_those_are_shown_that_are_ours() -> None:
    headers = [
        ("content-length", "5"),
        ("x-request-id", "req_1"),
        ("x-gateway-task", "tsk_1"),
        ("x-ratelimit-remaining-images", "3"),
        ("retry-after", "7"),
        ("set-cookie", "a=b"),
    ]
    rows: Any = shown(answer({}, 200, *headers), 1)["headers"]
    assert [row["name"] for row in rows] == [
        "x-request-id",
        "x-gateway-task",
        "x-ratelimit-remaining-images",
        "retry-after",
    ]
    assert len({row["key"] for row in rows}) == 4


async def test_few_run_at_once() -> None:
    go = asyncio.Event()

    async def play(*_: object) -> Answer:
        await go.wait()
        return answer({})

    playground = Playground(Playing(play, lambda *_: None, list, nothing), FakeClock())
    wanted = Wanted("studio", "", "", "", 1, "a")
    running = [asyncio.create_task(playground.play(wanted, unheard)) for _ in range(2)]
    await FakeClock().sleep(0)
    assert playground.is_full
    assert repr(playground) == "<Playground running=2>"
    go.set()
    await asyncio.gather(*running)
    assert not playground.is_full


async def test_one_that_fails_leaves_its_place() -> None:
    async def play(*_: object) -> Answer:
        raise RuntimeError("broken")

    playground = Playground(Playing(play, lambda *_: None, list, nothing), FakeClock(), most=1)
    with pytest.raises(RuntimeError):
        await playground.play(Wanted("studio", "", "", "", 1, "a"), unheard)
    assert not playground.is_full


@pytest.mark.parametrize(("micro", "text"), [(None, "costs money"), (80_000, "costs $0.08")])
def test_the_button_says_what_it_costs(micro: int | None, text: str) -> None:
    async def play(*_: object) -> Answer:
        raise AssertionError("a price was asked for")

    quoted: list[Any] = []

    def quote(*asked: Any) -> int | None:
        quoted.append(asked)
        return micro

    playground = Playground(Playing(play, quote, list, nothing), FakeClock())
    assert playground.price(read_form(FORM)) == text
    ((key_name, request),) = quoted
    assert (key_name, request.n, request.size, request.kind) == (
        "studio",
        2,
        "1024x1024",
        "generation",
    )


def test_it_offers_the_vendors_sizes_by_tier() -> None:
    async def play(*_: object) -> Answer:
        raise AssertionError("nobody pressed the button")

    playground = Playground(
        Playing(play, lambda *_: None, lambda: ["a", "b"], nothing), FakeClock()
    )
    choices: Any = playground.choices()
    assert choices["models"] == ["a", "b"]
    assert {one["tier"]: len(one["sizes"]) for one in choices["tiers"]} == {
        "1k": 13,
        "2k": 13,
        "4k": 6,
    }
    assert choices["numbers"] == [1, 2, 3, 4]


async def test_a_form_is_one_wish_until_it_had_a_good_answer() -> None:
    wishes: list[str | None] = []
    answers = [answer({}, 504), answer({}, 499), answer({}), answer({})]

    async def play(_key: str, _body: bytes, wish: str | None, _receive: Receive) -> Answer:
        wishes.append(wish)
        return answers[len(wishes) - 1]

    playground = Playground(Playing(play, lambda *_: None, list, nothing), FakeClock())
    once: Any = playground.choices()["once"]
    for _ in answers:
        _, told = await playground.play(read_form({**FORM, "once": once}), unheard)
        once = told["once"]
    first, second, third, fourth = wishes
    assert first == second == third
    assert None not in wishes
    assert fourth != third


def test_a_form_whose_fields_have_changed_is_another_wish() -> None:
    form = {**FORM, "once": "a token"}
    wish = read_form(form).wish()
    assert wish == read_form(form).wish()
    assert wish != read_form({**form, "prompt": "a harbour"}).wish()
    assert wish != read_form({**form, "once": "another"}).wish()
    assert read_form(FORM).wish() is None


async def test_no_two_forms_have_one_token() -> None:
    async def play(*_: object) -> Answer:
        return answer({}, 500)

    playground = Playground(Playing(play, lambda *_: None, list, nothing), FakeClock())
    tokens = [playground.choices()["once"] for _ in range(3)]
    _, told = await playground.play(read_form(FORM), unheard)  # it had none to keep
    assert len({*tokens, told["once"]}) == 4


async def test_it_is_told_where_whoever_asks_leaves() -> None:
    heard: list[Receive] = []

    async def play(_key: str, _body: bytes, _wish: str | None, receive: Receive) -> Answer:
        heard.append(receive)
        return answer({})

    playground = Playground(Playing(play, lambda *_: None, list, nothing), FakeClock())
    await playground.play(read_form(FORM), unheard)
    assert heard == [unheard]
