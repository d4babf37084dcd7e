"""What the account sees of itself: the models and the balance.

Owns: the two lists' shapes. Must not know: tasks beyond the credits used. Like the vendor's, the
list of models shows no image models unless asked for ``type=image`` or ``type=all``.
"""

from starlette.requests import Request
from starlette.responses import Response

from gateway.simulator.envelopes import answer
from gateway.simulator.orders import MODELS
from gateway.simulator.tasks import CREDITS_PER_USD
from gateway.simulator.vendor import Vendor

_SINCE = 1_760_000_000
_TEXT_MODELS = ("gpt-5-simulated",)


class AccountEndpoints:
    """``GET /v1/models``, ``GET /v1/balance`` and ``GET /v1/user/balance``."""

    def __init__(self, vendor: Vendor) -> None:
        self._vendor = vendor

    async def models(self, request: Request) -> Response:
        """List models."""
        self._vendor.calls["models"] += 1
        self._vendor.authorize(request)
        kind = request.query_params.get("type", "text")
        names = {"image": MODELS, "all": (*_TEXT_MODELS, *MODELS)}.get(kind, _TEXT_MODELS)
        data = [
            {
                "id": name,
                "object": "model",
                "created": _SINCE,
                "owned_by": "simulated",
                "supported_endpoint_types": ["image-generation" if name in MODELS else "openai"],
            }
            for name in names
        ]
        return answer({"success": True, "object": "list", "data": data})

    async def balance(self, request: Request) -> Response:
        """Tell what is left, in dollars and in credits."""
        vendor = self._vendor
        vendor.calls["balance"] += 1
        vendor.authorize(request)
        used = vendor.book.used()
        whole = vendor.settings.balance_usd * CREDITS_PER_USD
        return answer(
            {
                "success": True,
                "remain_balance": round((whole - used) / CREDITS_PER_USD, 6),
                "used_balance": round(used / CREDITS_PER_USD, 6),
                "remain_credits": round(whole - used, 3),
                "used_credits": used,
                "credits_per_usd": CREDITS_PER_USD,
                "unlimited_quota": False,
            }
        )
