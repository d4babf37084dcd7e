"""The control endpoint: what a test asks and tells the simulated vendor behind the scenes.

Owns: ``/control/…``. Must not know: how anything is acted out. It needs no key: this is a tool for
the loopback interface, and a simulator has nothing worth stealing.

``GET purchases`` (``?tasks=100``: how many of the newest to list) · ``GET`` and ``POST settings``
(only what changes) · ``GET`` and ``POST faults`` (a whole script) · ``GET stats`` · ``POST
webhook`` · ``POST reset``.
"""

from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.simulator.bodies import read_json
from gateway.simulator.envelopes import Refused, answer, invalid
from gateway.simulator.faults import read_faults
from gateway.simulator.vendor import Vendor

_LISTED = 1_000


class Control:
    """Handlers and their routes."""

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor

    def routes(self) -> list[Route]:
        """Everything under ``/control``."""
        return [
            Route("/control/purchases", self.purchases, methods=["GET"]),
            Route("/control/settings", self.settings, methods=["GET", "POST"]),
            Route("/control/faults", self.faults, methods=["GET", "POST"]),
            Route("/control/stats", self.stats, methods=["GET"]),
            Route("/control/webhook", self.webhook, methods=["POST"]),
            Route("/control/reset", self.reset, methods=["POST"]),
        ]

    async def purchases(self, request: Request) -> Response:
        """Count what was bought, and name what was bought twice."""
        asked = request.query_params.get("tasks", "")
        newest = int(asked) if asked.isdecimal() else _LISTED
        return answer(self._vendor.book.purchases_made(newest))

    async def settings(self, request: Request) -> Response:
        """Show the settings in force, after changing those that the body names."""
        if request.method == "POST":
            changes = await read_json(request)
            try:
                self._vendor.change(self._vendor.settings.changed(changes))
            except ValueError as error:
                raise Refused(invalid(str(error))) from None
        return answer(asdict(self._vendor.settings))

    async def faults(self, request: Request) -> Response:
        """Show the script in force, after replacing it by the body."""
        if request.method == "POST":
            script = await read_json(request)
            try:
                self._vendor.set_faults(read_faults(script))
            except ValueError as error:
                raise Refused(invalid(str(error))) from None
        return answer(self._vendor.script.report())

    async def stats(self, request: Request) -> Response:  # noqa: ARG002 - a handler's signature
        """Count calls by kind, and what should not have happened."""
        vendor = self._vendor
        return answer(
            {
                "calls": dict(vendor.calls),
                "throttled_submits": vendor.submits.refused,
                "throttled_queries": vendor.queries.refused,
                "authorized_file_requests": vendor.authorized_file_requests,
                "files": len(vendor.files),
                "webhooks": dict(vendor.webhooks.counts),
            }
        )

    async def webhook(self, request: Request) -> Response:  # noqa: ARG002 - a handler's signature
        """Send ``endpoint.test`` to where webhooks go, and say with which status it was met."""
        if not self._vendor.settings.webhook_url:
            raise Refused(invalid("The setting webhook_url is empty."))
        return answer({"status": await self._vendor.webhooks.try_out()})

    async def reset(self, request: Request) -> Response:  # noqa: ARG002 - a handler's signature
        """Start afresh."""
        self._vendor.begin()
        return answer({"reset": True})
