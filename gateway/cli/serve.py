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
from gateway.cli.hindrances import StartFailed, hindrance
from gateway.cli.inherited import Inherited, armed_or_exit, taken_over
from gateway.cli.machine import folder, ledger
from gateway.cli.options import EXIT_FAILED, config_option, loaded_or_exit
from gateway.clock import Clock, SystemClock
from gateway.config.loader import Loaded, load
from gateway.config.sections import Config, Ops, Server
from gateway.errors import GatewayError
from gateway.openai import callbacks
from gateway.ops.logs import Logs, configure
from gateway.overview import Surroundings
from gateway.reload import Reloader
from gateway.server.framing import Application
from gateway.server.listener import Listener, run_until_signal
from gateway.server.signals import before_any, endings, ends_well, heard, ignored
from gateway.server.sockets import ListenError
from gateway.state.base import LedgerFault

GRACE = 10.0
LISTENERS = ("clients", "operators")


@dataclass(frozen=True, slots=True, kw_only=True)
class Starting:
    """The process begins with this configuration; keys are told by name.

    ``webhooks`` is the address to be registered at the vendor, where its webhooks are taken.
    It has started when all its listeners accept, each of which then says so.
    """

    version: str
    python: str
    vendor: str
    models: tuple[str, ...]
    keys: tuple[str, ...]
    folder: str
    webhooks: str | None = None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class StartCalledOff:
    """The process ends well before it served anybody: a signal came while it started."""

    version: str


@click.command()
@config_option
def command(path: str | None) -> None:
    """Run the gateway until SIGTERM or SIGINT.

    Logs to standard output. SIGHUP reads the configuration anew. Exits with 0 after SIGTERM or
    SIGINT, with 1 if it cannot listen, keep pictures or use its ledger, with 2 if the
    configuration cannot be used.
    """
    ends_well()
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
    with contextlib.ExitStack() as hearing:
        signals = hearing.enter_context(endings())
        config = loaded.config
        gateway = Gateway(config, clock, logs.emit)
        emit = gateway.watchers
        reloader = Reloader(loaded, _reading(path, logs), gateway.reload, clock, emit)
        life = _Life(gateway, _listeners(config, gateway, clock, given), config.drain.delay, clock)
        gateway.overview.around = _surroundings(life.listeners, reloader, logs)
        emit(_starting(config))
        if armed:
            emit(FailpointsArmed(script=armed))
        try:
            await life.run(reloader, signals)
        except (OSError, GatewayError, LedgerFault) as fault:
            if life.started:
                raise
            return hindrance(fault, config)
        finally:
            if life.started:
                hearing.close()
            await gateway.stop()
            life.tell_end()
    return None


class _Life:
    """A gateway from its start until a signal, and what the log is told of that."""

    def __init__(
        self, gateway: Gateway, listeners: Sequence[Listener], delay: float, clock: Clock
    ) -> None:
        self.listeners = listeners
        self.started = False
        self._called_off = False
        self._gateway = gateway
        self._emit = gateway.watchers
        self._delay = delay
        self._clock = clock
        self._begun = clock.monotonic()

    async def run(self, reloader: Reloader, signals: asyncio.Queue[None]) -> None:
        """Start, and serve until a signal; one that comes meanwhile breaks the start off.

        Raises: OSError, GatewayError, LedgerFault where it cannot start.
        """
        gateway = self._gateway
        if not await before_any(signals, gateway.start()):
            self._called_off = True
            self._emit(Stopping(jobs=len(gateway.board.jobs()), delay=0.0))
            return
        # What start-up made is no garbage: to look through it again and again would stop the loop.
        gc.collect()
        gc.freeze()
        async with _reloading(reloader):
            await run_until_signal(
                self.listeners,
                grace=GRACE,
                on_start=self._announce_start,
                on_signal=self._announce_stop,
                on_stop=gateway.drain,
                asked=gateway.drain_asked,
                signals=signals,
            )

    def _announce_start(self) -> None:
        self.started = True
        for name, told in zip(LISTENERS, self.listeners, strict=True):
            self._emit(
                Listening(listener=name, url=told.url, host=told.host, inherited=told.inherited)
            )

    async def _announce_stop(self) -> None:
        self._gateway.announce_drain()
        self._emit(Stopping(jobs=len(self._gateway.board.jobs()), delay=self._delay))
        await self._clock.sleep(self._delay)

    def tell_end(self) -> None:
        """The log's last line, unless the start failed."""
        if self.started:
            uptime = self._clock.monotonic() - self._begun
            self._emit(Stopped(version=__version__, uptime=uptime))
        elif self._called_off:
            self._emit(StartCalledOff(version=__version__))


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


def _listeners(config: Config, gateway: Gateway, clock: Clock, given: Inherited) -> list[Listener]:
    """The clients' and the operators', which starts first and stops last."""

    def listener(
        app: Application, place: Server | Ops, sockets: Sequence[socket.socket]
    ) -> Listener:
        return Listener(
            app,
            host=place.host,
            port=place.port,
            bounds=config.server.bounds,
            clock=clock,
            sockets=sockets,
        )

    return [
        listener(gateway.clients, config.server, given.clients),
        listener(gateway.operators, config.ops, given.operators),
    ]


def _surroundings(listeners: Sequence[Listener], reloader: Reloader, logs: Logs) -> Surroundings:
    return Surroundings(
        doors=dict(zip(LISTENERS, listeners, strict=True)),
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
        webhooks=callbacks.address(config.server, config.upstream),
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
    webhooks = [config.upstream.webhook_secret] if config.upstream.webhook_secret else []
    signing = [config.webhooks.secret, *(key.webhook_secret for key in config.keys)]
    words = [word for one in signing if one is not None for word in one.get_secret_value().split()]
    secrets = [config.upstream.api_key, *webhooks, *keys, *token]
    return [*(secret.get_secret_value() for secret in secrets), *words]
