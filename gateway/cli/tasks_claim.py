"""``tasks claim``: hand a job's pictures over by hand, and have that written down.

Owns: the command, and the choice of who writes the mark. Must not know: how pictures are copied,
how a ledger is written.
"""

import http.client
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

import click

from gateway.cli.ledger import exit_told, looking
from gateway.cli.options import EXIT_FAILED, config_option
from gateway.cli.pictures import Kept, Occupied, copy, kept
from gateway.cli.telling import plain
from gateway.clock import SystemClock
from gateway.config.sections import Ops
from gateway.state.marking import LedgerHeld, mark_claimed

_PATIENCE = 30
_LOCAL = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - names, not bound to
_UNKNOWN = "it does not accept this configuration's ops.token"
_UNHEARD: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: _UNKNOWN,
    HTTPStatus.TOO_MANY_REQUESTS: _UNKNOWN,  # the right one is heard at any time
    HTTPStatus.NOT_FOUND: "the job is not known: is it another gateway's port?",
}


class NotMarked(Exception):
    """The running gateway did not write the mark; the text says why."""


@click.command()
@config_option
@click.argument("name", metavar="ID")
@click.option(
    "--to",
    "folder",
    default=".",
    show_default="the current folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to put the copies.",
)
def command(path: str | None, name: str, folder: Path) -> None:
    """Copy a job's pictures out, and mark the job as claimed.

    ID is the job's, a task's or the vendor's. No file is written over, and a job is marked only if
    all its pictures that are still there were copied. Exits with 0 when every picture is copied
    and the job is marked.
    """
    with looking(path) as (config, reading):
        job = reading.job(name)
        if job is None:
            exit_told(f"The ledger knows no job, task or vendor's id {plain(name)!r}.")
        pictures = kept(job, config.images)
        if not pictures:
            exit_told(f"{job.job_id} is {job.word} and has no pictures.")
        gone = _gone(pictures)
        _copy([one for one in pictures if one not in gone], folder)
        if job.ended_at is None:
            exit_told(f"{job.job_id} is still running, so it is not marked as claimed yet.")
        try:
            _mark(reading.path, job.job_id, config.ops)
        except NotMarked as error:
            exit_told(f"The pictures are copied, but the job is not marked as claimed: {error}.")
    click.echo(f"{job.job_id} is marked as claimed")
    sys.exit(EXIT_FAILED if gone else 0)


def _gone(pictures: tuple[Kept, ...]) -> tuple[Kept, ...]:
    """Those that are no longer on the shelf; if that is all of them, this is the end."""
    gone = tuple(one for one in pictures if not one.there)
    for one in gone:
        click.echo(f"picture {one.number} is no longer on the shelf: {one.path}", err=True)
    if len(gone) == len(pictures):
        exit_told("There is nothing to copy, so the job is not marked as claimed.")
    return gone


def _copy(pictures: list[Kept], folder: Path) -> None:
    """Copy pictures and say where to; whatever hinders one is told, and the end."""
    failed = False
    for one in pictures:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            click.echo(copy(one, folder))
        except Occupied as error:
            click.echo(f"picture {one.number}: {error} is another file already", err=True)
            failed = True
        except OSError as error:
            click.echo(f"picture {one.number} cannot be copied: {error}", err=True)
            failed = True
    if failed:
        exit_told("Not every picture is copied, so the job is not marked as claimed.")


def _mark(ledger: Path, job_id: str, ops: Ops) -> None:
    """Write the mark where no gateway runs, else let the running one do it. Raises: NotMarked."""
    try:
        if not mark_claimed(ledger, job_id, SystemClock().wall()):
            raise NotMarked("it has been forgotten meanwhile")
    except LedgerHeld:
        _ask(job_id, ops)


def _ask(job_id: str, ops: Ops) -> None:
    """Ask the gateway that holds the ledger. Raises: NotMarked."""
    if ops.port == 0:
        raise NotMarked("a gateway holds the ledger; to be found, its ops.port must be a number")
    host = _LOCAL.get(ops.host, ops.host)
    place = f"http://[{host}]:{ops.port}" if ":" in host else f"http://{host}:{ops.port}"
    token = {"authorization": f"Bearer {ops.token.get_secret_value()}"} if ops.token else {}
    request = urllib.request.Request(  # noqa: S310 - the gateway's own listener
        f"{place}/tasks/{quote(job_id, safe='')}/claim",
        data=b"{}",
        headers={"content-type": "application/json", **token},
        method="POST",
    )
    # A proxy that the environment names is not for an address of this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_PATIENCE):
            return
    except urllib.error.HTTPError as error:
        with error:
            why = _UNHEARD.get(error.code, f"it answers {error.code}")
        raise NotMarked(f"a gateway holds the ledger; asked at {place}, {why}") from error
    except (OSError, http.client.HTTPException) as error:
        raise NotMarked(f"a gateway holds the ledger, but nobody answers at {place}") from error
