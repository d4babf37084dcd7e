"""What becomes of a configuration that changes while the gateway runs."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from gateway.config.faults import ConfigFaults
from gateway.config.loader import Loaded, load
from gateway.config.sections import Config
from gateway.notices import (
    ConfigRefused,
    ConfigReloaded,
    RestartNeeded,
)
from gateway.reload import Reloader, look
from tests.clocks import AtOnce, FakeClock

ONE = "upstream: {api_key: vendor-key}\nkeys:\n  - {name: one, key: sk-igw-one}\n"
TWO = ONE + "  - {name: two, key: sk-igw-two}\n"
BROKEN = "keys: [\n"
LOOKS = 3.0  # seconds in which a change is noticed and found to have ended


class House:
    """A file, who watches it, and what became of it."""

    def __init__(self, path: Path, meanwhile: str | None = None) -> None:
        self.path = path
        self.clock = FakeClock()
        self.facts: list[object] = []
        self.applied: list[Config] = []
        self.loads = 0
        self.crash: Exception | None = None
        started = load(str(path), {})
        if meanwhile is not None:
            path.write_text(meanwhile)
        self.reloader = Reloader(started, self._load, self._apply, self.clock, self.facts.append)

    def _load(self) -> Loaded:
        self.loads += 1
        return load(str(self.path), {})

    def _apply(self, config: Config) -> None:
        if self.crash is not None:
            raise self.crash
        self.applied.append(config)

    def told(self) -> list[object]:
        """What was told since the last time."""
        said, self.facts[:] = list(self.facts), []
        return said

    async def passes(self, seconds: float = LOOKS) -> list[object]:
        await self.clock.advance(seconds)
        return self.told()

    async def signal(self) -> list[object]:
        self.reloader.ask()
        return await self.passes(0)

    @property
    def names(self) -> list[str]:
        """The keys in force."""
        return [key.name for key in self.applied[-1].keys]


@contextlib.asynccontextmanager
async def running(path: Path, meanwhile: str | None = None) -> AsyncIterator[House]:
    """``meanwhile`` is what the file becomes after the start has read it."""
    asyncio.get_running_loop().set_default_executor(AtOnce())
    house = House(path, meanwhile)
    task = asyncio.create_task(house.reloader.run())
    yield house
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A house that has been watching for a while."""
    path = tmp_path / "config.yaml"
    path.write_text(ONE)
    async with running(path) as one:
        await one.passes()
        yield one


def reloaded(cause: str, *changed: str, **more: tuple[str, ...]) -> ConfigReloaded:
    names = ("keys_added", "keys_removed", "keys_changed", "pending")
    rest = {name: more.get(name, ()) for name in names}
    return ConfigReloaded(cause=cause, changed=changed, **rest)


async def test_while_nothing_changes_nothing_is_read_or_told(house: House) -> None:
    before = house.loads
    assert await house.passes(60) == []
    assert house.loads == before
    assert house.facts == []


async def test_a_changed_file_is_in_force_once_it_is_still(house: House) -> None:
    house.path.write_text(TWO)
    assert await house.passes(1) == []  # seen, perhaps half written
    assert await house.passes(1) == [reloaded("file", "keys", keys_added=("two",))]
    assert house.names == ["one", "two"]


async def test_a_file_that_is_still_being_written_is_not_read(house: House) -> None:
    before = house.loads
    for count in range(5):
        house.path.write_text(ONE + "#" * count + BROKEN)
        assert await house.passes(1) == []
    assert house.loads == before
    house.path.write_text(TWO)
    assert await house.passes() == [reloaded("file", "keys", keys_added=("two",))]


async def test_a_signal_reads_at_once_and_is_always_answered(house: House) -> None:
    assert await house.signal() == [reloaded("signal")]
    house.path.write_text(TWO)
    assert await house.signal() == [reloaded("signal", "keys", keys_added=("two",))]
    assert house.names == ["one", "two"]
    assert await house.passes() == []  # the watcher has nothing to add


async def test_a_signal_during_a_reading_is_followed_by_another_reading(house: House) -> None:
    house.reloader.ask()
    house.reloader.ask()
    assert await house.passes(0) == [reloaded("signal")]  # nobody had begun: one reading for both
    inner = house._load

    def load_and_be_asked() -> Loaded:
        house.reloader._load = inner
        house.reloader.ask()
        return inner()

    house.reloader._load = load_and_be_asked
    assert await house.signal() == [reloaded("signal")] * 2


