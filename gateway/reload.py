"""A new configuration while the gateway runs: noticed, read, put in force or refused.

Owns: watching the files that were read, when to read them anew, which sections may change live, and
what is told of it. Must not know: signals, YAML, what is made of a section (``app.py`` does that).
Whatever may not change live stays as it was at the start, whatever the file says meanwhile, so that
no request is served by a mixture of two configurations.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from gateway.clock import Clock
from gateway.config.faults import ConfigFaults
from gateway.config.loader import Loaded
from gateway.config.sections import Config, Key
from gateway.config.shape import leaves, render
from gateway.notices import (
    ConfigRefused,
    ConfigReloaded,
    RestartNeeded,
)

LIVE = ("keys", "models", "requests")
"""Sections that may change while the gateway runs."""

_EVERY = 1.0  # seconds between two looks at the files
_ROUNDS = 3  # of reading, until the files named are those that were looked at before

Prints = Mapping[str, tuple[int, ...]]


def look(files: Iterable[str]) -> Prints:
    """What tells a file from what it was; links are followed, for whole folders may be swapped.

    The time of the inode's change is among it, so that a file made readable counts as changed.
    """
    return {file: _print(file) for file in files}


def _print(file: str) -> tuple[int, ...]:
    try:
        at = os.stat(file)  # noqa: PTH116 - five times as fast as a Path's
    except OSError as fault:
        return (fault.errno or 0,)
    except ValueError:  # no path at all
        return ()
    return (at.st_dev, at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns)


@dataclass(frozen=True, slots=True)
class _Fresh:
    """A configuration that may be put in force, and how it differs from what is."""

    config: Config
    in_force: Config
    told: ConfigReloaded

    @property
    def differs(self) -> bool:
        """Whether anything is to be said of it."""
        return bool(self.told.changed or self.told.pending)


class Reloader:
    """Keeps what is in force in step with the files; see ``run`` and ``ask``.

    ``load`` reads a configuration, in a thread; raises: ConfigFaults. ``apply`` puts one in force,
    at once. ``successful`` and ``succeeded_at`` (wall-clock seconds) tell of the last reading;
    the start's was the first.
    """

    def __init__(
        self,
        started: Loaded,
        load: Callable[[], Loaded],
        apply: Callable[[Config], None],
        clock: Clock,
        emit: Callable[[object], None],
    ) -> None:
        self.successful = True
        self.succeeded_at = clock.wall()
        self._load = load
        self._apply = apply
        self._clock = clock
        self._emit = emit
        self._start = self._now = started.config
        self._files = started.files
        # Nobody looked at them before the start read them: they are read once more, to be sure.
        self._prints: Prints | None = None
        self._pending: tuple[str, ...] = ()
        self._asked = asyncio.Event()
        self._busy = asyncio.Lock()

    def ask(self) -> None:
        """Read the configuration anew, changed or not, and tell what came of it."""
        self._asked.set()

    async def run(self) -> None:
        """Go on until cancelled."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._heed())
            both.create_task(self._watch())

    async def _heed(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()  # whoever asks from now on may mean a newer file
            async with self._busy:
                await self._reload("signal")

    async def _watch(self) -> None:
        """Read what has changed, once two looks in a row agree: it may be half written.

        Looks are taken in a thread: a stat takes microseconds, but on a network's disk that is
        gone it takes minutes, and everybody's requests would stand still with it.
        """
        before: Prints | None = None
        while True:
            await self._clock.sleep(_EVERY)
            async with self._busy:
                now = await asyncio.to_thread(look, self._files)
                if now != self._prints and now == before:
                    await self._reload("file")
                before = now

    async def _reload(self, cause: str) -> None:
        first = self._prints is None
        try:
            fresh = await asyncio.to_thread(self._read, cause)
            self._apply(fresh.in_force)
        except ConfigFaults as refused:
            self._refuse(cause, map(str, refused.faults))
        except Exception as error:  # noqa: BLE001 - whatever it is, the one before serves on
            self._refuse(cause, (), error)
        else:
            self._now = fresh.config
            self.successful, self.succeeded_at = True, self._clock.wall()
            if cause == "signal" or not first or fresh.differs:
                self._emit(fresh.told)
            self._remind(fresh.told.pending)

    def _refuse(
        self, cause: str, faults: Iterable[str], error: BaseException | None = None
    ) -> None:
        self.successful = False
        self._emit(ConfigRefused(cause=cause, faults=tuple(faults), error=error))

    def _remind(self, pending: tuple[str, ...]) -> None:
        """Tell what waits for a restart, once for as long as it is the same."""
        if pending and pending != self._pending:
            self._emit(RestartNeeded(settings=pending))
        self._pending = pending

    def _read(self, cause: str) -> _Fresh:
        """Read, and compare with what is in force. Runs in a thread. Raises: ConfigFaults.

        Prints are taken before the files are read: what changes while they are will be noticed. A
        file that was not looked at because it was not named yet is looked at, and all read again.
        """
        outcome: Loaded | ConfigFaults
        for _ in range(_ROUNDS):
            self._prints = look(self._files)
            try:
                outcome = self._load()
            except ConfigFaults as faults:
                outcome = faults
            if outcome.files == self._files:
                break
            self._files = outcome.files
        if isinstance(outcome, ConfigFaults):
            raise outcome
        config = outcome.config
        in_force = self._start.model_copy(update={name: getattr(config, name) for name in LIVE})
        return _Fresh(config, in_force, self._compared(cause, config))

    def _compared(self, cause: str, config: Config) -> ConfigReloaded:
        before, after = _by_name(self._now.keys), _by_name(config.keys)
        both = [name for name in after if name in before]
        return ConfigReloaded(
            cause=cause,
            changed=tuple(name for name in LIVE if _differ(name, self._now, config)),
            keys_added=tuple(name for name in after if name not in before),
            keys_removed=tuple(name for name in before if name not in after),
            keys_changed=tuple(name for name in both if before[name] != after[name]),
            pending=tuple(_pending(self._start, config)),
        )

    def __repr__(self) -> str:
        state = "in step" if self.successful else "refused"
        return f"<Reloader {state} files={len(self._files)}>"


def _by_name(keys: Iterable[Key]) -> dict[str, Key]:
    return {key.name: key for key in keys}


def _differ(section: str, one: Config, other: Config) -> bool:
    return bool(getattr(one, section) != getattr(other, section))


def _pending(start: Config, now: Config) -> Iterator[str]:
    """Settings that differ from the start's and cannot be changed live."""
    before, after = _fixed(start), _fixed(now)
    for path in dict.fromkeys([*before, *after]):
        if path not in before or path not in after or before[path] != after[path]:
            yield path


def _fixed(config: Config) -> dict[str, object]:
    return {render(leaf.path): leaf.value for leaf in leaves(config) if leaf.path[0] not in LIVE}
