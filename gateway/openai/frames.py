"""What a stream says, byte for byte: events, comments, and errors after its first byte.

Owns: the framing of server-sent events, and the fields of an event. Must not know: when anything
is sent. A picture's base64 is put in by whoever sends, as in a JSON body (``delivery.py``).
OpenAI's own streams have both an ``event:`` and a ``data:`` line, and simply end.
"""

import json
from collections.abc import Mapping

from gateway.errors import GatewayError
from gateway.images.shelf import Shelved
from gateway.openai.responses import Result, Segment, usage_fields, whole_fields
from gateway.translate.model import Kind

_COMPLETED: Mapping[Kind, str] = {
    "generation": "image_generation.completed",
    "edit": "image_edit.completed",
}


_COME_BACK = "Asking again gets what was paid for."


def comment(text: str) -> bytes:
    """What clients pass over; ``text`` is one line.

    No blank line follows: older versions of openai-go take each for the end of an event, and fail
    to read one that is empty.
    """
    return f": {text}\n".encode()


def completed(result: Result) -> list[Segment]:
    """One event for each picture, in order, with each picture to be put in as base64.

    Each tells its own picture's tokens. What went in went in once: the first event tells of it, so
    that the events' sums are what one JSON body would say.
    """
    frames: list[Segment] = []
    for place, shelved in enumerate(result.images):
        frames += _completed(result, shelved, tell_input=place == 0)
    return frames


def failed(error: GatewayError, base_url: str) -> bytes:
    """A failure; SDKs raise it for the nested ``error``, and would yield a flat one as an event.

    Of what a header would have told them only words are left.
    """
    fields = whole_fields(error, base_url)
    if error.come_back:
        fields["message"] = f"{fields['message']} {_COME_BACK}"
    told = {"type": "error", "error": fields}
    return b"event: error\ndata: %b\n\n" % _json(told)


def _completed(result: Result, shelved: Shelved, *, tell_input: bool) -> list[Segment]:
    plan = result.plan
    name = _COMPLETED[plan.kind]
    head: dict[str, object] = {"type": name}
    if plan.delivery != "b64_json":
        head["url"] = f"{result.base_url}/images/{shelved.filename}"
    tail = {
        "created_at": result.created,
        "size": f"{shelved.width}x{shelved.height}",
        "quality": plan.quality,
        "background": plan.tasks[0].background or "opaque",
        "output_format": shelved.format,
        "usage": usage_fields(result, (shelved,), tell_input=tell_input),
    }
    begin = f"event: {name}\ndata: ".encode() + _json(head)[:-1]
    end = b"," + _json(tail)[1:] + b"\n\n"
    if plan.delivery == "url":
        return [begin + end]
    return [begin + b',"b64_json":"', shelved, b'"' + end]


def _json(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()
