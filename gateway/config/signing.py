"""Secrets that sign webhooks, in the form of the Standard Webhooks.

Owns: the form, ``whsec_`` and base64 of 24 to 64 bytes, several with spaces between. Must not
know: who signs. No message holds a secret.
"""

import base64
import binascii

PREFIX = "whsec_"
_LEAST, _MOST = 24, 64


def signing_keys(text: str) -> tuple[bytes, ...]:
    """The keys in a setting's text, in its order. Raises: ValueError, with what is wrong."""
    words = text.split()
    if not words:
        raise ValueError("must not be empty")
    return tuple(_key(word) for word in words)


def _key(word: str) -> bytes:
    if not word.startswith(PREFIX):
        raise ValueError(f"must begin with {PREFIX}, each where there are several")
    try:
        text = word.removeprefix(PREFIX).rstrip("=")
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"must be base64 after {PREFIX}") from None
    if not _LEAST <= len(key) <= _MOST:
        raise ValueError(f"must be base64 of {_LEAST} to {_MOST} bytes after {PREFIX}")
    return key
