"""Pictures are asked for in each client's own way; its user gets them, and each is bought once."""

import base64

import pytest

from gateway.translate.usage import output_tokens
from tests.clients.books import Books
from tests.clients.driving import Refused
from tests.clients.known import (
    AI,
    AI_COMPATIBLE,
    LANGCHAIN,
    LANGCHAIN_JS,
    NODE3,
    NODE4,
    NODE6,
    NODE7,
    PY0,
    PY1,
    PY2,
    PY3,
    by,
)
from tests.clients.users import Seen, User
from tests.e2e.pictures import fetched

pytestmark = [pytest.mark.clients, pytest.mark.asyncio(loop_scope="module")]

SMALL = {"size": "1024x768", "quality": "low"}


async def one_picture(seen: Seen, books: Books, size: tuple[int, int], form: str = "PNG") -> None:
    """One whole picture of this size, bought once."""
    (picture,) = await seen.pictures()
    assert (picture.size, picture.format) == (size, form)
    assert (books.purchases, books.images) == (1, 1)
    await books.asked(1)


@by(1, PY0, PY1, PY2, PY3, LANGCHAIN, NODE3, NODE4, NODE7)
async def test_nothing_but_a_prompt_is_enough(user: User, books: Books, prompt: str) -> None:
    await one_picture(await user.generate(prompt=prompt), books, (1024, 1024))


@by((1, 2), PY1, PY2, PY3, NODE3, NODE4, NODE6, NODE7, AI, AI_COMPATIBLE)
async def test_a_new_model_answers_with_bytes_alone(user: User, books: Books, prompt: str) -> None:
    seen = await user.generate(model="gpt-image-2", prompt=prompt, size="1024x768")
    await one_picture(seen, books, (1024, 768))
    (item,) = seen.data
    assert (bool(item["b64_json"]), "url" in item) == (True, False)


@by((3, 9), PY0)
async def test_the_first_sdks_quick_start_gets_its_address(
    user: User, books: Books, prompt: str
) -> None:
    seen = await user.generate(prompt=prompt, n=1, size="512x512")
    assert set(seen.value["data"][0]) == {"url"}
    await one_picture(seen, books, (512, 512))


@by(3, LANGCHAIN)
async def test_the_tool_of_python_gets_addresses(user: User, books: Books, prompt: str) -> None:
    seen = await user.generate(prompt=prompt)
    assert seen.value.startswith(f"{user.stand.url}/images/")
    await one_picture(seen, books, (1024, 1024))


@by(3, LANGCHAIN, PY1, PY3, NODE3, NODE4, NODE7)
async def test_an_old_model_answers_with_an_address(user: User, books: Books, prompt: str) -> None:
    seen = await user.generate(model="dall-e-3", prompt=prompt)
    if user.name != LANGCHAIN:
        (item,) = seen.data
        assert set(item) == {"url", "revised_prompt"}
    await one_picture(seen, books, (1024, 1024))


@by(4, LANGCHAIN_JS)
async def test_the_tool_of_node_gets_an_address_for_any_model(
    user: User, books: Books, prompt: str
) -> None:
    seen = await user.generate(model="gpt-image-2", prompt=prompt)
    assert seen.value.startswith(f"{user.stand.url}/images/")
    await one_picture(seen, books, (1024, 1024))


@by(4, PY1, PY3, NODE3, NODE4, NODE7)
async def test_who_asks_for_an_address_gets_it_alone(user: User, books: Books, prompt: str) -> None:
    wish = {"model": "gpt-image-2", "prompt": prompt, "size": "1024x768"}
    seen = await user.generate(**wish, response_format="url")
    assert set(seen.data[0]) == {"url"}
    await one_picture(seen, books, (1024, 768))


@by(5, PY0, PY1, PY3, NODE3, NODE4, NODE7, AI_COMPATIBLE, LANGCHAIN_JS)
async def test_who_asks_for_bytes_gets_no_address(user: User, books: Books, prompt: str) -> None:
    if user.name == LANGCHAIN_JS:
        seen = await user.generate(prompt=prompt, dallEResponseFormat="b64_json")
        assert base64.b64decode(seen.value, validate=True).startswith(b"\x89PNG")
        assert (books.purchases, books.images) == (1, 1)
        return
    seen = await user.generate(model="dall-e-2", prompt=prompt, response_format="b64_json")
    assert "url" not in seen.data[0]
    await one_picture(seen, books, (1024, 1024))


