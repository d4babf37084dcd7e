"""Errors reach a client's user as the class, code, parameter and message they were meant to be."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.clients.books import Books
from tests.clients.driving import Refused, as_file
from tests.clients.known import AI, NODE3, NODE4, NODE6, NODE7, PY0, PY1, PY2, PY3, by
from tests.clients.users import User
from tests.e2e.pictures import drawn_png
from tests.e2e.stand import KEY

pytestmark = [pytest.mark.clients, pytest.mark.asyncio(loop_scope="module")]

NARROW, SPENT = "client-of-narrow-means", "client-with-one-picture-a-day"
SECTIONS: dict[str, object] = {
    "keys": [
        {"name": "studio", "key": KEY},
        {"name": "narrow", "key": NARROW, "models": ["house-model"]},
        {"name": "spent", "key": SPENT, "limits": {"images_per_day": 1}},
    ],
    "models": {"gpt-image-2": {}, "house-model": {"aliases": []}},
    "server": {"failed_auth_per_minute": None},
}
SDKS = (PY1, PY2, PY3, NODE4, NODE6, NODE7)
Written = Callable[[str, bytes], Path]
SMALL = {"model": "gpt-image-2", "size": "1024x768", "quality": "low"}


@dataclass(frozen=True)
class Case:
    """What is asked, and what a user should be told."""

    status: int
    code: str
    kind: str
    param: str | None = None
    wish: Mapping[str, Any] = field(default_factory=dict)
    key: str = KEY
    type: str = "invalid_request_error"


CASES = {
    "a size that cannot be": Case(400, "invalid_value", "BadRequestError", "size", {"size": "9x9"}),
    "a number that is too large": Case(
        400, "integer_above_max_value", "BadRequestError", "n", {"n": 11}
    ),
    "an empty prompt": Case(400, "empty_string", "BadRequestError", "prompt", {"prompt": ""}),
    "a wrong key": Case(401, "invalid_api_key", "AuthenticationError", key="sk-nobody-has-this"),
    "a key that may not": Case(
        403, "permission_denied", "PermissionDeniedError", "model", key=NARROW
    ),
    "no such model": Case(404, "model_not_found", "NotFoundError", wish={"model": "parrot-1"}),
    "far too long a body": Case(
        413, "request_too_large", "APIStatusError", wish={"prompt": "x" * 1_000_100}
    ),
    "a day's pictures used up": Case(
        429,
        "insufficient_quota",
        "RateLimitError",
        wish={"n": 2},
        key=SPENT,
        type="insufficient_quota",
    ),
}
NOT_IMAGE_TYPES = {"a size that cannot be"}
OLD_NAMES = {
    "BadRequestError": "InvalidRequestError",
    "NotFoundError": "InvalidRequestError",
    "PermissionDeniedError": "PermissionError",
    "APIStatusError": "APIError",
}


async def refused(user: User, prompt: str, case: Case) -> Refused:
    wish = {"prompt": prompt, **SMALL, **case.wish}
    with pytest.raises(Refused) as caught:
        await user.with_(api_key=case.key).generate(**wish)
    return caught.value


@by((30, 43), *SDKS)
@pytest.mark.parametrize("name", CASES)
async def test_a_refusal_is_an_error_of_its_class_and_is_not_repeated(
    user: User, books: Books, prompt: str, name: str
) -> None:
    case = CASES[name]
    error = await refused(user, prompt, case)
    kind = case.kind
    if kind == "APIStatusError" and not user.known.python:
        kind = "APIError"
    assert error.told["class"] == kind
    assert (error.status, error.code, error.param) == (case.status, case.code, case.param)
    assert error.type == (
        "image_generation_user_error" if name in NOT_IMAGE_TYPES else case.type
    )
    assert error.message
    if user.name != PY1 or "request_id" in error.told:
        assert error.request_id.startswith("req_")
    assert books.purchases == 0
    await books.asked(1)
    assert books.requests[0].request_id == error.request_id


@by(30, PY0)
@pytest.mark.parametrize("name", CASES)
async def test_the_first_sdk_understands_a_refusal(
    user: User, books: Books, prompt: str, name: str
) -> None:
    case = CASES[name]
    error = await refused(user, prompt, case)
    assert error.told["class"] == OLD_NAMES.get(case.kind, case.kind)
    assert error.status == case.status
    if error.told["class"] == "InvalidRequestError":
        assert error.param == case.param
    assert "AttributeError" not in error.kinds
    assert error.message
    assert books.purchases == 0
    await books.asked(1)


@by(30, NODE3)
@pytest.mark.parametrize("name", CASES)
async def test_the_third_sdk_of_node_has_the_whole_envelope(
    user: User, books: Books, prompt: str, name: str
) -> None:
    case = CASES[name]
    error = await refused(user, prompt, case)
    assert error.status == case.status
    told = error.body["error"]
    assert set(told) == {"message", "type", "param", "code"}
    assert (told["code"], told["param"]) == (case.code, case.param)
    assert books.purchases == 0
    await books.asked(1)


@by(30, AI)
@pytest.mark.parametrize("name", ["a wrong key", "no such model", "a key that may not"])
async def test_the_ai_sdk_shows_the_message(
    user: User, books: Books, prompt: str, name: str
) -> None:
    case = CASES[name]
    error = await refused(user, prompt, case)
    assert (error.name, error.status) == ("AI_APICallError", case.status)
    assert error.message == error.body["error"]["message"]
    assert len(error.message) > len("Unauthorized")
    assert books.purchases == 0
    await books.asked(1)


@by(30, *SDKS)
async def test_a_key_used_for_another_wish_is_422(user: User, books: Books, prompt: str) -> None:
    await user.call("images.generate", **named(user, prompt, {"prompt": prompt, **SMALL}))
    with pytest.raises(Refused) as caught:
        wish = {"prompt": "another", **SMALL}
        await user.call("images.generate", **named(user, prompt, wish))
    assert caught.value.told["class"] == "UnprocessableEntityError"
    assert (caught.value.status, caught.value.code) == (422, "idempotency_key_reused")
    assert books.purchases == 1
    await books.asked(2)


def named(user: User, name: str, wish: dict[str, Any]) -> dict[str, Any]:
    """A call that carries an ``Idempotency-Key``."""
    headers = {"Idempotency-Key": name}
    if user.known.python:
        return {"args": {**wish, "extra_headers": headers}}
    return {"args": wish, "options": {"headers": headers}}


@by(31, PY0, PY1, PY2, PY3, NODE4, NODE7)
@pytest.mark.parametrize("where", ["generations", "edits", "models"])
async def test_a_wrong_key_is_told_once_everywhere(
    user: User, books: Books, prompt: str, drawn_file: Written, where: str
) -> None:
    stranger = user.with_(api_key="sk-nobody-has-this")
    before = len(user.stand.requests)
    with pytest.raises(Refused) as caught:
        match where:
            case "generations":
                await stranger.generate(prompt=prompt)
            case "edits":
                image = as_file(drawn_file("a.png", drawn_png((64, 64))))
                await stranger.edit(prompt=prompt, image=image, size="1024x1024")
            case _:
                await stranger.call("Model.list" if user.name == PY0 else "models.list")
    assert caught.value.told["class"] == "AuthenticationError"
    if user.name != PY0:
        assert caught.value.code == "invalid_api_key"
    assert "sk-nobody" not in caught.value.message
    assert (len(user.stand.requests) - before, books.purchases) == (1, 0)


@by(32, PY0, PY1, PY2, PY3, NODE4, NODE6, NODE7, AI)
async def test_a_blocked_prompt_is_not_tried_again(user: User, books: Books, prompt: str) -> None:
    user.stand.vendor_fails({"where": "create", "kind": "moderated", "times": None})
    with pytest.raises(Refused) as caught:
        await user.generate(prompt=prompt, model="gpt-image-2", size="1024x768")
    assert caught.value.status == 400
    if user.name == AI:
        assert caught.value.body["error"]["code"] == "moderation_blocked"
    elif user.name != PY0:
        assert caught.value.code == "moderation_blocked"
    assert "safety system" in caught.value.message
    assert books.purchases == 1
    await books.asked(1)


@by(33, *SDKS)
async def test_a_failure_after_the_purchase_is_not_tried_again(
    user: User, books: Books, prompt: str
) -> None:
    user.stand.vendor_fails({"where": "create", "kind": "failed", "times": None})
    with pytest.raises(Refused) as caught:
        await user.generate(prompt=prompt, **SMALL)
    assert caught.value.told["class"] == "InternalServerError"
    assert (caught.value.status, caught.value.code) == (502, "upstream_task_failed")
    assert books.purchases == 1
    await books.asked(1)


@by(33, AI)
async def test_who_tries_again_all_the_same_buys_nothing(
    user: User, books: Books, prompt: str
) -> None:
    user.stand.vendor_fails({"where": "create", "kind": "failed", "times": None})
    with pytest.raises(Refused) as caught:
        await user.generate(prompt=prompt, size="1024x768", quality="low")
    assert (caught.value.name, caught.value.attempts) == ("AI_RetryError", 3)
    assert caught.value.last["body"]["error"]["code"] == "upstream_task_failed"
    assert books.purchases == 1
    await books.asked(3)


@by((30, 33), PY0, NODE3)
async def test_old_clients_are_told_of_a_failure_after_the_purchase(
    user: User, books: Books, prompt: str
) -> None:
    user.stand.vendor_fails({"where": "create", "kind": "failed", "times": None})
    with pytest.raises(Refused) as caught:
        await user.generate(prompt=prompt, n=1, size="1024x1024")
    assert caught.value.status == 502
    assert books.purchases == 1
    await books.asked(1)


@by(30, *SDKS)
async def test_an_account_without_money_is_not_tried_again(
    user: User, books: Books, prompt: str
) -> None:
    user.stand.vendor_fails({"where": "create", "kind": "insufficient_quota", "times": None})
    with pytest.raises(Refused) as caught:
        await user.generate(prompt=prompt, **SMALL)
    assert caught.value.told["class"] == "RateLimitError"
    assert (caught.value.status, caught.value.code) == (429, "insufficient_quota")
    assert books.purchases == 0
    await books.asked(1)


@by(30, PY0)
async def test_the_first_sdk_survives_a_server_that_cannot(
    user: User, books: Books, prompt: str
) -> None:
    user.stand.vendor_fails({"where": "create", "kind": "unauthorized", "times": None})
    with pytest.raises(Refused) as caught:
        await user.generate(prompt=prompt, n=1, size="1024x1024")
    assert caught.value.told["class"] == "ServiceUnavailableError"
    assert books.purchases == 0
    await books.asked(1)
