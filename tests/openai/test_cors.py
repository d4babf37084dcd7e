"""What pages of other origins may do: headers of every answer, and the question before a call."""

from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from gateway.openai.cors import EXPOSED, CrossOrigin, Origins, Preflights

PAGE = "https://page.example"
ASKING = {"origin": PAGE, "access-control-request-method": "POST"}
ANSWER = "the application's own"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    headers = {"vary": "accept", "access-control-allow-origin": "of its own"}
    await PlainTextResponse(ANSWER, 418, headers)(scope, receive, send)


async def asked(
    listed: tuple[str, ...], headers: Mapping[str, str], method: str = "OPTIONS"
) -> httpx.Response:
    origins = Origins(listed)
    wrapped: Any = CrossOrigin(Preflights(app, origins=origins), origins=origins)
    transport = httpx.ASGITransport(wrapped)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        return await client.request(method, "/v1/any/path", headers=dict(headers))


def words(response: httpx.Response, name: str) -> list[str]:
    values = [value for value in response.headers.get_list(name) if value]
    return [word.strip() for value in values for word in value.split(",")]


@pytest.mark.parametrize("origin", [{"origin": PAGE}, {"origin": "null"}, {}])
async def test_where_any_page_may_call_every_answer_says_so_once(origin: dict[str, str]) -> None:
    answer = await asked(("*",), origin, "POST")
    assert (answer.status_code, answer.text) == (418, ANSWER)
    assert answer.headers.get_list("access-control-allow-origin") == ["*"]
    assert words(answer, "access-control-expose-headers") == list(EXPOSED)
    assert answer.headers["vary"] == "accept"


async def test_a_listed_origin_is_named_and_caches_are_told_that_it_matters() -> None:
    answer = await asked((PAGE, "https://other.example"), {"origin": PAGE}, "POST")
    assert answer.headers.get_list("access-control-allow-origin") == [PAGE]
    assert words(answer, "access-control-expose-headers") == list(EXPOSED)
    assert words(answer, "vary") == ["accept", "origin"]


@pytest.mark.parametrize("origin", ["https://page.example.evil.example", "null", "*", None])
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
async def test_an_origin_that_is_not_listed_is_allowed_nothing(
    origin: str | None, method: str
) -> None:
    headers = {} if origin is None else {**ASKING, "origin": origin}

    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        await Response()(scope, receive, send)

    origins = Origins((PAGE,))
    wrapped: Any = CrossOrigin(Preflights(silent, origins=origins), origins=origins)
    transport = httpx.ASGITransport(wrapped)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        answer = await client.request(method, "/", headers=headers)
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert "origin" in words(answer, "vary")


async def test_where_no_origin_is_listed_nothing_is_said() -> None:
    answer = await asked((), {"origin": PAGE}, "POST")
    assert "access-control-expose-headers" not in answer.headers
    assert answer.headers["vary"] == "accept"


async def test_a_question_is_answered_without_a_key_for_any_path() -> None:
    wanted = "authorization, content-type, x-stainless-os, x-stainless-retry-count"
    answer = await asked(("*",), {**ASKING, "access-control-request-headers": wanted})
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert words(answer, "access-control-allow-methods") == ["GET", "HEAD", "POST", "OPTIONS"]
    assert words(answer, "access-control-allow-headers") == wanted.split(", ")
    assert int(answer.headers["access-control-max-age"]) > 600
    assert {"origin", "access-control-request-headers"} <= set(words(answer, "vary"))
    assert "access-control-allow-private-network" not in answer.headers


async def test_a_page_may_be_let_into_a_private_network() -> None:
    private = {"access-control-request-private-network": "true"}
    answer = await asked((PAGE,), {**ASKING, **private})
    assert answer.headers["access-control-allow-private-network"] == "true"
    assert answer.headers["access-control-allow-origin"] == PAGE
    answer = await asked(("https://other.example",), {**ASKING, **private})
    assert "access-control-allow-private-network" not in answer.headers


@pytest.mark.parametrize(
    ("wanted", "allowed"),
    [
        ("x-good, x bad, x:bad, , x-fine", ["x-good", "x-fine"]),
        (f"x-good, {'x' * 129}", ["x-good"]),
        (", ".join(["x-name"] * 1_000), []),
        ('"quoted", <b>', []),
    ],
)
async def test_only_names_of_headers_are_repeated(wanted: str, allowed: list[str]) -> None:
    answer = await asked(("*",), {**ASKING, "access-control-request-headers": wanted})
    assert answer.status_code == 204
    assert words(answer, "access-control-allow-headers") == allowed


@pytest.mark.parametrize(
    "headers", [{}, {"origin": PAGE}, {"access-control-request-method": "POST"}]
)
async def test_what_is_no_such_question_is_passed_on(headers: dict[str, str]) -> None:
    assert (await asked(("*",), headers)).text == ANSWER


async def test_a_question_is_one_only_as_options() -> None:
    assert (await asked(("*",), ASKING, "POST")).text == ANSWER
