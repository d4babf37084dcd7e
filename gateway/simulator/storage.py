"""Uploads, and the files that links point to.

Owns: the rules for an upload, serving files, broken links. Must not know: tasks beyond the prompt
that a fault matches. Files need no key; requests that bring one all the same are counted.
"""

import asyncio
import secrets

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from gateway.simulator.bodies import read_upload
from gateway.simulator.endpoints import refused
from gateway.simulator.envelopes import REFUSALS, Refused, answer, refusal
from gateway.simulator.files import Kept, sniff
from gateway.simulator.trouble import broken_file, delivered
from gateway.simulator.vendor import Vendor

MOST_BYTES = 10_000_000
"""``10MB``, read strictly: the page defines no unit."""


class FileEndpoints:
    """``POST /v1/uploads/images`` and ``GET /files/…``."""

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor

    async def upload(self, request: Request) -> Response:
        """Keep a picture and hand out its link."""
        vendor = self._vendor
        vendor.calls["upload"] += 1
        vendor.authorize(request)
        fault = vendor.script.next("upload")
        if fault is not None and fault.kind in REFUSALS:
            return refused(fault).response()
        data = await read_upload(request)
        sniffed = sniff(data[:16])
        if sniffed is None:
            raise self._refused("Unsupported image type. Allowed: JPEG, PNG, WebP, GIF")
        if len(data) > MOST_BYTES:
            raise self._refused("Image too large. Maximum size is 10MB")
        kept = await self._keep(data, *sniffed)
        told = {
            "id": f"upload_{secrets.token_hex(12)}",
            "url": f"{vendor.base(request)}/files/{kept.name}",
            "mime_type": kept.media_type,
            "size": kept.size,
        }
        response = answer({"success": True, "message": "", "data": told})
        return delivered(fault, response, vendor.clock)

    async def file(self, request: Request) -> Response:
        """Hand out a file, or what has become of it."""
        vendor = self._vendor
        vendor.calls["file"] += 1
        if "authorization" in request.headers:
            vendor.authorized_file_requests += 1
        kept = vendor.files.find(request.path_params["name"])
        if kept is None or self._expired(kept):
            return Response("Not Found", 404, media_type="text/plain")
        task = vendor.book.find(kept.task_id)
        fault = vendor.script.next("file", task.order.prompt if task is not None else "")
        if fault is None:
            return FileResponse(kept.path, media_type=kept.media_type)
        if fault.kind in REFUSALS:
            return refused(fault).response()
        data = await asyncio.to_thread(kept.path.read_bytes)
        broken = broken_file(fault, data, kept.media_type)
        if broken is not None:
            return broken
        return delivered(fault, Response(data, media_type=kept.media_type), vendor.clock)

    def _expired(self, kept: Kept) -> bool:
        age = self._vendor.clock.monotonic() - kept.since
        return bool(kept.task_id) and age > self._vendor.settings.link_lifetime

    async def _keep(self, data: bytes, media_type: str, extension: str) -> Kept:
        vendor = self._vendor
        path = vendor.files.path()
        await asyncio.to_thread(path.write_bytes, data)
        name = f"uploads/1001/{int(vendor.clock.wall())}_{secrets.token_hex(4)}.{extension}"
        kept = Kept(name, path, media_type, len(data), vendor.clock.monotonic())
        vendor.files.keep(kept)
        return kept

    def _refused(self, message: str) -> Refused:
        status = self._vendor.settings.upload_refusal_status
        return Refused(refusal("refused_with_200", status=status, message=message))
