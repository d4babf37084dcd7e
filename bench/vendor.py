"""A vendor whose tasks are done at once and whose picture is one large file. Run as a process."""

import argparse
import asyncio
import itertools
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from gateway.clock import SystemClock
from gateway.config.sections import ServerBounds
from gateway.server.listener import Listener, run_until_signal


class Vendor:
    def __init__(self, picture: Path) -> None:
        self._picture = picture
        self._ids = itertools.count(1)
        self._n: dict[str, int] = {}

    async def create(self, request: Request) -> Response:
        body = await request.json()
        name = f"tsk_{next(self._ids)}"
        self._n[name] = body["n"]
        return JSONResponse({"id": name, "status": "queued"})

    async def status(self, request: Request) -> Response:
        name = request.path_params["name"]
        link = f"{request.url.scheme}://{request.url.netloc}/files/picture.png"
        data = [{"url": link}] * self._n[name]
        return JSONResponse({"id": name, "status": "completed", "result": {"data": data}})

    async def file(self, request: Request) -> Response:
        return FileResponse(self._picture, media_type="image/png")


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--picture", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    vendor = Vendor(arguments.picture)
    app = Starlette(
        routes=[
            Route("/v1/images/generations", vendor.create, methods=["POST"]),
            Route("/v1/images/generations/{name}", vendor.status),
            Route("/files/{name}", vendor.file),
        ]
    )
    listener = Listener(
        app,
        host="127.0.0.1",
        port=arguments.port,
        bounds=ServerBounds(),
        clock=SystemClock(),
    )
    await run_until_signal([listener], grace=0)


if __name__ == "__main__":
    asyncio.run(main())
