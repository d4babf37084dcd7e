"""``serve`` is told of a new configuration, as operators do it: by a signal, or by writing it."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import KEY
from tests.cli.processes import running
from tests.cli.served import Served, get, serving

OTHER = "plain-words-and-no-prefix"  # nothing about it looks like a key


def with_key(config: Path, name: str = "second", key: str = OTHER) -> str:
    """The configuration with one more key."""
    first = f"  - {{name: studio, key: {KEY}}}\n"
    return config.read_text().replace(first, f"{first}  - {{name: {name}, key: {key}}}\n")


async def told(served: Served, event: str) -> dict[str, Any]:
    line = await asyncio.to_thread(served.process.until, f'"{event}"')
    said: dict[str, Any] = json.loads(line)
    return said


async def status(served: Served, key: str = KEY) -> int:
    return (await asyncio.to_thread(get, f"{served.url}/v1/models", key))[0]


async def ended_well(served: Served) -> bool:
    code = await asyncio.to_thread(served.process.end, signal.SIGTERM)
    return (code, served.process.err) == (0, "")


async def test_a_key_that_is_added_works_after_a_signal(config: Path) -> None:
    with serving(config) as served:
        assert await status(served, OTHER) == 401
        config.write_text(with_key(config))
        served.process.send(signal.SIGHUP)
        reloaded = await told(served, "config_reloaded")
        assert (reloaded["level"], reloaded["cause"]) == ("info", "signal")
        assert (reloaded["changed"], reloaded["keys_added"]) == (["keys"], ["second"])
        assert await status(served, OTHER) == 200
        assert await ended_well(served)
        assert OTHER not in "".join(served.process.out)


async def test_a_key_that_is_added_works_once_the_file_is_written(config: Path) -> None:
    with serving(config) as served:
        new = config.with_suffix(".new")
        new.write_text(with_key(config))
        new.rename(config)
        reloaded = await told(served, "config_reloaded")
        assert (reloaded["cause"], reloaded["keys_added"]) == ("file", ["second"])
        assert await status(served, OTHER) == 200
        assert await ended_well(served)


async def test_a_new_secret_is_hidden_from_the_log_before_it_is_used(config: Path) -> None:
    with serving(config) as served:
        # Whoever calls a key by its own secret finds it hidden all the same.
        config.write_text(with_key(config, name=OTHER))
        served.process.send(signal.SIGHUP)
        assert (await told(served, "config_reloaded"))["keys_added"] == ["***"]
        assert await status(served, OTHER) == 200
        assert await ended_well(served)
        assert OTHER not in "".join(served.process.out)


async def test_a_broken_file_leaves_the_old_one_in_force_and_the_gateway_ready(
    config: Path,
) -> None:
    with serving(config) as served:
        config.write_text(with_key(config) + "log: {lewel: debug}\nqueue: {time: never}\n")
        served.process.send(signal.SIGHUP)
        refused = await told(served, "config_refused")
        assert refused["level"] == "error"
        lewel, never = refused["faults"]
        assert lewel.endswith("log.lewel: unknown name; did you mean level?")
        assert "queue.time: must be a number with a unit" in never
        assert [await status(served), await status(served, OTHER)] == [200, 401]
        assert (await asyncio.to_thread(served.probe, "/readyz"))[0] == 200
        assert await ended_well(served)


async def test_what_needs_a_restart_is_a_warning(config: Path) -> None:
    with serving(config) as served:
        config.write_text(config.read_text() + "drain: {delay: 7s}\n")
        served.process.send(signal.SIGHUP)
        needed = await told(served, "restart_needed")
        assert (needed["level"], needed["settings"]) == ("warning", ["drain.delay"])
        assert await ended_well(served)


async def test_a_signal_without_a_file_reads_the_environment(config: Path, vendor: Any) -> None:
    secret = config.with_name("secret")
    secret.write_text(KEY)
    settings = {
        "GATEWAY__SERVER__PORT": "0",
        "GATEWAY__OPS__PORT": "0",
        "GATEWAY__UPSTREAM__BASE_URL": vendor[1],
        "GATEWAY__UPSTREAM__API_KEY": "simulated",
        "GATEWAY__KEYS__0__NAME": "studio",
        "GATEWAY__KEYS__0__KEY_FILE": str(secret),
    }
    with running(config.parent, "serve", **settings) as process:
        served = Served(process)
        secret.write_text(OTHER)
        process.send(signal.SIGHUP)
        assert (await told(served, "config_reloaded"))["keys_changed"] == ["studio"]
        assert [await status(served), await status(served, OTHER)] == [401, 200]
        assert await ended_well(served)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_at_the_start_or_during_the_drain_ends_nothing(
    config: Path, stop: signal.Signals
) -> None:
    config.write_text(config.read_text() + "drain: {delay: 1s}\n")
    with running(config.parent, "serve", "--config", config.name) as process:
        process.until('"starting"')
        process.send(signal.SIGHUP)
        served = Served(process)
        assert await status(served) == 200
        process.send(stop)
        process.until('"stopping"')
        process.send(signal.SIGHUP)
        await told(served, "config_reloaded")
        assert await asyncio.to_thread(process.end) == 0
        assert process.err == ""
