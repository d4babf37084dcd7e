"""The vendor's ways of saying no: statuses, codes and the shapes of error bodies.

Owns: five envelopes, and a table of named refusals, each as the vendor's page or its live service
words it. Must not know: when a refusal is due. Source: the reference's chapter on HTTP errors.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from starlette.responses import Response

Json = Mapping[str, object]
Shape = Literal["error", "relay", "flat", "plain", "empty", "html", "text"]
"""``error`` is OpenAI's, ``relay`` adds a request id, ``flat`` and ``plain`` have no nesting."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer other than the one asked for.

    ``retry_after`` is the header's text, so that nonsense can be said too. ``message`` is the
    whole body where ``shape`` is ``text``.
    """

    status: int
    message: str = ""
    code: str | int | None = None
    type: str | None = None
    param: str | None = None
    shape: Shape = "error"
    retry_after: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        """Put this refusal into an HTTP response."""
        headers = dict(self.headers)
        if self.retry_after is not None:
            headers["retry-after"] = self.retry_after
        if self.shape == "empty":
            return Response(None, self.status, headers)
        if self.shape == "html":
            return Response(self._page(), self.status, headers, media_type="text/html")
        if self.shape == "text":
            return Response(self.message, self.status, headers, media_type="application/json")
        return answer(self._body(), self.status, headers)

    def _body(self) -> Json:
        match self.shape:
            case "flat":
                return {"code": self.code, "message": self.message, "data": None}
            case "plain":
                return {"success": False, "message": self.message}
            case "relay":
                said = f"{self.message} (request id: 20260101000000000000000simulated)"
                return {"error": {"code": self.code, "message": said, "type": self.type}}
            case _:
                named = {"code": self.code, "message": self.message, "type": self.type}
                if self.param is not None:
                    named["param"] = self.param
                return {"error": named}

    def _page(self) -> str:
        title = f"{self.status} {self.message}"
        return (
            f"<html><head><title>{title}</title></head><body><center><h1>{title}</h1></center>"
            "<hr><center>simulated proxy</center></body></html>"
        )


class Refused(Exception):
    """Raised anywhere in the vendor's house to answer with ``refusal``."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


def answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Make a JSON response; Chinese is sent as it is, not escaped."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status, headers, media_type="application/json")


def invalid(message: str, param: str | None = None) -> Refusal:
    """Make the refusal of a request that is not as the page asks."""
    return Refusal(400, message, "invalid_request", "invalid_request_error", param)


REFUSALS: Mapping[str, Refusal] = {
    "bad_request": invalid("The request is invalid."),
    "base64_refused": Refusal(
        400, "base64 image is not allowed", "invalid_request", "invalid_request_error", "image_urls"
    ),
    "invalid_image_url": Refusal(
        400, "invalid image_url", "invalid_request", "invalid_request_error", "image_urls"
    ),
    "invalid_references": Refusal(
        400, "Reference images are invalid.", "invalid_reference_images", "invalid_request_error"
    ),
    "webhook_not_configured": Refusal(
        400,
        "No webhook is configured for this token.",
        "webhook_not_configured",
        "invalid_request_error",
        "callback_url",
    ),
    "fail_to_fetch_task": Refusal(
        400, '{"error":{"message":"upstream refused"}}', "fail_to_fetch_task", shape="flat"
    ),
    "task_not_exist": Refusal(400, "task_not_exist", "task_not_exist", shape="flat"),
    "unauthorized": Refusal(401, "Invalid API key.", "unauthorized", "authentication_error"),
    "authentication_error": Refusal(401, "Invalid token.", 401, "authentication_error"),
    "invalid_token_zh": Refusal(401, "无效的令牌", "", "new_api_error", shape="relay"),
    "insufficient_quota": Refusal(
        402, "Insufficient account balance.", "insufficient_quota", "payment_required"
    ),
    "payment_required": Refusal(402, "Payment required.", 402, "payment_required"),
    "quota_not_enough": Refusal(403, "用户额度不足", "quota_not_enough", shape="flat"),
    "insufficient_user_quota": Refusal(
        403, "预扣费额度失败", "insufficient_user_quota", "new_api_error", shape="relay"
    ),
    "model_not_allowed": Refusal(
        403,
        "This token has no access to the model.",
        "access_denied",
        "new_api_error",
        shape="relay",
    ),
    "not_found": Refusal(404, "Task not found.", 404, "not_found_error"),
    "task_not_found": Refusal(404, "Task not found.", "task_not_found", "invalid_request_error"),
    "invalid_url": Refusal(404, "Invalid URL", "", "invalid_request_error"),
    "too_large": Refusal(413, "Request Entity Too Large", shape="html"),
    "content_policy": Refusal(
        422,
        "The prompt was refused by the safety system.",
        "content_policy_violation",
        "invalid_request_error",
        "prompt",
    ),
    "throttled": Refusal(
        429, "Rate limit exceeded.", "rate_limit_exceeded", "rate_limit_error", retry_after="1"
    ),
    "throttled_silently": Refusal(429, shape="empty"),
    "throttled_numeric": Refusal(429, "Too many requests.", 429, "rate_limit_error"),
    "overloaded": Refusal(
        429,
        "当前分组上游负载已饱和，请稍后再试",  # noqa: RUF001 - Chinese
        "",
        "new_api_error",
        shape="relay",
    ),
    "internal_error": Refusal(500, "Internal error.", "internal_error", "server_error"),
    "do_request_failed": Refusal(500, "do request failed", "do_request_failed", shape="flat"),
    "insert_task_failed": Refusal(500, "insert task failed", "insert_task_failed", shape="flat"),
    "bad_gateway": Refusal(502, "Bad Gateway", shape="html"),
    "limiter_down": Refusal(
        503, "Rate limiter is unavailable.", "rate_limit_unavailable", "server_error"
    ),
    "model_not_found": Refusal(
        503, "未配置渠道能力 (ChannelCapability)", "model_not_found", "new_api_error", shape="relay"
    ),
    "no_channel": Refusal(
        503, "当前分组下无可用渠道", "no_available_channel", "new_api_error", shape="relay"
    ),
    "unavailable": Refusal(503, "Service Temporarily Unavailable", shape="html"),
    "gateway_timeout": Refusal(504, "Gateway Time-out", shape="html"),
    "proxy_timeout": Refusal(524, "A timeout occurred", shape="html"),
    "refused_with_200": Refusal(200, "操作失败", shape="plain"),
    "garbage": Refusal(200, '{"id":"tsk_img_01K0', shape="text"),
    "nothing": Refusal(200, "", shape="text"),
    "a_list": Refusal(200, "[]", shape="text"),
    "a_null": Refusal(200, "null", shape="text"),
    "wrong_types": Refusal(
        200,
        '{"id":7,"object":[],"status":3,"progress":{},"created_at":"soon","result":"no","error":[]}',
        shape="text",
    ),
}
"""Every refusal by the name a fault script uses; texts are this simulator's unless seen live."""


def refusal(name: str, **changes: object) -> Refusal:
    """Take a named refusal and change some of its fields. Raises ``KeyError``."""
    return replace(REFUSALS[name], **changes)  # type: ignore[arg-type]
