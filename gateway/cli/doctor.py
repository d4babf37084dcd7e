"""``doctor``: try out a configuration on this machine and at the vendor, and say what is wrong.

Owns: the command, the order of the checks, the report. Must not know: how a check is made. It
buys nothing and changes nothing.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import click

from gateway.cli import machine, vendor
from gateway.cli.asking import asking
from gateway.cli.findings import Asker, Finding
from gateway.cli.options import config_option, loaded_or_exit
from gateway.clock import Clock, SystemClock
from gateway.config.addresses import is_loopback
from gateway.config.sections import Config, Server
from gateway.openai import callbacks


@click.command()
@config_option
@click.option("--offline", is_flag=True, help="Leave the vendor out.")
def command(path: str | None, *, offline: bool) -> None:
    """Try the vendor, the key and this machine, and say what is wrong.

    Nothing is bought. Exits with 0 if nothing failed (warnings are no failures), with 1 if
    something did, with 2 if the configuration cannot be used.
    """
    config = loaded_or_exit(path).config
    sys.exit(asyncio.run(_report(config, offline=offline)))


async def _report(config: Config, *, offline: bool) -> int:
    failed = False
    async with asking(config.upstream) as asker:
        async for finding in examine(config, None if offline else asker, SystemClock()):
            click.echo(str(finding))
            failed |= finding.grade == "fail"
    return int(failed)


async def examine(config: Config, asker: Asker | None, clock: Clock) -> AsyncIterator[Finding]:
    """Make every check; those of the vendor only where an asker is given."""
    yield await asyncio.to_thread(machine.folder, config.images)
    yield await asyncio.to_thread(machine.ledger, config.state)
    yield await asyncio.to_thread(machine.disk, config.images)
    yield machine.files(config.server, config.upstream)
    for finding in machine.ports(config.server, config.ops):
        yield finding
    yield _links(config.server)
    yield _webhooks(config)
    if asker is None:
        return
    for check in (vendor.name, vendor.connection):
        finding = await check(config.upstream)
        yield finding
        if finding.grade == "fail":
            return
    for finding in await vendor.answer(config.upstream, config.models, asker, clock):
        yield finding


def _links(server: Server) -> Finding:
    if server.public_url is None and not is_loopback(server.host):
        return Finding(
            "warn",
            "links",
            "pictures' links follow the Host header of each request",
            "Set server.public_url to the address that callers use.",
        )
    return Finding("ok", "links", "point to the address that callers use")


def _webhooks(config: Config) -> Finding:
    address = callbacks.address(config.server, config.upstream)
    if address is None:
        return Finding("ok", "webhooks", "none are taken of the vendor; tasks are asked about")
    parts = urlsplit(address)
    if parts.scheme != "https" or is_loopback(parts.hostname or ""):
        return Finding(
            "warn",
            "webhooks",
            f"the vendor calls public https addresses only, and {address} is none",
            "Set server.public_url to such an address, or leave upstream.webhook_secret out.",
        )
    return Finding("ok", "webhooks", f"register {address} at the vendor, if that is not done yet")
