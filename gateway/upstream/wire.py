"""ToAPIs' wire shape: requests out, answers in, pure. Only ``toapis.py`` may import this.

Owns: how a task spec becomes JSON, and how any body, in every shape the vendor's pages and live
clients have shown, becomes a status or one of our errors. Must not know: I/O, jobs, callers.
Where sources differ this side is tolerant: an unknown status word means "still running", pictures
are looked for in every place they have been seen.
"""

import itertools
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

from gateway.errors import (
    ContentRefused,
    GatewayError,
    ResultUnusable,
    TaskFailed,
    UpstreamError,
    UpstreamModelUnavailable,
    UpstreamRefused,
    UpstreamThrottled,
    UpstreamUnauthorized,
    UpstreamUnavailable,
    UpstreamUnfunded,
)
from gateway.translate.model import Reference, TaskSpec
from gateway.upstream.base import Phase, TaskStatus
from gateway.web.clients import Answer

Json = dict[str, object]

_WORDS: Mapping[str, Phase] = {
    **dict.fromkeys(("queued", "pending", "submitted", "", "not_start"), "queued"),
    **dict.fromkeys(("in_progress", "processing", "running"), "running"),
    **dict.fromkeys(("completed", "succeeded", "success"), "done"),
    **dict.fromkeys(("failed", "failure", "error", "cancelled", "canceled", "expired"), "failed"),
}

_WELL = frozenset(("success", "ok", "200", "0", ""))
_UNFUNDED = frozenset(
    ("insufficient_quota", "payment_required", "quota_not_enough", "insufficient_user_quota")
)
_AGAIN = ("already", "duplicate", "exist", "repeated", "unique", "used before", "重复", "已存在")
_NO_CHANNEL = ("no available channel", "无可用渠道", "未配置渠道")
_REFUSED_CONTENT = (
    "image_unsafe",
    "unsafe",
    "content policy",
    "content_policy_violation",
    "moderation",
    "safety",
    "违规",
    "审核",
    "upstream returned status 422",
)
_REFUSED_REQUEST = ("invalidparameter", "not supported", "invalid image_url", "invalid request")

_BLOCKED = "Your request was rejected by the safety system."
_OPERATORS = "This is for the gateway's operator to mend."
_SETTING = f"{_OPERATORS} The setting is models.<name>.upstream_model."
_LONGEST_MESSAGE = 500
_LONGEST_TEXT = 4_000
_LONGEST_NAME = 64
_MOST_LINKS = 100
_END_OF_TIME = 1e11
_DIGITS = re.compile(r"[0-9]{1,9}")
_DEEPEST = 4
# What may stand in a header, and in an answer's ``code`` and ``param``.
_ID = re.compile(r"[\x21-\x7e]{1,200}")
_NAME = re.compile(r"[\w.\[\]-]{1,64}", re.ASCII)
_SECRETS = re.compile(r"sk-[\w-]{6,}|Bearer\s+\S+|https?://\S+|[A-Za-z0-9+/=]{120,}")


@dataclass(frozen=True, slots=True)
class Fault:
    """What an error answer says, whatever envelope it came in."""

    status: int
    code: str
    message: str
    param: str | None = None

    @property
    def word(self) -> str:
        """For logs."""
        return f"{self.status} {self.code}".strip()


def wire_body(spec: TaskSpec, links: Mapping[Reference, str], task_id: str) -> Json:
    """The create call's JSON. Absent values are left out; the compression is sent for jpeg only."""
    body: Json = {
        "model": spec.upstream_model,
        "prompt": spec.prompt,
        "size": spec.ratio,
        "resolution": spec.tier,
        "quality": spec.quality,
        "output_format": spec.output_format,
        "n": spec.n,
        "client_business_id": task_id,
    }
    if spec.output_compression is not None:
        body["output_compression"] = spec.output_compression
    if spec.background is not None:
        body["background"] = spec.background
    if spec.references:
        body["image_urls"] = [links[reference] for reference in spec.references]
    if spec.mask is not None:
        body["mask_url"] = links[spec.mask]
    return body


