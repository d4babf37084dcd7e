"""What callers are told when it does not work: as they see it through the SDK."""

import re
from dataclasses import dataclass
from typing import Any

import openai

from tests.canaries import MARK
from tests.e2e.stand import KEY, VENDOR_KEY, Stand

CANARY = MARK
"""Stands in every prompt; no error may repeat it."""

_JOB = re.compile(r"\bjob_[0-9A-HJKMNP-TV-Z]{26}\b")


@dataclass(frozen=True)
class Told:
    """An error as the SDK's caller meets it.

    ``final``: SDKs are told not to come back; ``back``: that they should. ``bought``: job and
    vendor's task are named; ``perhaps``: the job alone, for nobody knows whether there is a task.
    """

    error: type[openai.APIStatusError]
    status: int
    type: str
    code: str
    param: str | None = None
    final: bool = False
    back: bool = False
    bought: bool = False
    perhaps: bool = False


def refused(code: str = "upstream_refused", param: str | None = None, **more: Any) -> Told:
    return Told(openai.BadRequestError, 400, "invalid_request_error", code, param, **more)


def failed(code: str) -> Told:
    kind = "image_generation_server_error"
    return Told(openai.InternalServerError, 502, kind, code, final=True, bought=True)


BLOCKED = Told(
    openai.BadRequestError, 400, "image_generation_user_error", "moderation_blocked", None
)
LOST = Told(
    openai.InternalServerError,
    502,
    "server_error",
    "upstream_outcome_unknown",
    final=True,
    perhaps=True,
)
UNAUTHORIZED = Told(
    openai.InternalServerError, 503, "server_error", "upstream_unauthorized", final=True
)
UNFUNDED = Told(openai.RateLimitError, 429, "insufficient_quota", "insufficient_quota", final=True)
NO_MODEL = Told(
    openai.InternalServerError, 503, "server_error", "upstream_model_unavailable", final=True
)
THROTTLED = Told(openai.RateLimitError, 429, "rate_limit_error", "rate_limit_exceeded")
UNAVAILABLE = Told(
    openai.InternalServerError, 503, "service_unavailable_error", "upstream_unavailable"
)


def hold(stand: Stand, error: openai.APIStatusError, told: Told) -> None:
    """The error is what was expected, and gives nothing away."""
    body: Any = error.response.json()["error"]
    assert set(body) == {"message", "type", "param", "code"}
    seen = (type(error), error.status_code, body["type"], body["code"], body["param"])
    assert seen == (told.error, told.status, told.type, told.code, told.param), body
    headers = error.response.headers
    advice = "false" if told.final else "true" if told.back else None
    assert headers.get("x-should-retry") == advice
    assert error.request_id == headers["x-request-id"]
    assert bool(_JOB.search(body["message"])) is (told.bought or told.perhaps)
    assert ("x-gateway-task" in headers) is told.bought
    if told.bought:
        assert headers["x-gateway-task"] in body["message"]
    hold_tongue(stand, error.response.text + str(headers))


def hold_tongue(stand: Stand, text: str) -> None:
    """No key, no prompt, no address or path of ours or of the vendor's."""
    for secret in (CANARY, VENDOR_KEY, KEY, stand.vendor_url, "/files/", str(stand.folder)):
        assert secret not in text
    assert "Traceback" not in text
