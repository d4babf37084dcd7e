"""``serve``: run the gateway until it is told to stop.

Owns: the command; which listeners there are and in which order they stop; what the log says of the
process's own life. Must not know: how anything works (``app.py`` builds, ``server`` listens).
"""

import asyncio
import contextlib
import gc
import platform
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import click

from gateway import __version__
from gateway.app import Gateway
from gateway.cli.inherited import Inherited, armed_or_exit, taken_over
from gateway.cli.machine import folder, ledger
from gateway.cli.options import EXIT_FAILED, config_option, loaded_or_exit
from gateway.clock import Clock, SystemClock
from gateway.config.loader import Loaded, load
from gateway.config.sections import Config, Ops, Server, ServerBounds
from gateway.facts import Emit
from gateway.ops.logs import Logs, configure
from gateway.overview import Surroundings
from gateway.reload import Reloader
from gateway.server.framing import Application
from gateway.server.listener import Listener, run_until_signal
from gateway.server.signals import heard, ignored
from gateway.server.sockets import ListenError
from gateway.state.base import LedgerFault

GRACE = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Starting:
    """The process begins with this configuration; keys are told by name.

    It has started when its listeners accept, each of which says so.
    """

    version: str
    python: str
    vendor: str
    models: tuple[str, ...]
    keys: tuple[str, ...]
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartFailed:
    """The process ends before it served anybody: why, and what may be done about it."""

    level: ClassVar[str] = "error"

    reason: str
    advice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailpointsArmed:
    """This process will stumble on purpose: it serves a proof, and nobody else."""

    level: ClassVar[str] = "warning"

    script: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """A listener accepts; ``url`` is how this machine reaches it, ``host`` what it is bound to.

    ``inherited``: whoever started the process had opened its socket, and goes on holding it.
    """

    listener: str
    url: str
    host: str
    inherited: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    """A signal came, or an operator asked; for ``delay`` seconds more ``jobs`` may be added."""

    jobs: int
    delay: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """The process, which had started, is about to end; ``uptime`` in seconds."""

    version: str
    uptime: float


@click.command()
@config_option
def command(path: str | None) -> None:
    """Run the gateway until SIGTERM or SIGINT.

    Logs to standard output. SIGHUP reads the configuration anew. Exits with 0 after SIGTERM or
    SIGINT, with 1 if it cannot listen, keep pictures or write its ledger, with 2 if the
    configuration cannot be used.
    """
    ignored(signal.SIGHUP)  # until the loop hears it; else one that comes early would be the end
    loaded = loaded_or_exit(path)
    armed = armed_or_exit()
    given = _given(loaded.config)
    # Not before: the log takes a descriptor too, and those that are given have fixed numbers.
    clock = SystemClock()
    logs = configure(loaded.config.log, sys.stdout, clock=clock, secrets=_secrets(loaded.config))
    try:
        failed = (
            given
            if isinstance(given, StartFailed)
            else asyncio.run(_serve(path, loaded, given, armed, logs, clock))
        )
        if failed is not None:
            logs.emit(failed)
    finally:
        logs.close()
    if failed is not None:
        click.echo(f"{failed.reason}\n{failed.advice}".rstrip(), err=True)
        sys.exit(EXIT_FAILED)


def _given(config: Config) -> Inherited | StartFailed:
    """What was handed over; or what forbids to start, found before anything is opened or made."""
    try:
        given = taken_over(config.ops)
    except (ValueError, ListenError) as fault:
        return StartFailed(reason=str(fault))
    for found in (folder(config.images), ledger(config.state)):
        if found.grade == "fail":
            return StartFailed(reason=f"{found.subject}: {found.message}", advice=found.advice)
    return given