def parse(body: bytes) -> Json:
    """The body as an object; anything else is an empty one."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return cast("Json", value) if isinstance(value, dict) else {}


def task_id_in(body: Json) -> str:
    """The vendor's id of a task, or an empty string where there is none that can be one."""
    for name in ("id", "task_id"):
        value = body.get(name)
        if isinstance(value, str) and _ID.fullmatch(value):
            return value
    return ""


def read_status(body: Json, asked: str) -> TaskStatus:
    """A task's status; ``asked`` stands in for a missing id. Done without a picture is failed."""
    word = body.get("status")
    word = word if isinstance(word, str) else ""
    phase = _WORDS.get(word.strip().lower(), "running")
    if "status" not in body and names_pictures(body):
        phase = "done"  # a plain synchronous answer, as some relays give
    links = tuple(_links(body)) if phase == "done" else ()
    failure: GatewayError | None = None
    if phase == "failed":
        failure = _failure(_reason(body))
    elif phase == "done" and not links:
        phase = "failed"
        failure = ResultUnusable(
            "The upstream finished the task without naming a picture.", code="upstream_no_result"
        )
    return TaskStatus(
        upstream_id=task_id_in(body) or asked,
        phase=phase,
        word=word[:_LONGEST_NAME],
        progress=_progress(body.get("progress")),
        links=links,
        failure=failure,
        completed_at=_moment(body.get("completed_at")),
        cost_usd=_cost(body),
    )


def names_pictures(body: Json) -> bool:
    """Whether the body names at least one picture, by what can only be its address."""
    return any(link.startswith(("https:", "http:", "data:")) for link in _links(body))


def says_no(body: Json) -> bool:
    """Whether a body that came with a good HTTP status is a refusal all the same."""
    error = body.get("error")
    refused = isinstance(error, dict | str) and bool(error)
    return refused or body.get("success") is False or _is_flat_fault(body)


def _is_flat_fault(body: Json) -> bool:
    code = body.get("code")
    told = isinstance(code, str) and isinstance(body.get("message"), str)
    return told and code not in _WELL


def _links(body: Json) -> list[str]:
    """Addresses of the pictures, from the first place that has any (the dossier's order)."""
    result = body.get("result")
    inner: Json = cast("Json", result) if isinstance(result, dict) else {}
    output = body.get("output")
    deep = cast("Json", output).get("results") if isinstance(output, dict) else output
    places: Iterable[object] = (
        inner.get("data") if isinstance(inner.get("data"), list) else None,
        body.get("url"),
        inner.get("url"),
        inner.get("data"),
        result if isinstance(result, list) else None,
        body.get("data"),
        deep,
        output,
        body.get("outputs"),
        body.get("images"),
        inner.get("images"),
    )
    for place in places:
        if links := list(itertools.islice(_items(place), _MOST_LINKS)):
            return links
    return []


def _items(place: object, depth: int = 0) -> Iterable[str]:
    """The addresses in a string, an item or a list of these; inline pictures as ``data:`` URLs."""
    if depth > _DEEPEST:
        return
    if isinstance(place, str) and place:
        yield place
    elif isinstance(place, list):
        for item in place:
            yield from _items(item, depth + 1)
    elif isinstance(place, dict):
        if place.get("url"):
            yield from _items(place["url"], depth + 1)
        elif isinstance(place.get("b64_json"), str) and place["b64_json"]:
            yield f"data:;base64,{place['b64_json']}"


def _progress(value: object) -> int | None:
    if isinstance(value, str):
        digits = value.strip().removesuffix("%")
        value = int(digits) if _DIGITS.fullmatch(digits) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(min(100, max(0, value))) if value == value else None  # noqa: PLR0124 - not for NaN


def _moment(value: object) -> float | None:
    """Unix seconds, if they can be."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value < _END_OF_TIME else None


def _cost(body: Json) -> str | None:
    billing = body.get("billing")
    cost = billing.get("cost_usd") if isinstance(billing, dict) else None
    return str(cost)[:_LONGEST_NAME] if isinstance(cost, str | float) else None


def _reason(body: Json) -> str:
    """Why a task failed: the message with its code, else the old field."""
    error = body.get("error")
    if isinstance(error, dict):
        return f"{_text(error.get('code'))} {_text(error.get('message'))}".strip()
    return _text(error) or _text(body.get("fail_reason"))


def _text(value: object) -> str:
    """A vendor's text, cut to what can be looked through in no time."""
    return value[:_LONGEST_TEXT] if isinstance(value, str) else ""


