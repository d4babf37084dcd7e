"""The vendor's webhooks: which are its own, which were told before, which task each is about.

Owns: the signature, its age, the events of the last days, the shape of an event. Must not know:
HTTP, tasks, what a hint is good for. An event says that a task has ended, and holds its pictures;
nothing of that is read, for whoever is told asks the vendor.

The vendor signs ``id.timestamp.body`` with HMAC-SHA256, and for a day after its secret was
exchanged once with each. Its page calls the secret 32 bytes and does not say how it is written;
its letters are taken as they stand in its console. The timestamp is taken for Unix seconds, or
for milliseconds where it is far too large.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping

from cachetools import TTLCache

from gateway.clock import Clock
from gateway.upstream.base import NotGenuine, Webhook

SKEW = 300.0
_ID, _TIMESTAMP, _SIGNATURE = (
    f"x-toapis-webhook-{name}" for name in ("id", "timestamp", "signature")
)
_VERSION = "v1="
_MOST_SIGNATURES = 8  # it sends two at most
_ENDS = frozenset(("generation.completed", "generation.failed"))
_DIGITS = re.compile(r"[0-9]{1,16}", re.ASCII)
_MILLISECONDS = 1e11
_NAME = re.compile(r"[\x21-\x7e]{1,200}")
_WORD = re.compile(r"[\w.-]{1,64}", re.ASCII)

# It repeats an event that was not taken for 31 hours, and sends one for each task.
_REMEMBERED = 10_000
_LIFETIME = 48 * 3_600.0


class WebhookReader:
    """Reads webhooks that are signed with ``secret``."""

    def __init__(self, secret: str, clock: Clock) -> None:
        self._key = secret.encode()
        self._clock = clock
        self._seen: TTLCache[str, None] = TTLCache(_REMEMBERED, _LIFETIME, timer=clock.monotonic)

    def __repr__(self) -> str:
        return f"<WebhookReader seen={len(self._seen)}>"

    def read(self, headers: Mapping[str, str], body: bytes) -> Webhook:
        """What a request says; header names in lower case. Raises: NotGenuine.

        Only what is the vendor's own is remembered.
        """
        name, timestamp, signatures = _signed_by(headers)
        signed = b".".join((name.encode(), timestamp.encode(), body))
        right = hmac.new(self._key, signed, hashlib.sha256).hexdigest().encode()
        # Each is compared, so that the time it takes does not say which was right.
        if not any([hmac.compare_digest(right, given) for given in signatures]):  # noqa: C419
            raise NotGenuine("forged")
        self._refuse_stale(timestamp)
        event = _object(_parsed(body))
        told = event.get("id")
        known = told if isinstance(told, str) and _NAME.fullmatch(told) else name
        repeated = known in self._seen
        self._seen[known] = None
        return Webhook(tuple(_names(event)), _word(event), repeated, known)

    def glance(self, headers: Mapping[str, str]) -> None:
        """Before the body is read: whether it may be worth it. Raises: NotGenuine."""
        _, timestamp, _ = _signed_by(headers)
        self._refuse_stale(timestamp)

    def forget(self, webhook: Webhook) -> None:
        """It could not be acted on: when it comes again, it is new."""
        self._seen.pop(webhook.event, None)

    def _refuse_stale(self, timestamp: str) -> None:
        if abs(self._clock.wall() - _seconds(timestamp)) > SKEW:
            raise NotGenuine("stale")


def _signed_by(headers: Mapping[str, str]) -> tuple[str, str, list[bytes]]:
    """Id, timestamp and signatures, as far as their form is right. Raises: NotGenuine."""
    name, timestamp = headers.get(_ID, ""), headers.get(_TIMESTAMP, "")
    signatures = [*_signatures(headers.get(_SIGNATURE, ""))]
    if not (_NAME.fullmatch(name) and _DIGITS.fullmatch(timestamp) and signatures):
        raise NotGenuine("unsigned")
    return name, timestamp, signatures


def _signatures(header: str) -> Iterator[bytes]:
    """What is compared: the hex digits of each signature whose version is known."""
    for one in header.split(",")[:_MOST_SIGNATURES]:
        version, digits = one.strip()[: len(_VERSION)], one.strip()[len(_VERSION) :]
        if version == _VERSION and digits:
            yield digits.lower().encode()


def _seconds(timestamp: str) -> float:
    number = float(timestamp)
    return number / 1_000 if number > _MILLISECONDS else number


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _names(event: Mapping[str, object]) -> Iterator[str]:
    """The task's names, where it is a task that has ended."""
    if _word(event) in _ENDS:
        data = _object(event.get("data"))
        for key in ("task_id", "client_business_id"):
            name = data.get(key)
            if isinstance(name, str) and _NAME.fullmatch(name):
                yield name


def _word(event: Mapping[str, object]) -> str:
    kind = event.get("type")
    return kind if isinstance(kind, str) and _WORD.fullmatch(kind) else "malformed"


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}
