"""``demo``: gateway and simulated vendor in one process, a picture, and how to make the next.

Owns: the demonstration's configuration, its progress line and what it prints. Must not know: how
anything works. The picture is asked for over HTTP, as any client would.
"""

import asyncio
import base64
import json
import secrets
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import click

from gateway.app import Gateway
from gateway.cli.snippets import PROMPT, snippets
from gateway.clock import Clock, SystemClock
from gateway.config.sections import Config, ServerBounds
from gateway.config.sections import Simulator as SimulatorSection
from gateway.events import Polled, State, Stepped
from gateway.server.listener import Listener, ListenError, run_until_signal
from gateway.simulator.app import Simulator

_GRACE = 2.0
_TICK = 0.1
_TIMEOUT = 300


@dataclass(slots=True)
class _Demo:
    """What the demonstration consists of."""

    clock: Clock
    folder: Path
    key: str
    prompt: str
    size: str


class _Watcher:
    """What the progress line knows: an observer of the gateway's facts."""

    def __init__(self) -> None:
        self.state = State.INTENT
        self.percent = 0

    def __call__(self, fact: object) -> None:
        if isinstance(fact, Stepped):
            self.state = fact.state
            if isinstance(fact.event, Polled):
                self.percent = fact.event.progress or 0


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
    default=5.0,
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
    demo = _Demo(SystemClock(), folder.absolute(), key, prompt, size)
    sys.exit(asyncio.run(_run(demo, port, speed, once=once)))


async def _run(demo: _Demo, port: int, speed: float, *, once: bool) -> int:
    simulator = Simulator(SimulatorSection(speed=speed), demo.clock)
    vendor = _listener(simulator.app, 0, demo.clock)
    gateway = None
    try:
        await vendor.start()
        watcher = _Watcher()
        gateway = Gateway(_config(demo, vendor.url, speed), demo.clock, watcher)
        clients = await _started(gateway, port, demo.clock)
        await gateway.start()
        click.echo(f"gateway           {clients.url}/v1   key {demo.key}")
        click.echo(f"simulated vendor  {vendor.url}   (bought so far: /control/purchases)")
        serving = asyncio.create_task(run_until_signal([clients, vendor], grace=_GRACE))
        return await _show(demo, clients.url, watcher, serving, once=once)
    except ListenError as error:
        click.echo(str(error), err=True)
        return 1
    finally:
        await vendor.stop(0)
        if gateway is not None:
            await gateway.stop()
        simulator.close()


async def _show(
    demo: _Demo, url: str, watcher: _Watcher, serving: asyncio.Task[None], *, once: bool
) -> int:
    """Make the picture, say how to make the next, and go on serving unless ``once``."""
    showing = asyncio.create_task(_picture(demo, url, watcher))
    await asyncio.wait({showing, serving}, return_when=asyncio.FIRST_COMPLETED)
    made = showing.done() and showing.result()
    if not showing.done():
        showing.cancel()
    elif made and not once:
        for language, text in snippets(url, demo.key).items():
            click.echo(f"\n--- {language} ---\n{text}", nl=False)
        click.echo("\nServing until Ctrl-C.")
        await serving
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    return 0 if made else 1


async def _picture(demo: _Demo, url: str, watcher: _Watcher) -> bool:
    started = demo.clock.monotonic()
    asking = asyncio.create_task(asyncio.to_thread(_ask, demo, url))
    while not asking.done():
        seconds = demo.clock.monotonic() - started
        progress = f"{watcher.percent:3d} %" if watcher.state is State.RUNNING else ""
        _progress(f"making a picture  {seconds:5.1f} s  {watcher.state.value:<10} {progress}")
        await asyncio.wait({asking}, timeout=_TICK)
    seconds = demo.clock.monotonic() - started
    _progress("")
    try:
        path, size = asking.result()
    except OSError as error:
        click.echo(f"no picture: {error}", err=True)
        return False
    click.echo(f"picture           {path}   ({size}, {seconds:.1f} s)")
    return True


def _ask(demo: _Demo, url: str) -> tuple[Path, str]:
    """Ask the gateway as a client would, and write the picture into a file.

    Raises: OSError with the answer's message.
    """
    body = {"model": "gpt-image-2", "prompt": demo.prompt, "size": demo.size}
    request = urllib.request.Request(  # noqa: S310 - the gateway's own address
        f"{url}/v1/images/generations",
        data=json.dumps(body).encode(),
        headers={"authorization": f"Bearer {demo.key}", "content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:  # noqa: S310
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            raise OSError(json.load(error)["error"]["message"]) from error
    path = demo.folder / f"{answer['created']}-{answer['size']}.png"
    path.write_bytes(base64.b64decode(answer["data"][0]["b64_json"]))
    return path, answer["size"]


def _progress(text: str) -> None:
    """One line that is written over, on a terminal; nothing elsewhere."""
    if sys.stdout.isatty():
        click.echo(f"\r{text:<70}\r", nl=False)


def _config(demo: _Demo, vendor: str, speed: float) -> Config:
    return Config.model_validate(
        {
            "upstream": {
                "base_url": vendor,
                "api_key": "simulated",
                "polling": {"scale": min(10.0, 1 / speed)},
            },
            "keys": [{"name": "demo", "key": demo.key}],
            "images": {"folder": str(demo.folder / "shelf")},
        }
    )


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
