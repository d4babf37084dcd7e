"""ToAPIs: the calls, and what each answer means for money.

Owns: which answer to a create is an acceptance, a refusal, a "later" or a loss. Must not know:
jobs, callers, when to ask. The shapes are in ``wire.py``. HTTP status is judged before the body:
an error body may look like a failed task. Sources: the vendor's page for the official channel and
what live clients have met.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import TypeVar
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
    Silence,
    StatusUnavailable,
    TaskStatus,
    TaskUnknown,
)
from gateway.upstream.wire import (
    Fault,
    Json,
    names_pictures,
    no_channel,
    parse,
    read_fault,
    read_status,
    refusal,
    says_again,
    says_later,
    says_no,
    task_id_in,
    wire_body,
)
from gateway.web.clients import Answer, Calls, Interrupted, NotConnected, Part
from gateway.web.headers import retry_after

T = TypeVar("T")

_IN_THREAD = 64 * 1024
# What reading a body of the wrong types may raise; no answer may end a paid task.
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
# Sent elsewhere by its address, so it was not taken here.
_ELSEWHERE = {
    HTTPStatus.MOVED_PERMANENTLY,
    HTTPStatus.FOUND,
    HTTPStatus.TEMPORARY_REDIRECT,
    HTTPStatus.PERMANENT_REDIRECT,
}
_ACCEPTED = {HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED}
_PERHAPS_ACCEPTED = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT}
_NOT_UPLOADED = "The image service could not be reached to upload a picture."
_UNREAD = "The image service's answer to the upload of a picture made no sense."
_NO_SUCH_TASK = {"task_not_exist", "task_not_found"}
# What a question met on its way; another word is the network's.
_ON_THE_WAY: Mapping[str, Silence] = {
    **dict.fromkeys(("timeout", "ConnectTimeout", "PoolTimeout"), "timeout"),
    **dict.fromkeys(("ReadTimeout", "WriteTimeout"), "timeout"),
    "answer too large": "garbage",
}


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
        return await _read(answer, self._uploaded)

    def _uploaded(self, answer: Answer, body: Json) -> str:
        data = body.get("data")
        url = data.get("url") if isinstance(data, dict) else None
        accepted = answer.status in _ACCEPTED and body.get("success") is not False
        if accepted and isinstance(url, str) and url:
            return url
        if answer.status in _ACCEPTED and not says_no(body):
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
        try:
            return await _read(answer, partial(self._created, task_id))
        except _UNREADABLE as error:
            raise CreateLost(f"unreadable answer ({type(error).__name__})") from error

    def _created(self, task_id: str, answer: Answer, body: Json) -> TaskStatus:
        """What an answer to a create means. Only an explicit no is held for a refusal."""
        fault = read_fault(answer, body)
        if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            if task_id_in(body) or names_pictures(body):
                return self._status(body, task_id)
            if answer.status in _ACCEPTED and says_no(body) and not says_again(fault):
                raise CreateRefused(fault.word, self._refused(fault, answer))
            raise CreateLost("answer without a task id")
        if says_later(fault):
            raise CreateThrottled(fault.word, self._pause(answer))
        refused = HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
        said_no = answer.status in _ELSEWHERE or no_channel(fault) or refused
        if said_no and answer.status not in _PERHAPS_ACCEPTED and not says_again(fault):
            raise CreateRefused(fault.word, self._refused(fault, answer))
        raise CreateLost(fault.word)

    async def status(self, task_id: str) -> TaskStatus:
        """Ask about a task, by either id. Raises: StatusUnavailable, TaskUnknown."""
        url = f"{self._tasks}/{quote(task_id, safe='')}"
        try:
            answer = await self._outgoing.call("GET", url, self._headers, self._section.status_time)
            return await _read(answer, partial(self._told, task_id))
        except Interrupted as error:
            kind = _ON_THE_WAY.get(error.reason, "network")
            raise StatusUnavailable(error.reason, kind=kind) from error
        except _UNREADABLE as error:
            reason = f"unreadable answer ({type(error).__name__})"
            raise StatusUnavailable(reason, kind="garbage") from error

    def _told(self, task_id: str, answer: Answer, body: Json) -> TaskStatus:
        if answer.status == HTTPStatus.OK and task_id_in(body):
            return self._status(body, task_id)
        fault = read_fault(answer, body)
        # A bare 404 is a proxy's; only the vendor can say that it knows no such task.
        if fault.code in _NO_SUCH_TASK or (answer.status == HTTPStatus.NOT_FOUND and says_no(body)):
            raise TaskUnknown(fault.word)
        raise StatusUnavailable(fault.word, self._pause(answer), kind=_silence(answer.status))

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


def _silence(status: int) -> Silence:
    """What an answer that says nothing of its task is, by its status."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return "http_429"
    if status == HTTPStatus.REQUEST_TIMEOUT:
        return "timeout"
    return "http_5xx" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "garbage"


async def _read(answer: Answer, read: Callable[[Answer, Json], T]) -> T:
    """Parse a body and read it; large ones in a thread, for both take their time."""

    def parsed_and_read() -> T:
        return read(answer, parse(answer.body))

    if len(answer.body) > _IN_THREAD:
        return await asyncio.to_thread(parsed_and_read)
    return parsed_and_read()
