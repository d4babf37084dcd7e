"""Keys as clients meet them: the real SDK against a real gateway."""

from pathlib import Path
from typing import Any

import openai
import pytest

from gateway.config.credentials import digest_of, new_key
from tests.e2e.stand import KEY, behaving

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
