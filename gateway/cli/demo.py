"""``demo``: gateway and simulated vendor in one process, a picture, and how to make the next.

Owns: the demonstration's configuration, its parts, and what it prints around the picture. Must not
know: how anything works, or how the picture is asked for (``drawing.py``).
"""

import asyncio
import secrets
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import click

from gateway.app import Gateway
from gateway.cli import machine
from gateway.cli.drawing import Wanted, Watcher, picture
from gateway.cli.options import exit_unfit
from gateway.cli.snippets import PROMPT, snippets
from gateway.clock import Clock, SystemClock
from gateway.config.sections import Config, Images, ServerBounds
from gateway.config.simulated import Simulator as SimulatorSection
from gateway.server.listener import Listener, run_until_signal
from gateway.server.sockets import ListenError
from gateway.simulator.app import Simulator

_GRACE = 1.0


@click.command()
@click.option("--once", is_flag=True, help="End after the picture.")
@click.option(
    "--port",
    default=8080,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port of the gateway; if it is taken, the system chooses one.",
)
@click.option(
    "--speed",
    default=10.0,
    show_default=True,
    type=click.FloatRange(0.1, 1000),
    help="How many times faster than the real vendor.",
)
@click.option("--prompt", default=PROMPT, show_default=True, help="What to draw.")
@click.option("--size", default="1024x1024", show_default=True, help="Any size clients may ask.")
@click.option(
    "--folder",
    default="data/demo",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where pictures are put.",
)
def command(*, once: bool, port: int, speed: float, prompt: str, size: str, folder: Path) -> None:
    """Run gateway and simulated vendor together and make a picture.

    Nothing is paid and nothing leaves this machine. Exits with 1 if there was no picture.
    """
    key = f"sk-igw-demo-{secrets.token_hex(8)}"
    wanted = Wanted(prompt, size, key, folder.absolute())
    found = machine.folder(Images(folder=_shelf(wanted)))
    exit_unfit(replace(found, advice="Choose another with --folder."))
    sys.exit(asyncio.run(_run(wanted, port, speed, once=once)))


async def _run(wanted: Wanted, port: int, speed: float, *, once: bool) -> int:
    clock = SystemClock()
    simulator = Simulator(SimulatorSection(speed=speed), clock)
    vendor = _listener(simulator.app, 0, clock)
    gateway = None
    try:
        await vendor.start()
        watcher = Watcher()
        gateway = Gateway(_config(wanted, vendor.url, speed), clock, watcher)
        await gateway.start()
        clients = await _started(gateway, port, clock)

        async def show() -> bool:
            click.echo(f"gateway           {clients.url}/v1   key {wanted.key}")
            click.echo(f"simulated vendor  {vendor.url}   (bought so far: /control/purchases)")
            return await picture(wanted, clients.url, watcher, clock)

        invitation = None if once else _invitation(clients.url, wanted.key)
        return await _until_signal([clients, vendor], show, invitation)
    except ListenError as error:
        click.echo(str(error), err=True)
        return 1
    finally:
        await vendor.stop(0)
        if gateway is not None:
            await gateway.stop()
        simulator.close()


async def _until_signal(
    listeners: list[Listener], show: Callable[[], Awaitable[bool]], invitation: str | None
) -> int:
    """Show the picture; where there is an invitation, print it then and go on serving."""

    async def stop() -> None:
        showing.cancel()

    # In this order, so that a signal is heeded from the first line on.
    serving = asyncio.create_task(run_until_signal(listeners, grace=_GRACE, on_stop=stop))
    showing = asyncio.ensure_future(show())
    await asyncio.wait({showing})
    if showing.cancelled():
        click.echo("stopped before there was a picture", err=True)
        await serving
        return 1
    if showing.result() and invitation is not None:
        click.echo(invitation)
        await serving
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    return 0 if showing.result() else 1


def _invitation(url: str, key: str) -> str:
    texts = (f"--- {language} ---\n{text}" for language, text in snippets(url, key).items())
    return "\n" + "\n".join([*texts, "Serving until Ctrl-C."])


def _config(wanted: Wanted, vendor: str, speed: float) -> Config:
    return Config.model_validate(
        {
            "upstream": {
                "base_url": vendor,
                "api_key": "simulated",
                "polling": {"scale": min(10.0, 1 / speed)},
            },
            "keys": [{"name": "demo", "key": wanted.key}],
            "images": {"folder": _shelf(wanted)},
            "state": {"url": "memory://"},  # the simulated vendor forgets everything too
        }
    )


def _shelf(wanted: Wanted) -> str:
    """Where the gateway keeps its own pictures."""
    return str(wanted.folder / "shelf")


def _listener(app: object, port: int, clock: Clock) -> Listener:
    return Listener(app, host="127.0.0.1", port=port, bounds=ServerBounds(), clock=clock)  # type: ignore[arg-type]


async def _started(gateway: Gateway, port: int, clock: Clock) -> Listener:
    """The gateway's listener, on another port if the wanted one is taken."""
    listener = _listener(gateway.clients, port, clock)
    try:
        await listener.start()
    except ListenError:
        listener = _listener(gateway.clients, 0, clock)
        await listener.start()
        click.echo(f"port {port} is taken, using {listener.port}")
    return listener
