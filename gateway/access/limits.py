"""What a key is told of its limits: a refusal in words, and when asking again is worth it.

Owns: the sentences, and the line between what frees soon and what does not. Must not know: how
limits are counted (``state`` does), HTTP. Money is in micro-dollars, moments are UTC.
"""

from datetime import UTC, datetime

from gateway.config.units import USD
from gateway.errors import InvalidRequest, QuotaExceeded, RateLimited, RequestError
from gateway.state.base import LimitReached

SOON = 60.0  # seconds; what frees later is not worth waiting for with a connection open

_WORDS = {
    "requests_per_minute": "requests per minute",
    "images_per_minute": "images per minute",
    "concurrent": "images at once",
    "images_per_day": "images per day",
    "cost_per_day": "costs per day",
    "cost_per_month": "costs per month",
}


def refusal(reached: LimitReached, wall: float, soonest: float) -> RequestError:
    """The error for a limit; ``soonest`` is in how many seconds something under way may end."""
    what = _WORDS[reached.name]
    if reached.name == "concurrent":
        if reached.asked > reached.limit:
            message = f"This key may have at most {reached.limit} images under way at once."
            return InvalidRequest(message, param="n", code="invalid_value")
        wait = min(SOON, max(1.0, soonest))
        told = f"limit {reached.limit}, under way {reached.used}, requested {reached.asked}"
        return RateLimited(_limited(what, told, wait), retry_after=wait)
    if reached.wait is not None and reached.wait <= SOON:
        asked = f", requested {reached.asked}" if reached.name == "images_per_minute" else ""
        told = f"limit {reached.limit}{asked}"
        return RateLimited(_limited(what, told, reached.wait), retry_after=reached.wait)
    until = reached.until if reached.wait is None else wall + reached.wait
    return QuotaExceeded(f"{_quota(reached, what)} {_freed(until)}")


def put_off(reached: LimitReached) -> RateLimited:
    """The error for a request that may be for what is paid already: it should come back for it."""
    wait = min(SOON, reached.wait or 1.0)
    told = f"limit {reached.limit}"
    message = _limited(_WORDS[reached.name], told, wait)
    return RateLimited(message, retry_after=wait, come_back=True)


def _limited(what: str, told: str, wait: float) -> str:
    return f"Rate limit reached for this key on {what}: {told}. Please try again in {wait:.3g}s."


def _quota(reached: LimitReached, what: str) -> str:
    money = reached.name.startswith("cost_")
    limit, used, asked = (
        f"${USD.spell(number)}" if money else str(number)
        for number in (reached.limit, reached.used, reached.asked)
    )
    used = "" if reached.wait is not None else f", used {used}"
    return f"This key's {what} do not allow for it: limit {limit}{used}, requested {asked}."


def _freed(until: float | None) -> str:
    if until is None:
        return "It is more than the limit ever allows."
    moment = datetime.fromtimestamp(-(-until // 1), UTC)
    return f"It will again at {moment:%Y-%m-%d %H:%M:%S} UTC."