@by(6, AI_COMPATIBLE)
async def test_a_client_that_was_given_an_address_fetches_it_itself(
    user: User, books: Books, prompt: str
) -> None:
    seen = await user.generate(model="dall-e-3", prompt=prompt, response_format="url")
    assert "image" in [one.route for one in user.stand.requests[-3:]]
    await one_picture(seen, books, (1024, 1024))


@by(7, PY1, PY2, PY3)
async def test_what_is_null_is_left_out(user: User, books: Books, prompt: str) -> None:
    seen = await user.generate(prompt=prompt, model=None, n=None, size=None, quality=None)
    assert set(seen.data[0]) == {"url"}
    await one_picture(seen, books, (1024, 1024))


@by((5, 8), PY1, PY3, NODE3, NODE4, NODE6, NODE7)
async def test_parameters_of_old_models_are_taken(user: User, books: Books, prompt: str) -> None:
    seen = await user.generate(
        model="dall-e-3",
        prompt=prompt,
        quality="hd",
        style="vivid",
        response_format="b64_json",
        size="1792x1024",
        user="u",
    )
    assert seen.data[0]["revised_prompt"] == prompt
    assert books.newest["quality"] == "high"
    await one_picture(seen, books, (1792, 1024))


@by(9, PY0, PY1, PY3, NODE3, NODE4)
@pytest.mark.parametrize("edge", [256, 512])
async def test_small_squares_of_old_are_made(
    user: User, books: Books, prompt: str, edge: int
) -> None:
    # As AutoGPT asks: no model.
    seen = await user.generate(
        prompt=prompt, n=1, size=f"{edge}x{edge}", response_format="b64_json"
    )
    await one_picture(seen, books, (edge, edge))


@by(10, PY1, PY2, PY3, LANGCHAIN_JS, NODE4, NODE7, AI)
async def test_what_nobody_knows_is_passed_over(user: User, books: Books, prompt: str) -> None:
    extra = {"seed": 1, "foo": {"a": 1}}
    if user.known.python:
        extra = {"extra_body": extra}
    if user.name == LANGCHAIN_JS:
        extra = {"style": "natural"}
    seen = await user.generate(prompt=prompt, size="1024x1024", **extra)
    await one_picture(seen, books, (1024, 1024))


@by(12, PY0, PY1, PY3, NODE3, NODE4, NODE7, AI, AI_COMPATIBLE)
async def test_several_pictures_differ(user: User, books: Books, prompt: str) -> None:
    wish = {"prompt": prompt, "n": 3, "size": "1024x768"}
    seen = await user.generate(**wish if user.name == PY0 else {**wish, "model": "gpt-image-2"})
    pictures = await seen.pictures()
    assert [picture.size for picture in pictures] == [(1024, 768)] * 3
    assert len({picture.tobytes() for picture in pictures}) == 3
    assert (books.purchases, books.images) == (1, 3)
    await books.asked(1)


@by(12, PY3)
async def test_a_number_may_be_written_as_a_word(user: User, books: Books, prompt: str) -> None:
    seen = await user.generate(
        model="gpt-image-2", prompt=prompt, size="1024x768", extra_body={"n": "2"}
    )
    assert len(await seen.pictures()) == 2
    assert (books.purchases, books.images) == (1, 2)


@by(12, PY0, PY1, PY3, NODE3, NODE4, NODE7)
@pytest.mark.parametrize("number", [11, 20])
async def test_more_than_ten_pictures_are_refused(
    user: User, books: Books, prompt: str, number: int
) -> None:
    with pytest.raises(Refused) as caught:
        await user.generate(prompt=prompt, n=number, size="1024x1024")
    assert caught.value.status == 400
    told = caught.value.body["error"] if user.name == NODE3 else caught.value.told
    if user.name != PY0:  # which keeps no code
        assert (told["param"], told["code"]) == ("n", "integer_above_max_value")
    assert f"Expected a value <= 10, but got {number} instead." in told["message"]
    assert books.purchases == 0
    await books.asked(1)


@by(12, AI, AI_COMPATIBLE)
async def test_twelve_pictures_are_asked_for_as_ten_and_two(
    user: User, books: Books, prompt: str
) -> None:
    seen = await user.generate(prompt=prompt, n=12, size="1024x768", quality="low")
    pictures = await seen.pictures()
    assert len({picture.tobytes() for picture in pictures}) == 12
    await books.asked(2)
    assert sorted(one.n or 0 for one in books.requests) == [2, 10]
    # Of ten the vendor makes four, four and two: four purchases, and twelve pictures.
    assert (books.purchases, books.images) == (4, 12)


