"""Where the gateway is told to be strict, it refuses what OpenAI refuses, and nothing is bought."""

import pytest

from tests.clients.books import Books
from tests.clients.driving import Refused
from tests.clients.known import NODE4, NODE7, PY1, PY2, PY3, by
from tests.clients.users import User

pytestmark = [pytest.mark.clients, pytest.mark.asyncio(loop_scope="module")]

SECTIONS: dict[str, object] = {"server": {"compatibility": "strict"}}
GOOD = ("1024x1024", "1536x864", "2048x1152", "3840x2160", "1280x720", "1024x640", "1200x656")
STEPS = "Width and height must both be divisible by 16."
EDGE = "The longest edge must be less than or equal to 3840."
SHAPE = "Long-edge to short-edge ratio must be less than or equal to 3:1."
FEW = "Requested resolution is below the current minimum pixel budget."
MANY = "Requested resolution is above the current maximum pixel budget."
BAD = {
    "1792x936": STEPS,
    "1928x1080": STEPS,
    "1920x1080": STEPS,
    "4096x4096": EDGE,
    "3856x1600": EDGE,
    "1600x3856": EDGE,
    "3840x1200": SHAPE,
    "3200x1024": SHAPE,
    "256x1024": SHAPE,
    "1024x624": FEW,
    "1024x576": FEW,
    "512x512": FEW,
    "3840x2176": MANY,
    "2896x2896": MANY,
}


async def refused(user: User, books: Books, **wish: object) -> Refused:
    with pytest.raises(Refused) as caught:
        await user.generate(**wish)
    assert (caught.value.told["class"], caught.value.status) == ("BadRequestError", 400)
    assert books.purchases == 0
    await books.asked(1)
    return caught.value


@by(10, PY1, PY2, PY3, NODE4, NODE7)
@pytest.mark.parametrize(("name", "value"), [("seed", 1), ("foo", {"a": 1}), ("style", "vivid")])
async def test_what_nobody_knows_is_refused_by_name(
    user: User, books: Books, prompt: str, name: str, value: object
) -> None:
    extra = {name: value}
    if user.known.python:
        extra = {"extra_body": extra}
    error = await refused(user, books, model="gpt-image-2", prompt=prompt, **extra)
    assert (error.code, error.param) == ("unknown_parameter", name)


@by(11, PY2, PY3, NODE7)
@pytest.mark.parametrize("size", BAD)
async def test_a_size_that_the_model_has_not_is_refused(
    user: User, books: Books, prompt: str, size: str
) -> None:
    error = await refused(user, books, model="gpt-image-2", prompt=prompt, size=size)
    assert (error.code, error.param) == ("invalid_value", "size")
    assert error.type == "image_generation_user_error"
    # That it is not made here would be another reason, and another message.
    assert f"Invalid size '{size}'. {BAD[size]}" in error.message


@by(11, PY3)
@pytest.mark.parametrize("size", GOOD)
async def test_a_size_that_the_model_has_is_made(
    user: User, books: Books, prompt: str, size: str
) -> None:
    seen = await user.generate(model="gpt-image-2", prompt=prompt, size=size, quality="low")
    (picture,) = await seen.pictures()
    assert "{}x{}".format(*picture.size) == seen.value["size"] == size
    assert books.purchases == 1


@by(10, PY3, NODE7)
async def test_a_format_of_answers_that_new_models_have_not_is_refused(
    user: User, books: Books, prompt: str
) -> None:
    wish = {"model": "gpt-image-2", "prompt": prompt, "response_format": "b64_json"}
    error = await refused(user, books, **wish)
    assert (error.code, error.param) == ("unknown_parameter", "response_format")