async def test_a_broken_file_changes_nothing_and_every_fault_is_told(house: House) -> None:
    house.path.write_text(ONE + "server: {port: many}\nrequests: {sises: exact}\n")
    (refused,) = await house.passes()
    assert isinstance(refused, ConfigRefused)
    assert refused.level == "error"
    assert refused.faults == (
        f"{house.path}:4: server.port: must be a whole number",
        f"{house.path}:5: requests.sises: unknown name; did you mean sizes?",
    )
    assert house.applied[1:] == []
    assert not house.reloader.successful
    assert "refused" in repr(house.reloader)


async def test_a_broken_file_is_told_once_by_the_watcher_and_at_every_signal(house: House) -> None:
    house.path.write_text(BROKEN)
    assert [type(fact) for fact in await house.passes(60)] == [ConfigRefused]
    for _ in range(2):
        (refused,) = await house.signal()
        assert isinstance(refused, ConfigRefused)
        assert refused.cause == "signal"
    assert await house.passes(60) == []
    house.path.write_text(BROKEN + "\n")  # another try, as bad
    assert [type(fact) for fact in await house.passes(60)] == [ConfigRefused]


async def test_what_was_in_force_is_told_again_once_the_file_is_mended(house: House) -> None:
    failed_at = house.clock.wall()
    house.path.write_text(BROKEN)
    await house.passes()
    assert house.reloader.succeeded_at < failed_at
    house.path.write_text(ONE)
    assert await house.passes() == [reloaded("file")]
    assert house.reloader.successful
    assert house.reloader.succeeded_at > failed_at


async def test_a_fault_of_ours_is_told_and_the_watch_goes_on(house: House) -> None:
    house.crash = RuntimeError("no way to put it in force")
    house.path.write_text(TWO)
    assert await house.passes(60) == [ConfigRefused(cause="file", faults=(), error=house.crash)]
    assert not house.reloader.successful
    house.crash = None
    house.path.write_text(TWO + "#")
    assert await house.passes() == [reloaded("file", "keys", keys_added=("two",))]


async def test_a_file_put_in_place_by_a_rename_is_noticed(house: House) -> None:
    new = house.path.with_suffix(".new")
    new.write_text(ONE.replace("one", "ten"))  # of the same size
    at = house.path.stat()
    os.utime(new, ns=(at.st_atime_ns, at.st_mtime_ns))  # and as old
    new.rename(house.path)
    (fact,) = await house.passes()
    assert fact == reloaded("file", "keys", keys_added=("ten",), keys_removed=("one",))


async def test_a_folder_swapped_behind_a_link_is_noticed(tmp_path: Path) -> None:
    """As Kubernetes does with a ConfigMap: the file is a link into a folder that is a link."""
    for name, text in (("..1", ONE), ("..2", TWO)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(text)
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "config.yaml").symlink_to("..data/config.yaml")
    async with running(tmp_path / "config.yaml") as house:
        await house.passes()
        (tmp_path / "..data_tmp").symlink_to("..2")
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")
        assert await house.passes() == [reloaded("file", "keys", keys_added=("two",))]


async def test_a_file_that_is_away_is_refused_and_read_when_it_is_back(house: House) -> None:
    house.path.unlink()
    (refused,) = await house.passes(60)
    assert isinstance(refused, ConfigRefused)
    assert refused.faults == (f"{house.path}: cannot be read: No such file or directory",)
    house.path.write_text(TWO)
    assert await house.passes() == [reloaded("file", "keys", keys_added=("two",))]


async def test_a_secret_in_a_file_of_its_own_is_watched(house: House) -> None:
    secret = house.path.with_name("secret")
    secret.write_text("sk-igw-two")
    house.path.write_text(ONE + f"  - {{name: two, key_file: {secret}}}\n")
    await house.passes()
    assert house.names == ["one", "two"]
    secret.write_text("sk-igw-two-rotated")
    assert await house.passes() == [reloaded("file", "keys", keys_changed=("two",))]
    assert house.applied[-1].keys[1].key == SecretStr("sk-igw-two-rotated")


