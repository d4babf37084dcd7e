"""New terms while callers wait: who has begun keeps what it took, who begins takes what is new."""

import asyncio
from pathlib import Path

import httpx
import openai
import pytest

from gateway.config.sections import Config
from gateway.events import CreateSent
from tests.e2e.outcomes import CANARY
from tests.e2e.pictures import SMALL, pictures_of
from tests.e2e.stand import KEY, Stand, behaving, config

PROMPT = f"{CANARY} a lighthouse in fog"
NEW = "sk-igw-new-key"
SLOW = {"where": "create", "kind": "slow", "times": None, "seconds": 0.4}


def changed(stand: Stand, **sections: object) -> Config:
    """The stand's own configuration with other sections."""
    return config(stand.folder, stand.vendor_url, sections)


async def listed(stand: Stand, key: str = KEY) -> httpx.Response:
    async with stand.plain(headers={"authorization": f"Bearer {key}"}) as client:
        return await client.get("/v1/models")


async def test_a_key_that_is_removed_ends_no_request_and_lets_none_begin(tmp_path: Path) -> None:
    async with behaving(tmp_path) as stand, stand.client() as client:
        stand.vendor_fails(SLOW)
        waiting = asyncio.create_task(
            client.images.generate(model="gpt-image-2", prompt=PROMPT, size=SMALL, quality="low")
        )
        await stand.until(lambda: stand.events(CreateSent))
        assert (await listed(stand, NEW)).status_code == 401
        stand.gateway.reload(changed(stand, keys=[{"name": "new", "key": NEW}]))
        assert (await listed(stand, NEW)).status_code == 200
        with pytest.raises(openai.AuthenticationError):
            await client.models.list()
        (picture,) = pictures_of(await waiting)
    assert picture.size == (1024, 768)
    assert stand.purchases == 1


async def test_models_and_their_names_change_at_once(tmp_path: Path) -> None:
    async with behaving(tmp_path) as stand:
        models = {"gpt-image-2": {"aliases": ["mine"]}}
        stand.gateway.reload(changed(stand, models=models))
        ids = [model["id"] for model in (await listed(stand)).json()["data"]]
    assert "mine" in ids
    assert "dall-e-3" not in ids


@pytest.mark.parametrize("before", [False, True])
async def test_a_request_ends_on_the_terms_it_began_with(tmp_path: Path, before: bool) -> None:
    async with behaving(tmp_path, requests={"partial_results": before}) as stand:
        stand.vendor_fails({**SLOW, "kind": "fewer"}, SLOW)
        async with stand.plain() as client:
            wish = {"prompt": PROMPT, "size": SMALL, "quality": "low", "n": 2}
            waiting = asyncio.create_task(client.post("/v1/images/generations", json=wish))
            await stand.until(lambda: stand.events(CreateSent))
            stand.gateway.reload(changed(stand, requests={"partial_results": not before}))
            begun = await waiting
            later = await client.post("/v1/images/generations", json={**wish, "prompt": "new"})
    assert (begun.status_code == 200) is before
    assert (later.status_code == 200) is not before