@by(20, PY1, PY2, PY3)
@pytest.mark.parametrize("response_format", ["url", "b64_json"])
async def test_a_client_that_checks_every_field_is_content(
    user: User, books: Books, prompt: str, response_format: str
) -> None:
    strict = user.with_(_strict_response_validation=True)
    # The sizes that version 2 knows are those of its time.
    wish = {"model": "gpt-image-2", "prompt": prompt, "size": "1024x1024"}
    seen = await strict.generate(**wish, response_format=response_format)
    await one_picture(seen, books, (1024, 1024))


@by((21, 43), PY1, PY2, PY3)
async def test_the_answer_is_json_with_status_200_and_a_name(
    user: User, books: Books, prompt: str
) -> None:
    seen = await user.call(
        "images.generate", raw=True, args={"model": "gpt-image-2", "prompt": prompt, **SMALL}
    )
    assert seen.status == 200
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["x-request-id"].startswith("req_")
    await one_picture(seen, books, (1024, 768))


@by((22, 23), PY1, PY2, PY3, NODE4, NODE6, NODE7)
@pytest.mark.parametrize(
    ("size", "quality"), [("1024x1024", "low"), ("1536x1024", "medium"), ("1000x700", "high")]
)
async def test_what_is_told_of_a_picture_is_true_of_it(
    user: User, books: Books, prompt: str, size: str, quality: str
) -> None:
    wish = {"model": "gpt-image-2", "prompt": prompt, "size": size, "quality": quality}
    seen = await user.generate(**wish)
    told = seen.value
    (picture,) = await seen.pictures()
    assert told["size"] == "{}x{}".format(*picture.size) == size
    assert told["output_format"] == (picture.format or "").lower() == "png"
    assert (told["quality"], books.newest["quality"]) == (quality, quality)
    assert (told["background"], picture.mode) == ("opaque", "RGB")
    assert isinstance(told["created"], int)
    usage = told["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    for kind in ("input", "output"):
        details = usage[f"{kind}_tokens_details"]
        assert usage[f"{kind}_tokens"] == details["image_tokens"] + details["text_tokens"]
    bought = tuple(map(int, books.newest["pixels"].split("x")))
    assert usage["output_tokens"] == output_tokens(bought[0], bought[1], quality)  # type: ignore[arg-type]
    if size == "1024x1024":
        assert usage["output_tokens"] == 196
    assert (books.purchases, books.images) == (1, 1)


@by(22, AI)
async def test_tokens_reach_whoever_adds_them_up(user: User, books: Books, prompt: str) -> None:
    seen = await user.generate(prompt=prompt, size="1024x1024", quality="low")
    usage = seen.value["usage"]
    assert usage["outputTokens"] == 196
    assert usage["totalTokens"] == usage["inputTokens"] + 196
    assert books.purchases == 1


@by((23, 47), PY2, PY3, NODE4, NODE7)
@pytest.mark.parametrize("form", ["jpeg", "webp"])
async def test_a_format_is_what_it_is_called(
    user: User, books: Books, prompt: str, form: str
) -> None:
    wish = {"model": "gpt-image-2", "prompt": prompt, **SMALL, "output_format": form}
    compressed = await user.generate(**wish, output_compression=20)
    assert compressed.value["output_format"] == form
    text = compressed.data[0]["b64_json"]
    assert not text.startswith("data:")
    assert "\n" not in text
    await one_picture(compressed, books, (1024, 768), form.upper())


@by((6, 23), PY0, NODE3)
async def test_a_link_has_the_endings_that_old_tools_look_for(
    user: User, books: Books, prompt: str
) -> None:
    seen = await user.generate(prompt=prompt, n=1, size="1024x1024")
    (item,) = seen.data
    assert item["url"].endswith(".png")
    assert (await fetched(item["url"])).format == "PNG"
    assert books.purchases == 1


@by(50, PY2, PY3, NODE7)
async def test_whom_it_is_for_is_told_back(user: User, books: Books, prompt: str) -> None:
    wish = {"model": "gpt-image-2", "prompt": prompt, **SMALL}
    name = "safety_identifier"
    extra = {"extra_body": {name: "abc"}} if user.name == PY2 else {name: "abc"}
    seen = await user.generate(**wish, **extra)
    assert seen.value["safety_identifier"] == "abc"
    again = await user.generate(**wish, user="def")
    assert again.value["safety_identifier"] == "def"
    assert books.purchases == 2
