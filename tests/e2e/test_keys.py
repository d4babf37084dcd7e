"""Keys as clients meet them: the real SDK against a real gateway."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import openai
import pytest

from gateway.config.credentials import digest_of, new_key
from tests.e2e.pictures import SMALL
from tests.e2e.stand import KEY, Stand, behaving

MADE, OLD = new_key(), new_key()
LIMITED = {
    "name": "lab",
    "id": MADE.id,
    "sha256": digest_of(MADE.key),
    "also": [{"key": OLD.key, "expires": "2020-01-31"}],
    "max_tier": "1k",
    "max_quality": "low",
    "max_n": 2,
}
MEMORY: dict[str, Any] = {
    "state": {"url": "memory://"},
    "keys": [{"name": "studio", "key": KEY}, LIMITED],
}


async def test_wrong_keys_are_held_up_and_strong_ones_pass(tmp_path: Path) -> None:
    async with behaving(tmp_path, **MEMORY) as stand:
        async with stand.client(api_key="a-wrong-word") as wrong:
            for _ in range(30):
                with pytest.raises(openai.AuthenticationError):
                    await wrong.models.list()
            with pytest.raises(openai.RateLimitError) as caught:
                await wrong.models.list()
        assert 1 <= int(caught.value.response.headers["retry-after"]) <= 2
        async with stand.client() as weak:
            with pytest.raises(openai.RateLimitError):
                await weak.models.list()
        async with stand.client(api_key=MADE.key) as strong:
            await strong.models.list()
        faults = [one.key_fault for one in stand.requests]
        assert faults == ["unknown"] * 30 + ["not_compared"] * 2 + [None]


async def test_an_expired_key_is_refused_and_the_log_says_why(tmp_path: Path) -> None:
    async with behaving(tmp_path, **MEMORY) as stand, stand.client(api_key=OLD.key) as client:
        with pytest.raises(openai.AuthenticationError):
            await client.models.list()
        assert [(one.key_name, one.key_fault) for one in stand.requests] == [("lab", "expired")]


@pytest.mark.parametrize(
    ("asked", "param"),
    [({"size": "3840x2160"}, "size"), ({"quality": "high"}, "quality"), ({"n": 3}, "n")],
)
async def test_a_key_is_told_what_it_may_not(
    tmp_path: Path, asked: dict[str, Any], param: str
) -> None:
    async with behaving(tmp_path, **MEMORY) as stand, stand.client(api_key=MADE.key) as client:
        with pytest.raises(openai.BadRequestError) as caught:
            await client.images.generate(model="gpt-image-2", prompt="a lamp", **asked)
        assert caught.value.param == param
        assert stand.purchases == 0


async def test_without_a_quality_it_gets_the_highest_it_may(tmp_path: Path) -> None:
    async with behaving(tmp_path, **MEMORY) as stand, stand.client(api_key=MADE.key) as client:
        await client.images.generate(model="gpt-image-2", prompt="a lamp", size="1024x1024")
        assert [one.quality for one in stand.requests] == ["low"]


# What was taken comes back so slowly that the tests see nothing of it.
RATES = {
    "requests_per_minute": 1,
    "requests_burst": 4,
    "images_per_minute": 1,
    "images_burst": 8,
}
WISH: dict[str, Any] = {"model": "gpt-image-2", "prompt": "a lamp", "size": SMALL, "quality": "low"}


def with_limits(**changes: int) -> dict[str, Any]:
    """One key, with rates and a model besides the usual one that it may not use."""
    key = {"name": "studio", "key": KEY, "models": ["gpt-image-2"], "limits": {**RATES, **changes}}
    models = {"gpt-image-2": {"aliases": ["mine"]}, "other": {"aliases": ["theirs"]}}
    return {"state": {"url": "memory://"}, "models": models, "keys": [key]}


def left(headers: Mapping[str, str]) -> tuple[int, int]:
    """How many requests and pictures an answer says are left; each limit is told with it."""
    for what in ("requests", "images"):
        assert headers[f"x-ratelimit-limit-{what}"] == "1"
        assert headers[f"x-ratelimit-reset-{what}"]
    found = [headers[f"x-ratelimit-remaining-{what}"] for what in ("requests", "images")]
    return int(found[0]), int(found[1])


async def still_left(stand: Stand) -> tuple[int, int]:
    """As a request says that takes nothing."""
    async with stand.plain() as client:
        return left((await client.get("/v1/models")).headers)


async def test_a_model_that_is_not_a_keys_own_is_forbidden(tmp_path: Path) -> None:
    async with behaving(tmp_path, **with_limits()) as stand, stand.client() as client:
        for model in ("other", "theirs"):
            with pytest.raises(openai.PermissionDeniedError) as caught:
                await client.images.generate(**{**WISH, "model": model})
            assert (caught.value.param, caught.value.code) == ("model", "permission_denied")
            assert "'other'" in caught.value.message
        assert stand.purchases == 0


async def test_a_key_sees_its_own_models_alone(tmp_path: Path) -> None:
    async with behaving(tmp_path, **with_limits()) as stand, stand.client() as client:
        assert [model.id async for model in client.models.list()] == ["gpt-image-2", "mine"]
        assert (await client.models.retrieve("mine")).id == "mine"
        for model in ("other", "theirs"):
            with pytest.raises(openai.NotFoundError) as caught:
                await client.models.retrieve(model)
            assert caught.value.code == "model_not_found"


async def test_every_answer_says_what_is_left_and_pictures_take_from_both(tmp_path: Path) -> None:
    async with behaving(tmp_path, **with_limits()) as stand, stand.plain() as client:
        assert left((await client.get("/v1/models")).headers) == (4, 8)
        assert left((await client.get("/v1/models")).headers) == (4, 8)
        made = await client.post("/v1/images/generations", json={**WISH, "n": 3})
        assert (made.status_code, left(made.headers)) == (200, (3, 5))
        missing = await client.get("/v1/images/generations/job_unknown")
        assert (missing.status_code, left(missing.headers)) == (404, (3, 5))
        assert made.headers["x-ratelimit-reset-images"].startswith(("2m", "3m"))


async def test_who_has_no_key_is_told_of_no_limits(tmp_path: Path) -> None:
    async with behaving(tmp_path, **with_limits()) as stand:
        async with stand.plain(headers={"authorization": "Bearer wrong-word"}) as client:
            refused = await client.get("/v1/models")
        assert refused.status_code == 401
        assert not [name for name in refused.headers if name.startswith("x-ratelimit")]


@pytest.mark.parametrize(
    "wrong", [{"size": "tiny"}, {"n": "many"}, {"model": "other"}, {"prompt": ""}]
)
async def test_a_wrong_request_counts_as_a_request_and_as_no_picture(
    tmp_path: Path, wrong: dict[str, Any]
) -> None:
    async with behaving(tmp_path, **with_limits()) as stand, stand.plain() as client:
        refused = await client.post("/v1/images/generations", json={**WISH, **wrong})
        assert refused.status_code == (403 if "model" in wrong else 400)
        assert left(refused.headers) == (3, 8)
        assert await still_left(stand) == (3, 8)
        assert stand.purchases == 0


@pytest.mark.parametrize(
    ("changes", "over", "after"),
    [({"requests_burst": 1}, {}, (0, 7)), ({"images_burst": 2}, {"n": 2}, (3, 1))],
)
async def test_a_429_says_when_in_both_headers_and_counts_nothing(
    tmp_path: Path, changes: dict[str, int], over: dict[str, Any], after: tuple[int, int]
) -> None:
    async with behaving(tmp_path, **with_limits(**changes)) as stand, stand.client() as client:
        await client.images.generate(**WISH)
        assert await still_left(stand) == after
        for _ in range(3):
            with pytest.raises(openai.RateLimitError) as caught:
                await client.images.generate(**{**WISH, **over, "prompt": "another lamp"})
            headers = caught.value.response.headers
            milliseconds = int(headers["retry-after-ms"])
            assert caught.value.code == "rate_limit_exceeded"
            assert int(headers["retry-after"]) == -(-milliseconds // 1000)
            assert 0 < milliseconds <= 60_000
            assert left(headers) == after
        assert await still_left(stand) == after
        assert stand.purchases == 1


async def test_what_frees_much_later_is_a_429_that_is_not_to_be_tried_again(tmp_path: Path) -> None:
    async with behaving(tmp_path, **with_limits(images_per_day=2)) as stand:
        async with stand.client(max_retries=2) as client:
            with pytest.raises(openai.RateLimitError) as caught:
                await client.images.generate(**WISH, n=3)
        assert caught.value.code == "insufficient_quota"
        assert caught.value.response.headers["x-should-retry"] == "false"
        assert not {"retry-after", "retry-after-ms"} & set(caught.value.response.headers)
        assert [one.status for one in stand.requests] == [429]
        assert await still_left(stand) == (4, 8)