async def _serve(
    path: str | None, loaded: Loaded, given: Inherited, armed: str, logs: Logs, clock: Clock
) -> StartFailed | None:
    """Serve until a signal; or say why that cannot be."""
    config = loaded.config
    gateway = Gateway(config, clock, logs.emit)
    emit = gateway.watchers
    reloader = Reloader(loaded, _reading(path, logs), gateway.reload, clock, emit)

    async def announce() -> None:
        gateway.announce_drain()
        emit(Stopping(jobs=len(gateway.board.jobs()), delay=config.drain.delay))
        await clock.sleep(config.drain.delay)

    begun = clock.monotonic()
    listeners = _listeners(config, gateway, clock, emit, given)
    gateway.overview.around = _surroundings(listeners, reloader, logs)
    emit(_starting(config))
    if armed:
        emit(FailpointsArmed(script=armed))
    failed: StartFailed | None = None
    try:
        await gateway.start()
        # What start-up made is no garbage: to look through it again and again would stop the loop.
        gc.collect()
        gc.freeze()
        async with _reloading(reloader):
            await run_until_signal(
                listeners,
                grace=GRACE,
                on_signal=announce,
                on_stop=gateway.drain,
                asked=gateway.drain_asked,
            )
    except ListenError as error:
        failed = StartFailed(reason=str(error))
    except LedgerFault as fault:
        failed = StartFailed(reason=f"ledger: {fault.message}", advice=fault.advice)
    finally:
        await gateway.stop()
        if failed is None:
            emit(Stopped(version=__version__, uptime=clock.monotonic() - begun))
    return failed


def _reading(path: str | None, logs: Logs) -> Callable[[], Loaded]:
    """Read the configuration as at the start; what is secret in it is so before it is used."""

    def read() -> Loaded:
        loaded = load(path)
        logs.conceal(_secrets(loaded.config))
        return loaded

    return read


@contextlib.asynccontextmanager
async def _reloading(reloader: Reloader) -> AsyncIterator[None]:
    """Watch the configuration within the block, and read it at every SIGHUP."""
    with heard(signal.SIGHUP, reloader.ask):
        running = asyncio.create_task(reloader.run(), name="reload")
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


class _Told(Listener):
    """Tells its address once it listens; the port may have been the system's choice."""

    def __init__(
        self,
        app: Application,
        place: Server | Ops,
        bounds: ServerBounds,
        clock: Clock,
        sockets: Sequence[socket.socket],
        tell: Callable[[Listener], None],
    ) -> None:
        super().__init__(
            app, host=place.host, port=place.port, bounds=bounds, clock=clock, sockets=sockets
        )
        self._tell = tell

    async def start(self) -> None:
        """Listen, then tell."""
        await super().start()
        self._tell(self)


def _listeners(
    config: Config, gateway: Gateway, clock: Clock, emit: Emit, given: Inherited
) -> list[Listener]:
    """The clients' and the operators', which stops last."""

    def listener(
        name: str, app: Application, place: Server | Ops, sockets: Sequence[socket.socket]
    ) -> Listener:
        def tell(told: Listener) -> None:
            emit(Listening(listener=name, url=told.url, host=told.host, inherited=told.inherited))

        return _Told(app, place, config.server.bounds, clock, sockets, tell)

    return [
        listener("clients", gateway.clients, config.server, given.clients),
        listener("operators", gateway.operators, config.ops, given.operators),
    ]


def _surroundings(listeners: Sequence[Listener], reloader: Reloader, logs: Logs) -> Surroundings:
    clients, operators = listeners
    return Surroundings(
        doors={"clients": clients, "operators": operators},
        config=lambda: (reloader.successful, reloader.succeeded_at),
        log_dropped=lambda: logs.dropped,
        log_suppressed=lambda: int(getattr(logs, "suppressed", 0)),
    )


def _starting(config: Config) -> Starting:
    return Starting(
        version=__version__,
        python=platform.python_version(),
        vendor=config.upstream.base_url,
        models=tuple(config.models),
        keys=tuple(key.name for key in config.keys),
        folder=config.images.folder,
    )


def _secrets(config: Config) -> list[str]:
    """What must never be shown."""
    token = [config.ops.token] if config.ops.token else []
    keys = [
        one
        for key in config.keys
        for one in (key.key, *(other.key for other in key.also))
        if one is not None
    ]
    secrets = [config.upstream.api_key, *keys, *token]
    return [secret.get_secret_value() for secret in secrets]
