"""``simulate``: the simulated vendor alone, until a signal ends it.

Owns: the options, and the lines that say where it listens. Must not know: how it answers.
"""

import asyncio
import json
from pathlib import Path

import click

from gateway.clock import SystemClock
from gateway.config.sections import ServerBounds
from gateway.config.simulated import Simulator as Section
from gateway.server.listener import Listener, run_until_signal
from gateway.simulator.app import Simulator
from gateway.simulator.faults import Fault, read_faults

_GRACE = 5.0
_DEFAULTS = Section()


class _Announced(Listener):
    """Says where it listens once it does; the port may have been the system's choice."""

    async def start(self) -> None:
        """Listen, then print."""
        await super().start()
        click.echo(f"simulated vendor on {self.url} (pictures are drawn, nothing is paid)")
        click.echo(f"key: {_DEFAULTS.api_key.get_secret_value()}")
        click.echo(f"control: {self.url}/control/purchases (also settings, faults, stats, reset)")


def _script(
    context: click.Context, option: click.Parameter, file: Path | None
) -> tuple[Fault, ...]:
    if file is None:
        return ()
    try:
        return read_faults(json.loads(file.read_bytes()))
    except ValueError as error:
        raise click.BadParameter(f"{file}: {error}", context, option) from None


@click.command()
@click.option("--host", default=_DEFAULTS.host, show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=_DEFAULTS.port,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 lets the system choose.",
)
@click.option(
    "--speed",
    default=_DEFAULTS.speed,
    show_default=True,
    type=click.FloatRange(0.001, 1_000_000),
    help="How many times faster than the real vendor.",
)
@click.option("--seed", type=int, help="Makes durations and chances repeatable.")
@click.option(
    "--faults",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    callback=_script,
    help="A JSON list of faults to act.",
)
def command(
    host: str, port: int, speed: float, seed: int | None, faults: tuple[Fault, ...]
) -> None:
    """Run the simulated vendor alone.

    Point a gateway at it with upstream.base_url and upstream.api_key. What was bought is told at
    /control/purchases; the control endpoint asks for no key, so keep it on the loopback interface.
    """
    clock = SystemClock()
    section = Section(host=host, port=port, speed=speed, seed=seed)
    simulator = Simulator(section, clock, faults=faults)
    listener = _Announced(simulator.app, host=host, port=port, bounds=ServerBounds(), clock=clock)
    try:
        asyncio.run(run_until_signal([listener], grace=_GRACE))
    except OSError as error:
        raise click.ClickException(str(error)) from None
    finally:
        simulator.close()
