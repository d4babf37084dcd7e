"""``serve``: run the gateway until it is told to stop.

Owns: the command; which listeners there are and in which order they stop. Must not know: how
anything works (``app.py`` builds, ``server.py`` listens).
"""

import asyncio
import sys

import click

from gateway.app import Gateway
from gateway.cli.options import config_option, loaded_or_exit
from gateway.clock import SystemClock
from gateway.config.sections import Config
from gateway.ops.logs import configure
from gateway.server.listener import Listener, ListenError, run_until_signal

GRACE = 10.0


@click.command()
@config_option
def command(path: str | None) -> None:
    """Run the gateway until SIGTERM or SIGINT.

    Exits with 0 after such a signal, with 1 if it cannot listen, with 2 if the configuration
    cannot be used.
    """
    config = loaded_or_exit(path).config
    sys.exit(asyncio.run(_serve(config)))


async def _serve(config: Config) -> int:
    clock = SystemClock()
    secrets = [config.upstream.api_key, *(key.key for key in config.keys)]
    logs = configure(
        config.log,
        sys.stdout,
        clock=clock,
        secrets=[secret.get_secret_value() for secret in secrets],
    )
    gateway = Gateway(config, clock, logs.emit)
    server, ops = config.server, config.ops
    listeners = [
        Listener(
            gateway.clients, host=server.host, port=server.port, bounds=server.bounds, clock=clock
        ),
        Listener(
            gateway.operators, host=ops.host, port=ops.port, bounds=server.bounds, clock=clock
        ),
    ]
    try:
        await _start(gateway, config)
        await run_until_signal(listeners, grace=GRACE, on_stop=gateway.drain)
    except (ListenError, click.ClickException) as error:
        click.echo(str(error), err=True)
        return 1
    finally:
        await gateway.stop()
        logs.close()
    return 0


async def _start(gateway: Gateway, config: Config) -> None:
    try:
        await gateway.start()
    except OSError as error:
        folder = config.images.folder
        raise click.ClickException(f"cannot use images.folder {folder}: {error}") from error