def _failure(reason: str) -> GatewayError:
    """A failed task's error: the code is nearly always the generic one, so the text decides."""
    text = reason.lower()
    if any(word in text for word in _REFUSED_CONTENT):
        return ContentRefused(_BLOCKED, code="moderation_blocked")
    if any(word in text for word in _REFUSED_REQUEST):
        message = f"The upstream refused the request: {clean(reason)}"
        return UpstreamRefused(message, code="upstream_refused")
    message = f"The upstream could not make the picture: {clean(reason) or 'no reason given'}"
    return TaskFailed(message, code="upstream_task_failed")


def read_fault(answer: Answer, body: Json) -> Fault:
    """Read an error answer in any of the vendor's envelopes, or none."""
    error = body.get("error")
    source: Json = cast("Json", error) if isinstance(error, dict) else body
    message = _text(source.get("message")) or _text(error)
    code = _name(source.get("code")) or _name(source.get("type")) or ""
    return Fault(answer.status, code, message, _name(source.get("param")))


def _name(value: object) -> str | None:
    """A code or a parameter's name that may stand in an answer and in a log."""
    return value if isinstance(value, str) and _NAME.fullmatch(value) else None


def says_later(fault: Fault) -> bool:
    """Throttled: nothing was bought, and asking later may help."""
    if fault.code in _UNFUNDED:
        return False
    return fault.status == HTTPStatus.TOO_MANY_REQUESTS or fault.code == "rate_limit_unavailable"


def no_channel(fault: Fault) -> bool:
    """The vendor has nobody behind this model: refused before anything was bought."""
    text = fault.message.lower()
    return fault.code == "model_not_found" or any(word in text for word in _NO_CHANNEL)


def says_again(fault: Fault) -> bool:
    """The vendor has a task under our id already: somebody on the way sent the create twice.

    What it would say is not documented, so any word for it counts, next to the id's name.
    """
    text = f"{fault.code} {fault.param} {fault.message}".lower()
    named = any(name in text for name in ("business_id", "business id", "businessid"))
    return named and any(word in text for word in _AGAIN)


# First match wins. (predicate, error class, what the caller reads, our code)
_REFUSALS: tuple[tuple[Callable[[Fault], bool], type[UpstreamError], str, str], ...] = (
    (
        lambda fault: fault.code in _UNFUNDED or fault.status == HTTPStatus.PAYMENT_REQUIRED,
        UpstreamUnfunded,
        f"The gateway's account at the image service has no credit left. {_OPERATORS}",
        "insufficient_quota",
    ),
    (
        no_channel,
        UpstreamModelUnavailable,
        f"The image service does not serve the configured model on this account. {_SETTING}",
        "upstream_model_unavailable",
    ),
    (
        lambda fault: fault.status in {401, 403},
        UpstreamUnauthorized,
        f"The image service does not accept the gateway's key. {_OPERATORS}",
        "upstream_unauthorized",
    ),
    (
        says_later,
        UpstreamThrottled,
        "The image service takes no more requests at the moment.",
        "rate_limit_exceeded",
    ),
)


def refusal(fault: Fault, pause: float | None) -> GatewayError:
    """The vendor's no, as the error a caller is told; unknown codes go by the status."""
    text = f"{fault.code} {fault.message}".lower()
    if fault.status in {200, 400, 422} and any(word in text for word in _REFUSED_CONTENT):
        return ContentRefused(_BLOCKED, code="moderation_blocked")
    for applies, error, message, code in _REFUSALS:
        if applies(fault):
            return error(message, code=code, retry_after=pause)
    if fault.status in {200, 400, 413, 415, 422}:
        message = f"The upstream refused the request: {clean(fault.message) or fault.word}"
        code = fault.code or "upstream_refused"
        return UpstreamRefused(message, param=fault.param, code=code)
    message = f"The image service answered with an error ({fault.status})."
    return UpstreamUnavailable(message, code="upstream_unavailable", retry_after=pause)


def clean(text: str) -> str:
    """A vendor's text for a caller's eyes: one line, bounded, without keys, links or base64."""
    return _SECRETS.sub("[removed]", " ".join(text.split()))[:_LONGEST_MESSAGE]
