"""ToAPIs: the calls, and what each answer means for money.

Owns: which answer to a create is an acceptance, a refusal, a "later" or a loss. Must not know:
jobs, callers, when to ask. The shapes are in ``wire.py``. HTTP status is judged before the body:
an error body may look like a failed task. Sources: the vendor's page for the official channel and
what live clients have met.
"""

import asyncio
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Protocol
from urllib.parse import quote

from gateway.clock import Clock
from gateway.config.sections import Upstream as Section
from gateway.errors import GatewayError, UpstreamUnavailable
from gateway.translate.model import Picture, Reference, TaskSpec
from gateway.upstream.base import (
    CreateLost,
    CreateNotSent,
    CreateRefused,
    CreateThrottled,
    StatusUnavailable,
    TaskStatus,
    TaskUnknown,
)
from gateway.upstream.wire import (
    Fault,
    Json,
    has_pictures,
    no_channel,
    parse,
    read_fault,
    read_status,
    refusal,
    says_later,
    says_no,
    task_id_in,
    wire_body,
)
from gateway.web.clients import Answer, Interrupted, Method, NotConnected, Part
from gateway.web.headers import retry_after

_IN_THREAD = 256 * 1024
_PERHAPS_ACCEPTED = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT}
_NOT_UPLOADED = "The image service could not be reached to upload a picture."
_UNREAD = "The image service's answer to the upload of a picture made no sense."
_NO_SUCH_TASK = {"task_not_exist", "task_not_found"}


class Calls(Protocol):
    """The calls outward that are needed here; ``web.clients.Outgoing`` makes them."""

    async def create(self, url: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        """Sent at most once. Raises: NotConnected, Interrupted."""
        ...

    async def call(
        self,
        method: Method,
        url: str,
        headers: Mapping[str, str],
        seconds: float,
        part: Part | None = None,
    ) -> Answer:
        """May be repeated. Raises: Interrupted."""
        ...


class Toapis:
    """The vendor, spoken to over HTTP."""

    def __init__(self, section: Section, outgoing: Calls, clock: Clock) -> None:
        self._section = section
        self._outgoing = outgoing
        self._clock = clock
        self._tasks = f"{section.base_url}/v1/images/generations"
        self._uploads = f"{section.base_url}/v1/uploads/images"
        self._headers = {
            "authorization": f"Bearer {section.api_key.get_secret_value()}",
            "accept": "application/json",
        }

    def __repr__(self) -> str:
        return f"Toapis({self._section.base_url})"

    async def upload(self, picture: Picture) -> str:
        """Upload one picture; its address. Raises: UpstreamError. Repeating it is the caller's."""
        name = f"{picture.digest[:32]}.{picture.media_type.partition('/')[2]}"
        with await asyncio.to_thread(open, picture.path, "rb") as content:
            part = Part("file", name, picture.media_type, content)
            try:
                answer = await self._outgoing.call(
                    "POST", self._uploads, self._headers, self._section.upload_time, part
                )
            except Interrupted as error:
                raise UpstreamUnavailable(_NOT_UPLOADED, code="upstream_unavailable") from error
        body = await _json(answer)
        data = body.get("data")
        url = data.get("url") if isinstance(data, dict) else None
        if _is_good(answer) and body.get("success") is not False and url:
            return str(url)
        if _is_good(answer) and not says_no(body):
            raise UpstreamUnavailable(_UNREAD, code="upstream_unavailable")
        raise self._refused(read_fault(answer, body), answer)

    async def create(
        self, spec: TaskSpec, links: Mapping[Reference, str], task_id: str
    ) -> TaskStatus:
        """Buy a task; the request leaves at most once.

        Raises: CreateNotSent, CreateThrottled, CreateRefused, CreateLost.
        """
        content = json.dumps(wire_body(spec, links, task_id)).encode()
        try:
            answer = await self._outgoing.create(self._tasks, content, self._headers)
        except NotConnected as error:
            raise CreateNotSent(error.reason) from error
        except Interrupted as error:
            raise CreateLost(error.reason) from error
        return await self._created(answer, task_id)

    async def _created(self, answer: Answer, task_id: str) -> TaskStatus:
        body = await _json(answer)
        fault = read_fault(answer, body)
        if _is_good(answer):
            if task_id_in(body) or has_pictures(body):
                return self._status(body, task_id)
            if says_no(body):
                raise CreateRefused(fault.word, self._refused(fault, answer))
            raise CreateLost("answer without a task id")
        if says_later(fault):
            raise CreateThrottled(fault.word, self._pause(answer))
        failed = answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not no_channel(fault)
        if failed or answer.status in _PERHAPS_ACCEPTED:
            raise CreateLost(fault.word)
        raise CreateRefused(fault.word, self._refused(fault, answer))

    async def status(self, task_id: str) -> TaskStatus:
        """Ask about a task, by either id. Raises: StatusUnavailable, TaskUnknown."""
        url = f"{self._tasks}/{quote(task_id, safe='')}"
        try:
            answer = await self._outgoing.call("GET", url, self._headers, self._section.status_time)
        except Interrupted as error:
            raise StatusUnavailable(error.reason) from error
        body = await _json(answer)
        if answer.status == HTTPStatus.OK and task_id_in(body):
            return self._status(body, task_id)
        fault = read_fault(answer, body)
        if answer.status == HTTPStatus.NOT_FOUND or fault.code in _NO_SUCH_TASK:
            raise TaskUnknown(fault.word)
        raise StatusUnavailable(fault.word, self._pause(answer))

    def _refused(self, fault: Fault, answer: Answer) -> GatewayError:
        error = refusal(fault, self._pause(answer))
        error.withhold(self._section.api_key.get_secret_value())
        return error

    def _status(self, body: Json, asked: str) -> TaskStatus:
        status = read_status(body, asked)
        if status.failure is not None:
            status.failure.withhold(self._section.api_key.get_secret_value())
        return status

    def _pause(self, answer: Answer) -> float | None:
        return retry_after(answer.headers, self._clock.wall())


def _is_good(answer: Answer) -> bool:
    """Any 2xx: a create that was not refused may have been bought, whatever it is called."""
    return HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES


async def _json(answer: Answer) -> Json:
    """The body as an object; large ones are parsed in a thread."""
    if len(answer.body) > _IN_THREAD:
        return await asyncio.to_thread(parse, answer.body)
    return parse(answer.body)
