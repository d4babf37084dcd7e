"""A client's HTTP request to an ``ImageRequest``, or to an error that says what was wrong.

Owns: which media types are read on which path, the order of reading, and that nothing of a
refused request stays on disk. Must not know: keys, limits, plans, answers.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass

from starlette.types import Receive

from gateway.clock import Clock
from gateway.config.sections import PictureBounds, ServerBounds
from gateway.errors import UnsupportedContentType
from gateway.openai import faults, parameters
from gateway.openai.bodies import stream
from gateway.openai.documents import parse
from gateway.openai.fields import Given
from gateway.openai.forms import Form, read_form
from gateway.openai.lifting import LiftBounds, lift
from gateway.openai.multipart import boundary_of
from gateway.openai.pictures import Gathered, Gatherer, PictureDesk, RemotePolicy
from gateway.openai.references import Workshop, from_form, from_json
from gateway.openai.spool import Spool
from gateway.translate.model import ImageRequest, Kind

_BOM = b"\xef\xbb\xbf"
# Sent by callers who say nothing of the type, curl's -d among them: read when it starts like JSON.
_UNTOLD = frozenset({"", "application/x-www-form-urlencoded", "text/plain"})


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading needs, built once."""

    bounds: ServerBounds
    picture_bounds: PictureBounds
    strict: bool
    spool_folder: str
    pictures: PictureDesk
    remote: RemotePolicy
    clock: Clock


@dataclass(frozen=True, slots=True)
class Received:
    """A request and the files it refers to; whoever gets it discards the spool in the end.

    ``stream`` and ``webhook_url`` say how it is to be answered, and are no part of what is wished.
    """

    request: ImageRequest
    spool: Spool
    stream: bool = False
    webhook_url: str | None = None


async def read_request(
    kind: Kind,
    headers: Mapping[str, str],
    receive: Receive,
    reading: Reading,
    *,
    standing_prompt: str | None = None,
    fetching: Callable[[float], None] = lambda _: None,
) -> Received:
    """Read the body to its end and check all of it; header names are in lower case.

    ``standing_prompt`` serves where the body has none (variations). ``fetching`` is told, each
    time, how many seconds a picture took that the caller named by a link. Raises ``RequestError``
    of the kinds that a body can be guilty of, ``NoRoom``, and ``ClientGone``.
    """
    async with AsyncExitStack() as undo:
        spool = Spool(reading.spool_folder)
        undo.push_async_callback(spool.discard)
        reader = _Reader(kind, headers, receive, reading, spool, fetching)
        received = await reader.read(standing_prompt)
        undo.pop_all()
        return received


@dataclass(frozen=True, slots=True)
class _Reader:
    kind: Kind
    headers: Mapping[str, str]
    receive: Receive
    reading: Reading
    spool: Spool
    fetching: Callable[[float], None]

    async def read(self, standing_prompt: str | None) -> Received:
        media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type == "multipart/form-data":
            form = await self._form()
            given = Given(self.kind, form.values, form=True, strict=self.reading.strict)
        else:
            form = Form()
            given = await self._json(media_type)
        scalars = parameters.read_scalars(given, standing_prompt)
        gathered = await self._pictures(given, form)
        request = ImageRequest(
            kind=self.kind,
            prompt=scalars.prompt,
            requested_model=scalars.model,
            n=scalars.n,
            size=scalars.size,
            resolution=scalars.resolution,
            quality=scalars.quality,
            background=scalars.background,
            output_format=scalars.output_format,
            output_compression=scalars.output_compression,
            response_format=scalars.response_format,
            safety_identifier=scalars.safety_identifier,
            references=gathered.references,
            mask=gathered.mask,
            notes=scalars.notes + gathered.notes,
        )
        return Received(request, self.spool, scalars.stream, scalars.webhook_url)

    async def _pictures(self, given: Given, form: Form) -> Gathered:
        if self.kind == "generation":
            if form.uploads:
                raise faults.misplaced(form.uploads[0].field)
            return Gathered()
        workshop = Workshop(self.spool, self.reading.picture_bounds.bytes)
        sources = await (
            from_form(given, form.uploads, workshop) if given.form else from_json(given, workshop)
        )
        reading = self.reading
        remote = _Timed(reading.remote, reading.clock, self.fetching)
        gatherer = Gatherer(reading.pictures, remote, self.spool)
        return await gatherer.gather(sources)

    async def _form(self) -> Form:
        bounds = self.reading.bounds
        boundary = boundary_of(self.headers["content-type"])
        cap = bounds.body if self.kind == "edit" else bounds.json_generation
        async with aclosing(self._stream(cap)) as chunks:
            return await read_form(
                chunks, boundary, self.spool, bounds, self.reading.picture_bounds.bytes
            )

    async def _json(self, media_type: str) -> Given:
        told = media_type == "application/json"
        if not (told or (media_type in _UNTOLD and not self.reading.strict)):
            raise _unsupported(media_type)
        bounds = self.reading.bounds
        cap = bounds.json_edit if self.kind == "edit" else bounds.json_generation
        lift_bounds = LiftBounds(bounds.json_generation, self.reading.picture_bounds.bytes)
        async with aclosing(self._stream(cap)) as chunks:
            checked = chunks if told else _like_json(chunks, media_type)
            text, lifted = await lift(checked, self.spool, lift_bounds)
        return Given(self.kind, parse(text), strict=self.reading.strict, lifted=lifted)

    def _stream(self, cap: int) -> AsyncGenerator[bytes]:
        reading = self.reading
        return stream(self.receive, self.headers, cap, reading.bounds, reading.clock)


@dataclass(frozen=True, slots=True)
class _Timed:
    """A ``RemotePolicy`` that tells how long each download took, whatever came of it."""

    remote: RemotePolicy
    clock: Clock
    took: Callable[[float], None]

    def check(self, url: str) -> None:
        self.remote.check(url)

    async def fetch(self, url: str, path: str) -> None:
        began = self.clock.monotonic()
        try:
            await self.remote.fetch(url, path)
        finally:
            self.took(self.clock.monotonic() - began)


async def _like_json(chunks: AsyncIterator[bytes], media_type: str) -> AsyncIterator[bytes]:
    """Pass on a body that starts like a JSON object; refuse any other at the first sign of it."""
    began, seen = False, b""
    async for chunk in chunks:
        if not began:
            seen = (seen + chunk).removeprefix(_BOM).lstrip()
            began = seen.startswith(b"{")
            if seen and not began and not _BOM.startswith(seen):
                raise _unsupported(media_type)
        yield chunk


def _unsupported(media_type: str) -> UnsupportedContentType:
    shown = faults.quoted(media_type)
    return UnsupportedContentType(
        f"Unsupported content type: '{shown}'. Send 'application/json', or for edits "
        "'multipart/form-data'.",
        param=None,
        code="unsupported_content_type",
    )
