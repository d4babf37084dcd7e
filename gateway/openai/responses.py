"""What goes back: results and errors in OpenAI's shapes.

Owns: the only table from errors to HTTP, the JSON of an answer, and the headers that are ours.
Must not know: how a result was made. Routes and streams use the same functions.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from gateway import errors
from gateway.errors import Bought, GatewayError
from gateway.images.shelf import Shelved
from gateway.translate.model import Note, Plan
from gateway.translate.usage import usage

_LONGEST_RETRY = 60
_LONGEST_NOTE_VALUE = 100
_LONGEST_ID = 200


@dataclass(frozen=True, slots=True)
class Row:
    """What one kind of error becomes; ``code`` where the error brings none of its own."""

    status: int
    type: str
    code: str | None = None
    retry: bool | None = None


_REQUEST = "invalid_request_error"
_IMAGE = "image_generation_user_error"
_SERVER = "server_error"
_BUSY = "service_unavailable_error"

# By class; a class that is not listed goes by its nearest listed ancestor.
TABLE: Mapping[type[GatewayError], Row] = {
    errors.GatewayError: Row(500, _SERVER, "server_error"),
    errors.RequestError: Row(400, _REQUEST),
    errors.InvalidRequest: Row(400, _REQUEST),
    errors.UnmakeableImage: Row(400, _IMAGE, "invalid_value"),
    errors.ContentRefused: Row(400, _IMAGE, "moderation_blocked"),
    errors.Unauthenticated: Row(401, _REQUEST),
    errors.WebhookRefused: Row(401, _REQUEST, "invalid_webhook_signature"),
    errors.RateLimited: Row(429, "rate_limit_error", "rate_limit_exceeded"),
    errors.QuotaExceeded: Row(429, "insufficient_quota", "insufficient_quota", retry=False),
    errors.NotPermitted: Row(403, _REQUEST, "permission_denied"),
    errors.ModelNotFound: Row(404, _REQUEST, "model_not_found"),
    errors.UnknownUrl: Row(404, _REQUEST, "unknown_url"),
    errors.ImageNotFound: Row(404, _REQUEST, "image_not_found"),
    errors.GenerationNotFound: Row(404, _REQUEST, "generation_not_found"),
    errors.MethodNotAllowed: Row(405, _REQUEST, "method_not_supported"),
    errors.BodyTooSlow: Row(408, _REQUEST, "request_timeout"),
    errors.IdempotencyKeyReused: Row(422, _REQUEST, "idempotency_key_reused"),
    errors.BodyTooLarge: Row(413, _REQUEST, "request_too_large"),
    errors.UnsupportedContentType: Row(400, _REQUEST, "unsupported_content_type"),
    errors.UpstreamError: Row(502, _SERVER, "upstream_error"),
    errors.UpstreamRefused: Row(400, _REQUEST, "upstream_refused"),
    errors.UpstreamUnauthorized: Row(503, _SERVER, "upstream_unauthorized", retry=False),
    errors.UpstreamUnfunded: Row(429, "insufficient_quota", "insufficient_quota", retry=False),
    errors.UpstreamModelUnavailable: Row(503, _SERVER, "upstream_model_unavailable", retry=False),
    errors.UpstreamThrottled: Row(429, "rate_limit_error", "rate_limit_exceeded"),
    errors.UpstreamUnavailable: Row(503, _BUSY, "upstream_unavailable"),
    errors.CreatesHeldBack: Row(503, _BUSY, "upstream_unavailable"),
    errors.UpstreamOutcomeUnknown: Row(502, _SERVER, "upstream_outcome_unknown", retry=False),
    errors.TaskFailed: Row(502, "image_generation_server_error", "upstream_task_failed"),
    errors.ResultUnusable: Row(502, "image_generation_server_error", "upstream_result_unusable"),
    errors.DeadlineExceeded: Row(504, _SERVER, "upstream_timeout"),
    errors.ServiceError: Row(503, _BUSY, "server_is_overloaded"),
    errors.Overloaded: Row(503, _BUSY, "server_is_overloaded"),
    errors.NoRoom: Row(503, _BUSY, "storage_full"),
    errors.Draining: Row(503, _BUSY, "server_is_draining", retry=True),
    errors.LedgerUnavailable: Row(503, _BUSY, "journal_unavailable"),
    errors.InternalError: Row(500, _SERVER, "server_error"),
}


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """A whole error answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes
    code: str | None


def row_for(error: GatewayError) -> Row:
    """The table's row for an error's class or its nearest listed ancestor."""
    return next(TABLE[kind] for kind in type(error).__mro__ if kind in TABLE)


def render_error(error: GatewayError, base_url: str = "") -> ErrorAnswer:
    """An error as status, headers and body; all four keys of the envelope are always there.

    Once something is bought the answer names it, says where it can be asked for, and asks SDKs not
    to send the request again; unless coming back is what collects it.
    ``base_url`` is where links to kept pictures point.
    """
    row = row_for(error)
    headers: dict[str, str] = {"content-type": "application/json"}
    retry = True if error.come_back else False if error.bought is not None else row.retry
    if retry is not None:
        headers["x-should-retry"] = "true" if retry else "false"
    if retry is not False and error.retry_after is not None:
        headers["retry-after"] = str(min(_LONGEST_RETRY, max(1, math.ceil(error.retry_after))))
        if isinstance(error, errors.RateLimited):  # known exactly, and understood by the SDKs
            headers["retry-after-ms"] = str(math.ceil(error.retry_after * 1000))
    if isinstance(error, errors.MethodNotAllowed):
        headers["allow"] = ", ".join(error.allowed)
    if isinstance(error, errors.Unauthenticated):
        headers["www-authenticate"] = "Bearer"
    if error.bought is not None and error.bought.upstream_ids:
        headers["x-gateway-task"] = task_header(error.bought.upstream_ids)
    body = json.dumps({"error": whole_fields(error, base_url)}).encode()
    return ErrorAnswer(row.status, headers, body, error.code or row.code)


