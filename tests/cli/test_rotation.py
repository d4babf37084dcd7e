"""A key's whole life, as an operator leads it: made, pasted, used up, rotated, revoked."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.cli.processes import gateway
from tests.cli.served import Served, serving

# What was taken comes back so slowly that the test sees nothing of it.
LIMITS = ("requests_per_minute=1", "requests_burst=2")


def made(config: Path, *arguments: str) -> dict[str, str]:
    """What ``keys new`` prints."""
    done = gateway(config.parent, "keys", "new", "lab", "--json", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    printed: dict[str, str] = json.loads(done.stdout)
    return printed


async def in_force(served: Served, config: Path, old: str, new: str) -> dict[str, Any]:
    """Change the running gateway's file, and have it read; what its log says of it."""
    text = config.read_text()
    assert text.count(old) == 1
    config.write_text(text.replace(old, new))
    served.process.send(signal.SIGHUP)
    line = await asyncio.to_thread(served.process.until, '"config_reloaded"')
    said: dict[str, Any] = json.loads(line)
    return said


def client(served: Served, key: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key=key, max_retries=0)


async def draw(served: Served, key: str) -> int:
    """Ask for a picture; how many requests the key has left."""
    async with client(served, key) as user:
        answer = await user.images.with_raw_response.generate(
            model="gpt-image-2", prompt="a lamp", size="1024x768", quality="low"
        )
    return int(answer.headers["x-ratelimit-remaining-requests"])


async def knows(served: Served, key: str) -> bool:
    """Whether a key is good."""
    async with client(served, key) as user:
        try:
            await user.models.list()
        except openai.AuthenticationError:
            return False
    return True


def with_credential(entry: str, other: str) -> str:
    """An entry with the id and the digest that another has."""
    for name in ("id: ", "sha256: "):
        mine, others = (text.partition(name)[2].partition("\n")[0] for text in (entry, other))
        entry = entry.replace(name + mine, name + others)
    return entry


async def test_a_key_is_made_used_up_rotated_and_revoked_while_the_gateway_runs(
    config: Path,
) -> None:
    limits = [word for limit in LIMITS for word in ("--limit", limit)]
    first = await asyncio.to_thread(made, config, *limits)
    with serving(config) as served:
        assert not await knows(served, first["key"])
        said = await in_force(served, config, "\nimages:", f"\n{first['entry']}\nimages:")
        assert said["keys_added"] == ["lab"]
        assert [await draw(served, first["key"]) for _ in range(2)] == [1, 0]
        with pytest.raises(openai.RateLimitError) as caught:
            await draw(served, first["key"])
        assert "requests per minute: limit 1" in caught.value.message
        assert 0 < int(caught.value.response.headers["retry-after"]) <= 60

        second = await asyncio.to_thread(made, config, "--rotate")
        also = f"{first['entry']}\n    also:\n{second['entry']}"
        assert (await in_force(served, config, first["entry"], also))["keys_changed"] == ["lab"]
        assert [await knows(served, one["key"]) for one in (first, second)] == [True, True]
        with pytest.raises(openai.RateLimitError):  # it is the same key: it has the same limits
            await draw(served, second["key"])

        entry = with_credential(first["entry"], second["entry"])
        old = with_credential(second["entry"], first["entry"])
        swapped = f"{entry}\n    also:\n{old}\n        disabled: true"
        await in_force(served, config, also, swapped)
        assert [await knows(served, one["key"]) for one in (first, second)] == [False, True]
        await in_force(served, config, swapped, f"{entry}\n    disabled: true")
        assert not await knows(served, second["key"])

        assert await asyncio.to_thread(served.process.end, signal.SIGTERM) == 0
        faults = [line.get("key_fault") for line in served.told("request_ended")]
        assert [fault for fault in faults if fault] == ["unknown", "disabled", "disabled"]
        log = "".join(served.process.out)
        assert first["key"] not in log
        assert second["key"] not in log


async def test_of_two_credentials_one_is_revoked(config: Path) -> None:
    first = await asyncio.to_thread(made, config)
    second = await asyncio.to_thread(made, config, "--rotate")
    both = f"{first['entry']}\n    also:\n{second['entry']}"
    config.write_text(config.read_text().replace("\nimages:", f"\n{both}\nimages:"))
    with serving(config) as served:
        assert [await knows(served, one["key"]) for one in (first, second)] == [True, True]
        revoked = f"{second['entry']}\n        disabled: true"
        await in_force(served, config, second["entry"], revoked)
        assert [await knows(served, one["key"]) for one in (first, second)] == [True, False]
        assert await asyncio.to_thread(served.process.end, signal.SIGTERM) == 0
