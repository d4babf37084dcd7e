"""Everything on the clients' listener that is not a picture being made."""

import httpx
import openai
import pytest

from tests.e2e.stand import KEY, Stand

PATHS = [
    "/v1/images/generations",
    "/images/generations",
    "//v1/images/generations",
    "/v1//images/generations",
    "/v1/v1/images/generations",
    "/v1/images/generations/",
    "/v1/images/generations?api-version=2025-04-01",
    "/openai/v1/images/generations",
    "/openai/deployments/gpt-image-2/images/generations?api-version=2025-04-01",
]


def raw(stand: Stand) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {KEY}"}
    return httpx.AsyncClient(base_url=stand.url, headers=headers, timeout=30)


@pytest.mark.parametrize("path", PATHS)
async def test_all_ways_of_writing_the_path_lead_there(stand: Stand, path: str) -> None:
    async with raw(stand) as client:
        answer = await client.post(f"{stand.url}{path}", json={"prompt": "a", "quality": "low"})
    assert answer.status_code == 200, answer.text


async def test_a_deployments_name_stands_in_for_a_missing_model(stand: Stand) -> None:
    async with raw(stand) as client:
        path = "/openai/deployments/dall-e-3/images/generations"
        answer = await client.post(path, json={"prompt": "a", "quality": "low"})
        assert "revised_prompt" in answer.json()["data"][0]
        path = "/openai/deployments/nonsense/images/generations"
        answer = await client.post(path, json={"prompt": "a"})
        assert answer.json()["error"]["code"] == "model_not_found"


async def test_models_are_listed_with_their_aliases(stand: Stand) -> None:
    async with stand.client() as client:
        names = [model.id async for model in client.models.list()]
        assert names == ["gpt-image-2", "gpt-image-1.5", "gpt-image-1", "dall-e-3", "dall-e-2"]
        assert (await client.models.retrieve("dall-e-3")).object == "model"
        with pytest.raises(openai.NotFoundError) as caught:
            await client.models.retrieve("gpt-image-77")
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1", 404),
        ("GET", "/v1/foo", 404),
        ("POST", "/v1/chat/completions", 404),
        ("GET", "/v1/images/generations", 405),
        ("DELETE", "/v1/images/edits", 405),
        ("POST", "/v1/models", 405),
        ("GET", "/images/0123456789abcdef0123456789abcdef.png", 404),
        ("GET", "/images/..%2f..%2fetc%2fpasswd", 404),
        ("GET", "/images/x", 404),
    ],
)
async def test_other_paths_and_methods_get_openais_envelope(
    stand: Stand, method: str, path: str, status: int
) -> None:
    async with raw(stand) as client:
        answer = await client.request(method, path)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert answer.headers["x-request-id"].startswith("req_")
    if status == 405:
        assert answer.headers["allow"]


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer {KEY}"},
        {"api-key": KEY},
        {"x-api-key": KEY},
        {"authorization": "Basic abc", "api-key": KEY},
    ],
)
async def test_a_key_may_come_in_several_headers(stand: Stand, headers: dict[str, str]) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{stand.url}/v1/models", headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, None),
        ({"authorization": "Bearer"}, None),
        ({"authorization": "Bearer undefined"}, "invalid_api_key"),
        ({"authorization": f"Bearer {KEY}x"}, "invalid_api_key"),
        ({"api-key": "wrong"}, "invalid_api_key"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/x", "/v1/images/generations"])
async def test_without_a_configured_key_there_is_nothing(
    stand: Stand, headers: dict[str, str], code: str | None, path: str
) -> None:
    method = "POST" if path.endswith("generations") else "GET"
    async with httpx.AsyncClient() as client:
        answer = await client.request(method, f"{stand.url}{path}", headers=headers, content=b"{")
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == code
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert "wrong" not in answer.text
    assert KEY not in answer.text


async def test_the_sdk_raises_its_own_errors(stand: Stand) -> None:
    async with stand.client(api_key="sk-wrong") as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            await client.models.list()
    assert caught.value.request_id is not None
    assert caught.value.request_id.startswith("req_")


async def test_a_picture_is_served_with_and_without_a_key_whole_or_head(stand: Stand) -> None:
    async with stand.client() as client:
        result = await client.images.generate(prompt="a cat", quality="low")
    assert result.data is not None
    url = result.data[0].url
    assert url is not None
    async with httpx.AsyncClient() as plain:
        whole = await plain.get(url)
        head = await plain.head(url, headers={"authorization": "Bearer anything"})
        wrong = await plain.get(url.replace(".png", ".jpg"))
    assert whole.content.startswith(b"\x89PNG")
    assert int(whole.headers["content-length"]) == len(whole.content)
    assert whole.headers["content-type"] == "image/png"
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert whole.headers["access-control-allow-origin"] == "*"
    assert "max-age=" in whole.headers["cache-control"]
    assert "sandbox" in whole.headers["content-security-policy"]
    assert head.content == b""
    assert head.headers["content-length"] == whole.headers["content-length"]
    assert wrong.status_code == 404


async def test_the_clients_own_request_id_is_returned_beside_ours(stand: Stand) -> None:
    async with raw(stand) as client:
        answer = await client.get("/v1/models", headers={"x-request-id": "mine-1"})
    assert answer.headers["x-client-request-id"] == "mine-1"
    assert answer.headers["x-request-id"] != "mine-1"
