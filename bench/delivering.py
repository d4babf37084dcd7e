"""Only the last step, two ways: pictures in a JSON body, streamed by the gateway, or naively."""

import argparse
import asyncio
import base64
import json
import sys
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bench.watched import Watch, peak, resident
from gateway.clock import SystemClock
from gateway.config.sections import Images, ServerBounds
from gateway.images.finish import Finished
from gateway.images.shelf import Shelf
from gateway.openai.delivery import SegmentsResponse
from gateway.openai.responses import Segment
from gateway.server.listener import Listener, run_until_signal

_IMAGES = 4


class Streamed:
    def __init__(self, shelf: Shelf, tokens: list[str]) -> None:
        self._shelf = shelf
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        segments: list[Segment] = [b'{"data":[']
        for token in self._tokens:
            shelved = self._shelf.find(token, "png")
            assert shelved is not None
            segments += [b'{"b64_json":"', shelved, b'"},']
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        response = SegmentsResponse([*segments, b"null]}"], {}, self._shelf, gone)
        await response(scope, receive, send)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--picture", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    clock = SystemClock()
    shelf = Shelf(Images(folder=str(arguments.picture.parent / "delivering")), clock)
    await shelf.open()
    tokens = []
    for _ in range(_IMAGES):
        path = shelf.blank()
        Path(path).write_bytes(arguments.picture.read_bytes())
        size = Path(path).stat().st_size
        kept = await shelf.keep(Finished(path, "png", 2600, 2600, size))
        tokens.append(kept.token)

    async def naive(request: Request) -> Response:
        data = [
            {"b64_json": base64.b64encode(arguments.picture.read_bytes()).decode()}
            for _ in range(_IMAGES)
        ]
        return Response(json.dumps({"data": data}), media_type="application/json")

    app = Starlette(
        routes=[
            Route("/streamed", Streamed(shelf, tokens), methods=["GET", "POST"]),
            Route("/naive", naive, methods=["POST"]),
        ]
    )
    listener = Listener(
        app, host="127.0.0.1", port=arguments.port, bounds=ServerBounds(), clock=clock
    )
    watch = Watch()
    watching = asyncio.create_task(watch.run())
    before = resident()
    await run_until_signal([listener], grace=0)
    watching.cancel()
    json.dump({"before_mb": before, "peak_mb": peak(), **watch.told()}, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