async def test_a_secrets_file_that_comes_later_is_waited_for(house: House) -> None:
    secret = house.path.with_name("secret")
    house.path.write_text(ONE + f"  - {{name: two, key_file: {secret}}}\n")
    (refused,) = await house.passes(60)
    assert isinstance(refused, ConfigRefused)
    assert "cannot be read" in refused.faults[0]
    secret.write_text("sk-igw-two")
    assert await house.passes() == [reloaded("file", "keys", keys_added=("two",))]


async def test_a_change_between_the_start_and_the_first_look_is_not_missed(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(ONE)
    async with running(path, TWO) as house:
        assert await house.passes() == [reloaded("file", "keys", keys_added=("two",))]


async def test_a_change_during_the_reading_is_read_too(house: House) -> None:
    inner = house._load

    def load_and_change() -> Loaded:
        house.reloader._load = inner
        loaded = inner()
        house.path.write_text(TWO)
        return loaded

    house.path.write_text(ONE + "#")
    house.reloader._load = load_and_change
    assert await house.passes(2) == [reloaded("file")]
    assert await house.passes() == [reloaded("file", "keys", keys_added=("two",))]


async def test_what_may_change_is_put_in_force_and_the_rest_stays_as_it_was(house: House) -> None:
    house.path.write_text(
        ONE.replace("sk-igw-one", "sk-igw-new")
        + "models: {gpt-image-2: {aliases: [mine]}}\n"
        + "requests: {sizes: nearest}\n"
        + "server: {port: 9, compatibility: strict}\nimages: {fetch_from: [10.0.0.1]}\n"
    )
    waiting = ("server.port", "server.compatibility", "images.fetch_from")
    changed = ("keys", "models", "requests")
    assert await house.passes() == [
        reloaded("file", *changed, keys_changed=("one",), pending=waiting),
        RestartNeeded(settings=waiting),
    ]
    config = house.applied[-1]
    assert config.models["gpt-image-2"].aliases == ("mine",)
    assert config.requests.sizes == "nearest"
    assert (config.server.port, config.server.compatibility) == (8080, "lenient")


async def test_what_waits_for_a_restart_is_told_once_for_as_long_as_it_is_the_same(
    house: House,
) -> None:
    async def reminded(more: str) -> list[object]:
        house.path.write_text(ONE + more)
        return [fact for fact in await house.signal() if isinstance(fact, RestartNeeded)]

    assert await reminded("server: {port: 9}\n") == [RestartNeeded(settings=("server.port",))]
    assert await reminded("server: {port: 10}\n") == []
    assert await reminded("") == []
    assert await reminded("server: {port: 9}\n") == [RestartNeeded(settings=("server.port",))]
    both = ("server.port", "log.level")
    assert await reminded("server: {port: 9}\nlog: {level: debug}\n") == [
        RestartNeeded(settings=both)
    ]


async def test_without_a_file_a_signal_reads_the_environment_and_its_files(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("sk-igw-one")
    environ = {
        "GATEWAY__UPSTREAM__API_KEY": "vendor-key",
        "GATEWAY__KEYS__0__NAME": "one",
        "GATEWAY__KEYS__0__KEY_FILE": str(secret),
    }
    asyncio.get_running_loop().set_default_executor(AtOnce())
    facts: list[object] = []
    clock = FakeClock()

    def read() -> Loaded:
        return load(None, environ)

    reloader = Reloader(read(), read, lambda _: None, clock, facts.append)
    task = asyncio.create_task(reloader.run())
    reloader.ask()
    await clock.advance(0)
    secret.write_text("sk-igw-one-rotated")
    reloader.ask()
    await clock.advance(0)
    task.cancel()
    assert facts == [reloaded("signal"), reloaded("signal", "keys", keys_changed=("one",))]


def test_a_file_made_readable_counts_as_changed(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(ONE)
    path.chmod(0o000)
    before = look([str(path)])
    path.chmod(0o600)
    assert look([str(path)]) != before


def test_what_is_no_path_can_be_looked_at(tmp_path: Path) -> None:
    assert look(["no\0path", str(tmp_path / "gone"), str(tmp_path / "gone" / "further")])


def test_a_refused_configuration_says_which_files_it_is_made_from(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("upstream: {api_key_file: /gone}\nkeys: [{name: one, key_file: /away}]\n")
    with pytest.raises(ConfigFaults) as caught:
        load(str(path), {})
    assert caught.value.files == (str(path), "/gone", "/away")
    path.write_text(BROKEN)
    with pytest.raises(ConfigFaults) as caught:
        load(str(path), {})
    assert caught.value.files == (str(path),)
