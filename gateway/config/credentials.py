"""What a client key looks like, and what is kept of it.

Owns: the form ``sk-igw-<id>-<secret>`` (making one, telling one, reading its id off), the digest
that stands for a key, the moment at which one expires, and the section of a further credential.
Must not know: which keys there are. No message holds a value.
"""

import datetime as dt
import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field, SecretStr

from gateway.config.kinds import Flag, Section

# Crockford's base 32: neither i, l nor o, which look like digits, nor u.
_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
_ID_LENGTH = 8
_SECRET_BYTES = 32  # 256 bits: nobody guesses them, so digests need neither salt nor slowness
_ID = re.compile(r"[a-z0-9]{4,32}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
_GENERATED = re.compile(rf"sk-igw-({_ID.pattern})-[A-Za-z0-9_-]{{43}}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MOMENT = re.compile(
    rf"{_DATE.pattern}[T ]\d\d:\d\d(:\d\d(\.\d{{1,6}})?)?(Z|[+-]\d\d:?\d\d)", re.ASCII
)
_DAY = 86_400

EXPIRY = "a date such as 2027-01-31, or a date and time such as 2027-01-31T18:00:00Z"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made: its id, and the whole of it, which is told once."""

    id: str
    key: str = field(repr=False)


def new_key() -> NewKey:
    """Make a key of 256 random bits."""
    key_id = new_id()
    return NewKey(key_id, f"sk-igw-{key_id}-{secrets.token_urlsafe(_SECRET_BYTES)}")


def new_id() -> str:
    """Make an id, to tell a credential from the others; it is no secret."""
    return "".join(secrets.choice(_LETTERS) for _ in range(_ID_LENGTH))


def id_of(key: str) -> str | None:
    """The id of a key of the generated form; None for any other string.

    No id holds a dash, so it ends at the first one; the secret may hold more of them.
    """
    match = _GENERATED.fullmatch(key)
    return match[1] if match else None


def digest_of(key: str) -> str:
    """SHA-256 of the whole key, in hex, as ``printf %s KEY | sha256sum`` shows it."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def check_id(value: str) -> str:
    """Check an id. Raises: ValueError."""
    if not _ID.fullmatch(value):
        raise ValueError("must be 4 to 32 lower-case letters and digits")
    return value


def check_digest(value: str) -> str:
    """Check a digest; it is given back in lower case. Raises: ValueError."""
    if not _DIGEST.fullmatch(value):
        raise ValueError("must be the 64 hexadecimal digits of a SHA-256")
    return value.lower()


def check_expiry(value: str) -> str:
    """Check the word for a moment. Raises: ValueError."""
    expiry_of(value)
    return value


def expiry_of(value: str) -> float:
    """The moment, in Unix seconds, from which on a credential is over; a date lasts to its end.

    Raises: ValueError for what is neither a date nor a moment with its zone.
    """
    is_date = _DATE.fullmatch(value)
    if not is_date and not _MOMENT.fullmatch(value):
        raise ValueError(f"must be {EXPIRY}")
    try:
        moment = dt.datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"must be {EXPIRY}, and must exist") from None
    if is_date:
        return moment.replace(tzinfo=dt.UTC).timestamp() + _DAY
    return moment.timestamp()


Id = Annotated[str, AfterValidator(check_id)]
Digest = Annotated[str, AfterValidator(check_digest)]
Expiry = Annotated[str, AfterValidator(check_expiry)]

# What an editor may check of a credential; the words for it are in ``checks.py``.
ONE_WAY = ConfigDict(
    json_schema_extra={
        "anyOf": [
            {"required": ["key"]},
            {"required": ["key_file"]},
            {"required": ["id", "sha256"]},
        ]
    }
)


class Credential(Section):
    """A further credential of a key that is being exchanged: either key, or id and sha256."""

    model_config = ONE_WAY

    key: SecretStr | None = Field(default=None, description="what the client may send as well")
    id: Id | None = Field(default=None, description="in place of key: the id in a generated key")
    sha256: Digest | None = Field(
        default=None, description="in place of key: the SHA-256 of the whole key, in hex"
    )
    expires: Expiry | None = Field(
        default=None, description="UTC date, through its end, or date and time; null: never"
    )
    disabled: Flag = Field(default=False, description="refused")
