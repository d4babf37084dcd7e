"""One picture asked for over HTTP, as any client would, with a line that says how it goes.

Owns: the demonstration's request, the file it becomes, the progress line. Must not know: who serves
it, how anything works, what is done afterwards.
"""

import asyncio
import base64
import http.client
import json
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import click

from gateway.clock import Clock
from gateway.events import Polled, State, Stepped

_TICK = 0.1
_TIMEOUT = 300
_LINE = 48  # fits a narrow window: a line that wraps cannot be written over


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to ask for, with which key, and the folder the picture is put into."""

    prompt: str
    size: str
    key: str
    folder: Path


@dataclass(frozen=True, slots=True)
class _Made:
    """What came of asking: a file and its size in pixels, or else why there is none."""

    path: Path | None
    told: str


class Watcher:
    """What the progress line knows: an observer of the gateway's facts."""

    def __init__(self) -> None:
        self.state = State.INTENT
        self.percent = 0

    def __call__(self, fact: object) -> None:
        """Take note of a task's state and how far the vendor says it is."""
        if isinstance(fact, Stepped):
            self.state = fact.state
            if isinstance(fact.event, Polled):
                self.percent = fact.event.progress or 0


async def picture(wanted: Wanted, url: str, watcher: Watcher, clock: Clock) -> bool:
    """Ask, show how it goes, and say where the picture lies; whether there is one."""
    started = clock.monotonic()
    asking = asyncio.create_task(asyncio.to_thread(_ask, wanted, url))
    try:
        while not asking.done():
            seconds = clock.monotonic() - started
            progress = f"{watcher.percent:3d} %" if watcher.state is State.RUNNING else ""
            _progress(f"making a picture  {seconds:5.1f} s  {watcher.state.value:<10} {progress}")
            await asyncio.wait({asking}, timeout=_TICK)
    finally:
        _progress("")
    seconds = clock.monotonic() - started
    made = asking.result()
    if made.path is None:
        click.echo(f"no picture: {made.told}", err=True)
        return False
    click.echo(f"picture           {made.path}   ({made.told}, {seconds:.1f} s)")
    return True


def _ask(wanted: Wanted, url: str) -> _Made:
    """Ask the gateway as a client would, and write the picture into a file; nothing is raised.

    A proxy that the environment names is not for an address of this machine.
    """
    body = {"model": "gpt-image-2", "prompt": wanted.prompt, "size": wanted.size}
    request = urllib.request.Request(  # noqa: S310 - the gateway's own address
        f"{url}/v1/images/generations",
        data=json.dumps(body).encode(),
        headers={"authorization": f"Bearer {wanted.key}", "content-type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_TIMEOUT) as response:
            answer = json.load(response)
        path = wanted.folder / f"{answer['created']}-{answer['size']}.png"
        path.write_bytes(base64.b64decode(answer["data"][0]["b64_json"]))
    except urllib.error.HTTPError as error:
        with error:
            return _Made(None, json.load(error)["error"]["message"])
    except (OSError, http.client.HTTPException) as error:
        return _Made(None, str(error))
    return _Made(path, answer["size"])


def _progress(text: str) -> None:
    """One line that is written over, on a terminal; nothing elsewhere."""
    if sys.stdout.isatty():
        click.echo(f"\r{text:<{_LINE}}\r", nl=False)
