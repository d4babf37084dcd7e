"""Who asks: from a token to a key.

Owns: the configured keys, held as digests, and until when each credential is good. Must not know:
HTTP, limits. A token of the generated form is found by its id, which is no secret, any other by its
digest; either way it is hashed once and compared once in constant time, whatever is known of it, so
the time it takes says nothing of how near a wrong token was.
"""

import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import inf

from gateway.config.credentials import Credential, digest_of, expiry_of, id_of
from gateway.config.sections import Key as Section
from gateway.config.sections import Limits
from gateway.errors import Unauthenticated
from gateway.state.base import NO_LIMITS
from gateway.translate.model import Quality, Tier

_MISSING = (
    "You didn't provide an API key. Send it in an Authorization header as a bearer token "
    "(Authorization: Bearer YOUR_KEY) or in an api-key header."
)
_WRONG = "Incorrect API key provided."
_NOBODYS = "0" * 64  # no string is known to have this digest


@dataclass(frozen=True, slots=True)
class Key:
    """Somebody who may ask; ``name`` is the operator's word for them.

    ``models`` are canonical names, empty: all. ``keepalive`` is how its callers are kept waiting
    where they say nothing of it. ``credential`` says which of the key's it was that
    was shown.
    """

    name: str
    limits: Limits = NO_LIMITS
    weight: int = 1
    models: tuple[str, ...] = ()
    max_tier: Tier | None = None
    max_quality: Quality | None = None
    max_n: int | None = None
    keepalive: str = "none"
    credential: str = "key"


@dataclass(frozen=True, slots=True)
class _Entry:
    key: Key
    digest: str
    until: float = inf
    disabled: bool = False

    def fault(self, now: float) -> str:
        """Why it is not good now; empty if it is."""
        if self.disabled:
            return "disabled"
        return "expired" if now >= self.until else ""


_NOBODY = _Entry(Key(""), _NOBODYS)


class Keys:
    """The configured keys."""

    def __init__(self, sections: Iterable[Section]) -> None:
        self._by_id: dict[str, _Entry] = {}
        self._by_digest: dict[str, _Entry] = {}
        self._limits: dict[str, Limits] = {}
        self._by_name: dict[str, list[_Entry]] = {}
        for section in sections:
            self._limits[section.name] = section.limits
            for key_id, entry in _entries(section):
                self._by_name.setdefault(section.name, []).append(entry)
                self._by_digest[entry.digest] = entry
                if key_id is not None:
                    self._by_id[key_id] = entry

    def __repr__(self) -> str:
        return f"Keys({list(self._limits)})"

    def limits_of(self, name: str) -> Limits | None:
        """The limits of a key by its name, if there is such a key."""
        return self._limits.get(name)

    def named(self, name: str, now: float) -> Key:
        """A key by its name, for who is within the process and need not show it.

        Raises: Unauthenticated where none of its credentials would be admitted ``now``.
        """
        entries = self._by_name.get(name, [])
        for entry in entries:
            if not entry.fault(now):
                return entry.key
        fault = entries[0].fault(now) if entries else "unknown"
        raise Unauthenticated(_WRONG, code="invalid_api_key", reason=fault, key_name=name)

    def identify(self, token: str | None, now: float) -> Key:
        """Whose token this is; ``now`` is wall-clock time.

        Raises: Unauthenticated. What it tells the caller is the same whatever is wrong with a
        token; for the log it says more.
        """
        if not token:
            raise Unauthenticated(_MISSING, reason="missing")
        key_id, digest = id_of(token), digest_of(token)
        known = self._by_digest.get(digest) if key_id is None else self._by_id.get(key_id)
        entry = _NOBODY if known is None else known
        if not hmac.compare_digest(entry.digest, digest) or known is None:
            raise Unauthenticated(_WRONG, code="invalid_api_key", reason="unknown")
        fault = entry.fault(now)
        if fault:
            raise Unauthenticated(
                _WRONG, code="invalid_api_key", reason=fault, key_name=entry.key.name
            )
        return entry.key


def may_be_strong(token: str) -> bool:
    """Whether a token is of the generated form, so that comparing it helps nobody to guess."""
    return id_of(token) is not None


def credential_names(section: Section) -> Iterator[tuple[str, Section | Credential]]:
    """A key's credentials by their ids; one without is called by its place."""
    all_of_them: tuple[Section | Credential, ...] = (section, *section.also)
    for place, one in enumerate(all_of_them):
        plain = id_of(one.key.get_secret_value()) if one.key is not None else None
        yield one.id or plain or ("key" if place == 0 else f"also[{place - 1}]"), one


def _entries(section: Section) -> Iterator[tuple[str | None, _Entry]]:
    """A key's credentials as they are looked up; the id where there is one."""
    key = Key(
        section.name,
        section.limits,
        section.weight,
        section.models,
        section.max_tier,
        section.max_quality,
        section.max_n,
        section.keepalive,
    )
    for name, one in credential_names(section):
        plain = one.key.get_secret_value() if one.key is not None else None
        digest = digest_of(plain) if plain is not None else one.sha256
        if digest is None:  # refused by the configuration's checks
            continue
        yield (
            one.id or (id_of(plain) if plain is not None else None),
            _Entry(
                replace(key, credential=name),
                digest,
                inf if one.expires is None else expiry_of(one.expires),
                section.disabled or one.disabled,
            ),
        )