def whole_fields(error: GatewayError, base_url: str) -> dict[str, object]:
    """The four keys of the envelope; the message names what was bought, and where it is told of."""
    return told_fields(error, error.message + _told(error.bought, base_url))


def told_fields(error: GatewayError, message: str | None = None) -> dict[str, object]:
    """The four keys of the envelope."""
    row = row_for(error)
    return {
        "message": error.message if message is None else message,
        "type": row.type,
        "param": error.param,
        "code": error.code or row.code,
    }


def _told(bought: Bought | None, base_url: str) -> str:
    if bought is None:
        return ""
    tasks = f", upstream tasks {', '.join(bought.upstream_ids)}" if bought.upstream_ids else ""
    kept = ""
    if bought.kept:
        links = ", ".join(f"{base_url}/images/{name}" for name in bought.kept)
        kept = f" Pictures that were made are kept: {links}."
    where = f"{base_url}/v1/images/generations/{bought.job_id}"
    return f" (job {bought.job_id}{tasks}; see {where}){kept}"


def task_header(upstream_ids: tuple[str, ...]) -> str:
    """The vendor's ids for a header; escaped, for they are the vendor's to choose."""
    return ", ".join(quote(one[:_LONGEST_ID], safe="") for one in upstream_ids)


def note_header(notes: tuple[Note, ...]) -> str:
    """Notes as an RFC 8941 list of tokens with parameters."""
    return ", ".join(_note(note) for note in notes)


def _note(note: Note) -> str:
    parameters = "".join(f";{name}={_value(value)}" for name, value in note.params)
    return f"{note.name}{parameters}"


def _value(value: str | float) -> str:
    if isinstance(value, int | float):
        return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    plain = "".join(letter if " " <= letter <= "~" else "?" for letter in value)
    escaped = plain[:_LONGEST_NOTE_VALUE].replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@dataclass(frozen=True, slots=True)
class Result:
    """What an answer tells: the plan, its pictures in order, when (Unix seconds).

    ``before`` are fields that come before all others.
    """

    plan: Plan
    images: tuple[Shelved, ...]
    created: int
    base_url: str
    before: Mapping[str, object] = field(default_factory=dict)


# A picture's base64 stands between two pieces of JSON, and is never part of either.
Segment = bytes | Shelved


def segments(result: Result) -> list[Segment]:
    """The body in order: JSON text, with each picture to be put in as base64.

    Keys are in the order OpenAI sends them; ``size`` and ``output_format`` are what was made.
    """
    plan, first = result.plan, result.images[0]
    head = {
        **result.before,
        "created": result.created,
        "background": plan.tasks[0].background or "opaque",
    }
    body: list[Segment] = [_open(head) + b',"data":[']
    for place, shelved in enumerate(result.images):
        body += _item(result, shelved, last=place == len(result.images) - 1)
    tail: dict[str, object] = {
        "output_format": first.format,
        "quality": plan.quality,
        "size": f"{first.width}x{first.height}",
        "usage": usage_fields(result, result.images),
    }
    if plan.safety_identifier:
        tail["safety_identifier"] = plan.safety_identifier
    return [*body, b"]," + _close(tail)]


def _item(result: Result, shelved: Shelved, *, last: bool) -> list[Segment]:
    fields: dict[str, object] = {}
    delivery = result.plan.delivery
    if delivery != "b64_json":
        fields["url"] = f"{result.base_url}/images/{shelved.filename}"
    dall_e = (result.plan.requested_model or "").removeprefix("openai/").startswith("dall-e-")
    if dall_e and result.plan.text_tokens is None:  # else the prompt is no longer kept
        fields["revised_prompt"] = result.plan.tasks[0].prompt
    end = b"" if last else b","
    if delivery == "url":
        return [json.dumps(fields).encode() + end]
    if not fields:
        return [b'{"b64_json":"', shelved, b'"}' + end]
    return [_open(fields) + b',"b64_json":"', shelved, b'"}' + end]


def usage_fields(
    result: Result, images: tuple[Shelved, ...], *, tell_input: bool = True
) -> dict[str, object]:
    """Tokens of some of its pictures; of what went in only where that is to be told."""
    actual = tuple((shelved.width, shelved.height) for shelved in images)
    tokens = usage(result.plan, actual)
    text, image = (tokens.text, tokens.image) if tell_input else (0, 0)
    return {
        "input_tokens": text + image,
        "input_tokens_details": {"image_tokens": image, "text_tokens": text},
        "output_tokens": tokens.output,
        "output_tokens_details": {"image_tokens": tokens.output, "text_tokens": 0},
        "total_tokens": text + image + tokens.output,
    }


def _open(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()[:-1]


def _close(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()[1:]
