"""Reading what callers send, within bounds.

Owns: bounded bodies, JSON, one uploaded file. Must not know: what they mean. A body over its
bound is answered as the proxy in front of the vendor would: 413, in HTML.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from gateway.simulator.envelopes import REFUSALS, Refused, invalid, refusal

JSON_BYTES = 16_000_000
UPLOAD_BYTES = 64_000_000
_AT_ONCE = 200_000


async def read_json(request: Request) -> Any:  # noqa: ANN401 - decoded JSON of any shape
    """Decode the body. Raises ``Refused`` where it is too large or no JSON."""
    data = await bounded(request, JSON_BYTES).body()
    try:
        if len(data) > _AT_ONCE:
            return await asyncio.to_thread(json.loads, data)
        return json.loads(data)
    except (ValueError, RecursionError):
        raise Refused(invalid("The request body is not valid JSON.")) from None


async def read_upload(request: Request) -> bytes:
    """Read the part ``file``. Raises ``Refused`` in the upload's envelope."""
    try:
        async with bounded(request, UPLOAD_BYTES).form(max_files=4, max_fields=16) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise Refused(refusal("refused_with_200", status=400, message="file is required"))
            return await file.read()
    except HTTPException as error:
        raise Refused(refusal("refused_with_200", status=400, message=error.detail)) from None


def bounded(request: Request, most: int) -> Request:
    """Wrap the request so that it is refused once more than ``most`` bytes have come."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        raise Refused(REFUSALS["too_large"])
    return Request(request.scope, _counted(request.receive, most))


def _counted(receive: Callable[[], Any], most: int) -> Callable[[], Any]:
    arrived = 0

    async def counted() -> Message:
        nonlocal arrived
        message: Message = await receive()
        arrived += len(message.get("body", b""))
        if arrived > most:
            raise Refused(REFUSALS["too_large"])
        return message

    return counted
