"""Where a request's pictures come from: parts, data URLs, base64, addresses.

Owns: the shapes in which clients name pictures (``openai-images-api`` sections 2.3 and 9), their
order and number, and decoding those sent as text. Must not know: pixels (``pictures.py``).
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.errors import InvalidRequest
from gateway.openai import faults
from gateway.openai.decoding import (
    Decoder,
    data_head,
    decode_file,
    decode_text,
    looks_encoded,
    read_piece,
)
from gateway.openai.faults import Json
from gateway.openai.fields import Given
from gateway.openai.forms import Upload
from gateway.openai.spool import Spool

MOST_REFERENCES = 16
_HEAD = 8_192
"""Bytes of a part looked at to tell a text from a picture; no address is longer."""
_STRICT_LENGTH = 20_971_520
"""Characters of an ``image_url`` at OpenAI."""

_ADDRESS = re.compile(r"\s*https?://", re.IGNORECASE)
_FILE_ID = re.compile(r"file-[A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class Spooled:
    """Bytes in a file, not yet looked at."""

    path: str


@dataclass(frozen=True, slots=True)
class Address:
    """A picture elsewhere; ``param`` is the place in the body that named it."""

    url: str
    param: str


Source = Spooled | Address


@dataclass(frozen=True, slots=True)
class Sources:
    """A request's pictures in the caller's order, and its mask."""

    references: tuple[Source, ...] = ()
    mask: Source | None = None


@dataclass(frozen=True, slots=True)
class Workshop:
    """What decoding needs: where files go, and the bound on one picture in bytes."""

    spool: Spool
    limit: int


async def from_json(given: Given, workshop: Workshop) -> Sources:
    """Read ``images`` (or ``image``) and ``mask``. Raises ``InvalidRequest``."""
    items = _items(given)
    _check_count(len(items))
    references = [await _named(param, item, given, workshop) for param, item in items]
    mask = given.values.get("mask")
    if given.absent(mask):
        return Sources(tuple(references))
    return Sources(tuple(references), await _named("mask", mask, given, workshop))


async def from_form(given: Given, uploads: Sequence[Upload], workshop: Workshop) -> Sources:
    """Read the parts for pictures. Raises ``InvalidRequest``."""
    images = [upload for upload in uploads if upload.field != "mask"]
    plural = next((each.field for each in images if each.field.startswith("images")), None)
    if given.strict and plural:
        raise faults.unknown(plural)
    if all(upload.index is not None for upload in images):
        images.sort(key=lambda upload: upload.index or 0)
    references = await _parts(images, given, workshop)
    _check_count(len(references))
    masks = await _parts([each for each in uploads if each.field == "mask"], given, workshop)
    if len(masks) > 1:
        raise faults.too_many("mask", 1, len(masks))
    return Sources(tuple(references), *masks)


def _check_count(count: int) -> None:
    if not count:
        raise faults.missing("image")
    if count > MOST_REFERENCES:
        raise faults.too_many("image", MOST_REFERENCES, count)


def _items(given: Given) -> list[tuple[str, Json]]:
    """Each picture's place in the body, and what stands there."""
    items: list[tuple[str, Json]] = []
    for name in ("image", "images"):
        value = given.values.get(name)
        if given.absent(value):
            continue
        if isinstance(value, list):
            items += [(f"{name}[{i}]", item) for i, item in enumerate(value)]
        elif given.strict:
            raise faults.mistyped(name, "an array of objects", value)
        else:
            items.append((name, value))
    return items


async def _named(param: str, item: Json, given: Given, workshop: Workshop) -> Source:
    param, text = _text_of(param, item, given)
    lifted = given.lifted.get(text)
    if given.strict and lifted and lifted.length > _STRICT_LENGTH:
        raise faults.too_long(param, _STRICT_LENGTH, lifted.length)
    if lifted:
        _refuse_undecoded(param, lifted.fault)
        return Spooled(lifted.path)
    if _ADDRESS.match(text):
        return Address(text.strip(), param)
    if _FILE_ID.fullmatch(text):
        raise _no_files(param)
    decoder = await decode_text(text.encode("ascii", "replace"), workshop.spool, workshop.limit)
    return _decoded(param, decoder)


def _text_of(param: str, item: Json, given: Given) -> tuple[str, str]:
    """Return the text that names a picture, and its place: in ``{"image_url": …}`` or bare."""
    if isinstance(item, str) and not given.strict:
        return param, item
    if not isinstance(item, dict):
        raise faults.mistyped(param, "an object with an image_url", item)
    if not given.absent(item.get("file_id")):
        raise _no_files(f"{param}.file_id")
    if given.strict and (surplus := next((key for key in item if key != "image_url"), None)):
        raise faults.unknown(f"{param}.{surplus}")
    url, param = item.get("image_url"), f"{param}.image_url"
    if isinstance(url, dict) and not given.strict:
        url, param = url.get("url"), f"{param}.url"
    if given.absent(url):
        raise faults.missing(param)
    if not isinstance(url, str):
        raise faults.mistyped(param, "a string", url)
    return param, url


async def _parts(uploads: list[Upload], given: Given, workshop: Workshop) -> list[Source]:
    sources = [await _part(upload, given, workshop) for upload in uploads]
    return [source for source in sources if source is not None]


async def _part(upload: Upload, given: Given, workshop: Workshop) -> Source | None:
    """Tell files from texts: only a part without a file name may stand for a picture."""
    if upload.named:
        return Spooled(upload.path)
    head = await asyncio.to_thread(read_piece, upload.path, 0, _HEAD)
    text = head.decode("latin-1")
    if given.absent(text):
        return None
    is_address = upload.size < _HEAD and _ADDRESS.match(text)
    if not (is_address or data_head(head) or looks_encoded(head)):
        return Spooled(upload.path)
    if given.strict:
        raise faults.mistyped(upload.field, "one of an array of files or file", text)
    if is_address:
        return Address(text.strip(), upload.field)
    decoder = await decode_file(upload.path, workshop.spool, workshop.limit)
    return _decoded(upload.field, decoder)


def _decoded(param: str, decoder: Decoder) -> Spooled:
    _refuse_undecoded(param, decoder.fault)
    return Spooled(decoder.file.path)


def _refuse_undecoded(param: str, fault: str | None) -> None:
    if fault:
        message = f"Invalid '{param}': expected an https address or a base64 data URL, but {fault}."
        raise faults.invalid(param, message)


def _no_files(param: str) -> InvalidRequest:
    return faults.invalid(param, f"'{param}': file ids are not supported; send the picture itself.")
