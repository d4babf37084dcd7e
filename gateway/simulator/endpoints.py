"""The task API: create and status.

Owns: the order of checks of a create, and what a purchase is: an accepted create, whether or not
its answer arrives. Must not know: how pictures are drawn or bodies shaped. The order is key,
allowance, parameters, references, funds; only the last step buys.
"""

import asyncio
import base64
import hashlib
import math
import random

from starlette.requests import Request
from starlette.responses import Response

from gateway.simulator import shapes
from gateway.simulator.bodies import read_json
from gateway.simulator.envelopes import REFUSALS, Refusal, Refused, answer, invalid, refusal
from gateway.simulator.fates import FATES, WELL, Fate
from gateway.simulator.faults import Fault
from gateway.simulator.orders import Order, Size, nearest, offered, read_order
from gateway.simulator.references import Sources, gather
from gateway.simulator.tasks import CREDITS_PER_USD, Task
from gateway.simulator.timing import duration
from gateway.simulator.trouble import delivered, stalled
from gateway.simulator.vendor import Vendor


class TaskEndpoints:
    """``POST /v1/images/generations`` and ``GET /v1/images/generations/{id}``."""

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor

    async def create(self, request: Request) -> Response:
        """Accept a task, or say why not."""
        vendor = self._vendor
        vendor.calls["create"] += 1
        vendor.authorize(request)
        headers = vendor.submits.take()
        body = await read_json(request)
        prompt = str(body.get("prompt")) if isinstance(body, dict) else ""
        fault = vendor.script.next("create", prompt)
        if fault is not None and (early := await self._before(fault, request)) is not None:
            return early
        task = await self._buy(body, request, fault)
        if fault is not None and fault.kind in REFUSALS:
            return refused(fault).response()
        response = answer(await self._announced(task, request), vendor.settings.creation_status)
        response.headers.update(headers)
        return delivered(fault, response, vendor.clock)

    async def status(self, request: Request) -> Response:
        """Tell how a task is getting on."""
        vendor = self._vendor
        vendor.calls["status"] += 1
        vendor.authorize(request)
        headers = vendor.queries.take()
        task = vendor.book.find(request.path_params["name"])
        fault = vendor.script.next("status", task.order.prompt if task is not None else "")
        if fault is not None and fault.kind in REFUSALS:
            return refused(fault).response()
        if task is None:
            raise Refused(REFUSALS["not_found"])
        body = await self._report(task, request)
        if fault is not None and fault.kind == "word":
            body["status"] = fault.word
        response = answer(body)
        response.headers.update(headers)
        return delivered(fault, response, vendor.clock)

    async def _before(self, fault: Fault, request: Request) -> Response | None:
        """Act what a fault does before anything is bought; an answer ends the call."""
        if fault.kind in REFUSALS and not fault.bought:
            return refused(fault).response()
        if fault.kind == "cut_before":
            return delivered(
                fault, answer({"id": "", "object": "generation.task"}), self._vendor.clock
            )
        if fault.kind == "stall_before" and not await stalled(
            request.receive, self._vendor.clock, fault.seconds
        ):
            return Response(status_code=499)  # nobody is there to read it
        return None

    async def _buy(self, body: object, request: Request, fault: Fault | None) -> Task:
        vendor = self._vendor
        order = read_order(body, vendor.settings)
        sources = await gather(
            order, vendor.files, vendor.base(request), vendor.settings.foreign_references
        )
        if (earlier := self._repeated(order)) is not None:
            return earlier
        if vendor.book.used() >= vendor.settings.balance_usd * CREDITS_PER_USD:
            raise Refused(REFUSALS["insufficient_quota"])
        fate = self._fate(fault)
        task = vendor.book.accept(
            order, self._size(order, sources), self._whole(order, fate, fault), fate
        )
        if fate.message is None:
            transparent = vendor.settings.transparency and order.background == "transparent"
            vendor.studio.begin(task, sources, transparent=transparent)
        base = vendor.base(request)
        vendor.webhooks.follow(
            task, lambda: [shapes.Shown(f"{base}/files/{name}") for name in task.names]
        )
        return task

    def _repeated(self, order: Order) -> Task | None:
        """Find the task already bought under this business id, where the setting minds."""
        policy = self._vendor.settings.repeated_business_id
        if policy == "accept" or order.client_business_id is None:
            return None
        earlier = self._vendor.book.find(order.client_business_id)
        if earlier is not None and policy == "refuse":
            raise Refused(invalid("client_business_id already exists.", "client_business_id"))
        return earlier

    def _fate(self, fault: Fault | None) -> Fate:
        if fault is not None and fault.kind in FATES:
            return FATES[fault.kind]
        return FATES["at_once"] if self._vendor.settings.creation.startswith("terminal") else WELL

    def _whole(self, order: Order, fate: Fate, fault: Fault | None) -> float:
        vendor = self._vendor
        dice = random.Random(vendor.dice.getrandbits(64))  # noqa: S311 - repeatable on purpose
        drawn = duration(order.tier, order.quality, order.n, dice) / vendor.settings.speed
        if fate.forever:
            return math.inf
        if fate.at_once:
            return 0.0
        return fault.seconds if fate.longer and fault is not None else drawn

    def _size(self, order: Order, sources: Sources) -> Size:
        table = offered(order.tier, extended=self._vendor.settings.extended_sizes)
        if order.ratio in table:
            return table[order.ratio]
        if sources.references:
            return table[nearest(*sources.references[0].size, table)]
        choice = hashlib.sha256(order.prompt.encode()).digest()[0] % len(table)
        return list(table.values())[choice]

    async def _announced(self, task: Task, request: Request) -> shapes.Json:
        vendor = self._vendor
        if task.phase(vendor.clock.monotonic()) != "done":
            return shapes.announcement(task, vendor.settings)
        if vendor.settings.creation == "terminal_openai":
            await vendor.studio.ready(task)
            return shapes.openai_answer(task, await self._shown(task, request))
        return await self._report(task, request)

    async def _report(self, task: Task, request: Request) -> shapes.Json:
        vendor = self._vendor
        now = vendor.clock.monotonic()
        phase, percent = task.phase(now), task.percent(now)
        if phase == "done" and not await vendor.studio.ready(task):
            phase, percent = "working", 99
        elif phase == "done":
            phase, percent = task.phase(now), task.percent(now)  # it may have been spoiled
        shown = await self._shown(task, request) if phase == "done" else []
        return shapes.report(task, vendor.settings, phase, percent, shown)

    async def _shown(self, task: Task, request: Request) -> list[shapes.Shown]:
        vendor = self._vendor
        base = vendor.base(request)
        wanted = vendor.settings.result in shapes.NEEDS_BYTES
        return [
            shapes.Shown(f"{base}/files/{name}", await self._encoded(name) if wanted else "")
            for name in task.names
        ]

    async def _encoded(self, name: str) -> str:
        kept = self._vendor.files.find(name)
        if kept is None:
            return ""
        data = await asyncio.to_thread(kept.path.read_bytes)
        return (await asyncio.to_thread(base64.b64encode, data)).decode()


def refused(fault: Fault) -> Refusal:
    """Make the refusal a fault names, with the fault's own details."""
    details = {
        "status": fault.status,
        "code": fault.code,
        "message": fault.message,
        "retry_after": fault.retry_after,
    }
    return refusal(
        fault.kind, **{key: value for key, value in details.items() if value is not None}
    )
