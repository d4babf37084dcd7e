"""However a client writes the base URL, it finds the endpoints, and its models."""

import pytest

from tests.clients.books import Books
from tests.clients.driving import Refused
from tests.clients.known import NODE4, NODE6, NODE7, PY0, PY1, PY2, PY3, by
from tests.clients.users import User
from tests.e2e.stand import KEY

pytestmark = [pytest.mark.clients, pytest.mark.asyncio(loop_scope="module")]

SMALL = {"model": "gpt-image-2", "size": "1024x768", "quality": "low"}
SDKS = (PY0, PY1, PY2, PY3, NODE4, NODE6, NODE7)
ENDINGS = ("", "/", "/v1", "/v1/", "//v1", "/v1/v1", "/openai/v1")


@by(39, *SDKS)
async def test_models_are_listed_as_openai_lists_them(user: User, books: Books) -> None:
    seen = await user.call("Model.list" if user.name == PY0 else "models.list")
    items = seen.data if user.name == PY0 else seen.value
    for item in items:
        assert item["object"] == "model"
        assert isinstance(item["created"], int)
        assert item["owned_by"]
    names = [item["id"] for item in items]
    assert names[0] == "gpt-image-2"
    assert {"dall-e-2", "dall-e-3", "gpt-image-1"} <= set(names)


@by(39, *SDKS)
@pytest.mark.parametrize("name", ["gpt-image-2", "dall-e-3"])
async def test_a_model_is_looked_up_by_its_name(user: User, books: Books, name: str) -> None:
    method = "Model.retrieve" if user.name == PY0 else "models.retrieve"
    seen = await user.call(method, words=[name])
    assert (seen.value["id"], seen.value["object"]) == (name, "model")


@by((30, 39), *SDKS)
async def test_a_model_that_is_not_there_is_not_found(user: User, books: Books) -> None:
    method = "Model.retrieve" if user.name == PY0 else "models.retrieve"
    with pytest.raises(Refused) as caught:
        await user.call(method, words=["parrot-1"])
    if user.name == PY0:
        assert caught.value.told["class"] == "InvalidRequestError"
    else:
        assert caught.value.told["class"] == "NotFoundError"
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")


@by(40, PY0, PY1, PY3, NODE4, NODE7)
@pytest.mark.parametrize("ending", ENDINGS)
async def test_every_way_to_write_the_base_url_leads_here(
    user: User, books: Books, prompt: str, ending: str
) -> None:
    told = user.with_(base_url=f"{user.stand.url}{ending}")
    seen = await told.generate(prompt=prompt, size="256x256", response_format="b64_json")
    (picture,) = await seen.pictures()
    assert picture.size == (256, 256)
    assert books.purchases == 1
    if user.name != PY0:
        models = (await told.call("models.list")).value
        assert models[0]["id"] == "gpt-image-2"


@by(40, PY1, PY2, PY3, NODE4, NODE6, NODE7)
async def test_azures_clients_find_it_with_a_key_in_a_header_of_their_own(
    user: User, books: Books, prompt: str
) -> None:
    where = {"api_key": KEY, "api_version": "2025-04-01-preview"}
    if user.known.python:
        client = {**where, "azure_endpoint": user.stand.url}
    else:
        client = {"apiKey": KEY, "apiVersion": where["api_version"], "endpoint": user.stand.url}
    told = await user.driver.ask(
        "call",
        kind="AzureOpenAI",
        client=client,
        method="images.generate",
        args={"prompt": prompt, **SMALL},
    )
    assert set(told["value"]["data"][0]) == {"b64_json"}
    (asked,) = await books.over()
    assert (books.purchases, asked.model) == (1, "gpt-image-2")


@by(43, PY1, PY2, PY3, NODE4, NODE6, NODE7)
async def test_a_request_has_one_name_for_its_user_and_for_operators(
    user: User, books: Books, prompt: str
) -> None:
    seen = await user.generate(prompt=prompt, **SMALL)
    await books.asked(1)
    assert seen.request_id == books.requests[0].request_id
    assert seen.request_id.startswith("req_")
    assert books.purchases == 1


@by(41, PY1, PY3, NODE7)
async def test_an_endpoint_that_is_not_there_is_an_error_of_openais(
    user: User, books: Books, prompt: str
) -> None:
    lost = user.with_(base_url=f"{user.stand.url}/v2/elsewhere")
    with pytest.raises(Refused) as caught:
        await lost.generate(prompt=prompt)
    assert caught.value.told["class"] == "NotFoundError"
    assert (caught.value.status, caught.value.code) == (404, "unknown_url")
    assert caught.value.request_id.startswith("req_")
    assert books.purchases == 0
