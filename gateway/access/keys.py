"""Who asks: from a token to a key.

Owns: the configured keys, held as digests. Must not know: HTTP, limits. The look-up is by digest,
so its time says nothing of how near a wrong token was.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.config.sections import Key as Section
from gateway.config.sections import Limits
from gateway.errors import Unauthenticated
from gateway.state.base import NO_LIMITS

_MISSING = (
    "You didn't provide an API key. Send it in an Authorization header as a bearer token "
    "(Authorization: Bearer YOUR_KEY) or in an api-key header."
)
_WRONG = "Incorrect API key provided."


@dataclass(frozen=True, slots=True)
class Key:
    """Somebody who may ask; ``name`` is the operator's word for them."""

    name: str
    limits: Limits = NO_LIMITS
    weight: int = 1


class Keys:
    """The configured keys."""

    def __init__(self, sections: Iterable[Section]) -> None:
        self._keys = {
            _digest(section.key.get_secret_value()): Key(
                section.name, section.limits, section.weight
            )
            for section in sections
        }

    def __repr__(self) -> str:
        return f"Keys({[key.name for key in self._keys.values()]})"

    def identify(self, token: str | None) -> Key:
        """Whose token this is. Raises: Unauthenticated, never saying why a token is wrong."""
        if not token:
            raise Unauthenticated(_MISSING)
        key = self._keys.get(_digest(token))
        if key is None:
            raise Unauthenticated(_WRONG, code="invalid_api_key")
        return key


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
