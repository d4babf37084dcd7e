"""What clients make of an answer: types held to, as a strict decoder holds to them.

Owns: comparing JSON with a shape, and getting pictures out of it. Must not know: any client; each
module declares the shapes its client's types come to.

A shape is ``int``, ``float`` (an integer will do), ``str``, ``bool``, a list of one shape, a
mapping of names to shapes, or one of these within ``Maybe`` (may be absent) or ``Nullable`` (may be
null). Names beyond the shape are passed over, as decoders do; booleans are no integers.
"""

import base64
from dataclasses import dataclass
from typing import Any

from PIL import Image

from tests.clients.raw.wire import Reply
from tests.e2e.pictures import decoded


@dataclass(frozen=True)
class Maybe:
    shape: Any


@dataclass(frozen=True)
class Nullable:
    shape: Any


class Misread(AssertionError):
    """A client with these types could not read the answer."""


def read_as(value: Any, shape: Any, place: str = "$") -> Any:
    """The value, if it is of the shape. Raises: Misread."""
    if isinstance(shape, Maybe):
        return read_as(value, shape.shape, place)
    if isinstance(shape, Nullable):
        return None if value is None else read_as(value, shape.shape, place)
    if isinstance(shape, dict):
        return _mapping(value, shape, place)
    if isinstance(shape, list):
        if not isinstance(value, list):
            raise Misread(f"{place}: no list but {value!r:.60}")
        return [read_as(item, shape[0], f"{place}[{i}]") for i, item in enumerate(value)]
    kinds = (int, float) if shape is float else shape
    if not isinstance(value, kinds) or (isinstance(value, bool) and shape is not bool):
        raise Misread(f"{place}: no {shape.__name__} but {value!r:.60}")
    return value


def _mapping(value: Any, shape: dict[str, Any], place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Misread(f"{place}: no object but {value!r:.60}")
    missing = {name for name, of in shape.items() if not isinstance(of, Maybe)} - value.keys()
    if missing:
        raise Misread(f"{place}: lacks {', '.join(sorted(missing))}")
    known = {name: of for name, of in shape.items() if name in value}
    return {name: read_as(value[name], of, f"{place}.{name}") for name, of in known.items()}


def json_of(reply: Reply) -> Any:
    """The body of a success as JSON: by status and media type, as most clients decide."""
    if reply.status != 200:
        raise Misread(f"status {reply.status}: {reply.body[:200]!r}")
    if (reply.header("content-type") or "").partition(";")[0] != "application/json":
        raise Misread(f"no JSON but {reply.header('content-type')}")
    return reply.json


def picture(encoded: str) -> Image.Image:
    """A picture from its base64, which has neither a prefix nor line breaks."""
    return decoded(base64.b64decode(encoded, validate=True))


def pictures_of(reply: Reply) -> list[Image.Image]:
    """All pictures of an answer that holds base64 and nothing else."""
    data = json_of(reply)["data"]
    assert data
    for item in data:
        assert set(item) <= {"b64_json", "revised_prompt"}, set(item)
    return [picture(item["b64_json"]) for item in data]
