"""LiteLLM's functions, which take seconds to import, all in one module."""

from pathlib import Path

import pytest

from tests.clients.books import Books
from tests.clients.driving import Refused, as_file
from tests.clients.known import LITELLM, by
from tests.clients.users import User
from tests.e2e.pictures import drawn_png

pytestmark = [pytest.mark.clients, pytest.mark.asyncio(loop_scope="module")]

PACE = 5.0
SECTIONS: dict[str, object] = {"server": {"heartbeats": {"interval": 1, "whitespace_after": 1}}}
SLOW = {"where": "create", "kind": "slow", "times": None, "seconds": 1}
TALL = drawn_png((300, 400))


@by((1, 2), LITELLM)
async def test_pictures_are_generated(user: User, books: Books, prompt: str) -> None:
    seen = await user.generate(prompt=prompt, size="1024x768", quality="low")
    (picture,) = await seen.pictures()
    assert picture.size == (1024, 768)
    assert seen.data[0]["url"] is None
    assert (books.purchases, books.images) == (1, 1)


@by(3, LITELLM)
async def test_an_old_name_gives_an_address(user: User, books: Books, prompt: str) -> None:
    seen = await user.generate(model="dall-e-3", prompt=prompt)
    assert seen.data[0]["url"].startswith(user.stand.url)
    assert len(await seen.pictures()) == books.purchases == 1


@by((13, 14), LITELLM)
@pytest.mark.parametrize("count", [1, 2])
async def test_pictures_are_edited(
    user: User, books: Books, prompt: str, tmp_path: Path, count: int
) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(count)]
    for path in paths:
        path.write_bytes(TALL if path is paths[0] else drawn_png((400, 300), seed=2))
    image = [as_file(path) for path in paths] if count > 1 else as_file(paths[0])
    seen = await user.edit(prompt=prompt, image=image, size="1024x768")
    (picture,) = await seen.pictures()
    assert picture.size == (1024, 768)
    assert (books.purchases, books.newest["references"]) == (1, count)


@by(19, LITELLM)
async def test_variations_are_made(user: User, books: Books, tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(TALL)
    # It sends the picture and the model, whatever number or size it is given.
    seen = await user.variation(model="dall-e-2", image=as_file(path))
    assert len(await seen.pictures()) == 1
    assert (books.purchases, books.newest["references"]) == (1, 1)


@by(30, LITELLM)
async def test_a_refusal_is_a_bad_request(user: User, books: Books, prompt: str) -> None:
    with pytest.raises(Refused) as caught:
        await user.generate(prompt=prompt, size="9x9")
    assert (caught.value.told["class"], caught.value.status) == ("BadRequestError", 400)
    assert books.purchases == 0
    await books.asked(1)


@by(33, LITELLM)
async def test_a_failure_after_the_purchase_costs_no_second(
    user: User, books: Books, prompt: str
) -> None:
    user.stand.vendor_fails({"where": "create", "kind": "failed", "times": None})
    with pytest.raises(Refused):
        await user.generate(prompt=prompt, size="1024x768")
    assert books.purchases == 1


@by(49, LITELLM)
async def test_blanks_before_an_answer_are_read_over(user: User, books: Books, prompt: str) -> None:
    user.stand.vendor_fails(SLOW)
    headers = {"x-gateway-keepalive": "whitespace"}
    seen = await user.generate(prompt=prompt, size="1024x768", extra_headers=headers)
    assert len(await seen.pictures()) == books.purchases == 1
    (asked,) = await books.over()
    assert asked.manner == "whitespace"
