"""What operators did through the console: facts for the log.

Owns: the notices, frozen, past tense. Must not know: how anything is done, or who reads them.
``by`` is the beginning of a digest of the session's id, which tells sessions apart and opens none;
without a token there are no sessions, and nobody is named.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

How = Literal["form", "bearer"]
"""The ways in which a token is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """An operator showed the token."""

    by: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInRefused:
    """Somebody showed another one; of an address that does so too often no more is told."""

    level: ClassVar[str] = "warning"

    address: str
    how: How


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOut:
    """An operator ended a session."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureTried:
    """The playground sent a request as the key ``key_name``; its own line says what became of it.

    ``status`` and ``request_id`` are those of the answer.
    """

    by: str | None
    key_name: str
    status: int
    request_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainAsked:
    """An operator has the process stop as a signal would."""

    level: ClassVar[str] = "warning"

    by: str
