"""The vendor's task API as a small ASGI application, by its own reading of the vendor's page.

Owns: routes, and which error becomes which answer. Must not know: anything of the gateway but its
clock and the section ``simulator``. Nothing here calls out, but for webhooks to this machine: it is
the far end.
"""

from collections.abc import Iterable
from typing import cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.clock import Clock
from gateway.config.simulated import Simulator as SimulatorSection
from gateway.simulator.account import AccountEndpoints
from gateway.simulator.control import Control
from gateway.simulator.endpoints import TaskEndpoints
from gateway.simulator.envelopes import Refused, refusal
from gateway.simulator.faults import Fault
from gateway.simulator.settings import Settings
from gateway.simulator.storage import FileEndpoints
from gateway.simulator.vendor import Vendor


class Simulator:
    """The simulated vendor: ``app`` serves it, ``close`` removes what it kept on disk.

    ``public_url`` is where links point to; None means the address each request came by.
    ``settings`` are what ``reset`` goes back to; their speed is the section's.
    """

    def __init__(
        self,
        section: SimulatorSection,
        clock: Clock,
        *,
        public_url: str | None = None,
        settings: Settings | None = None,
        faults: Iterable[Fault] = (),
    ) -> None:
        chosen = (settings or Settings()).changed({"speed": section.speed})
        self.vendor = Vendor(section, clock, public_url, chosen)
        self.vendor.set_faults(faults)
        self.app = _application(self.vendor)

    def close(self) -> None:
        """Stop drawing and remove the temporary folder; idempotent."""
        self.vendor.close()


def _application(vendor: Vendor) -> Starlette:
    tasks, files, account = TaskEndpoints(vendor), FileEndpoints(vendor), AccountEndpoints(vendor)
    return Starlette(
        routes=[
            Route("/v1/images/generations", tasks.create, methods=["POST"]),
            Route("/v1/images/generations/{name}", tasks.status, methods=["GET"]),
            Route("/v1/uploads/images", files.upload, methods=["POST"]),
            Route("/files/{name:path}", files.file, methods=["GET"]),
            Route("/v1/models", account.models, methods=["GET"]),
            Route("/v1/balance", account.balance, methods=["GET"]),
            Route("/v1/user/balance", account.balance, methods=["GET"]),
            *Control(vendor).routes(),
        ],
        exception_handlers={Refused: _refused, HTTPException: _unknown},
    )


async def _refused(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return cast("Refused", error).refusal.response()


async def _unknown(request: Request, error: Exception) -> Response:
    status = cast("HTTPException", error).status_code
    message = f"Invalid URL ({request.method} {request.url.path})"
    return refusal("invalid_url", status=status, message=message).response()
