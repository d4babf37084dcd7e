"""In which manner a caller wants to be answered.

Owns: the four manners and what asks for each: the body (``stream``), a header, the key's setting.
Must not know: how any of them is done. What a caller asks for decides nothing of what is bought:
the same wish is the same whichever way it is to be answered, so that who could not wait for one
answer gets the pictures by another.
"""

from collections.abc import Mapping
from typing import Literal

from gateway.access.keys import Key
from gateway.translate.model import Note, note

Manner = Literal["whole", "stream", "whitespace", "later"]
"""``whole``: one JSON body when the pictures are there. ``stream``: server-sent events, the first
byte at once. ``whitespace``: the JSON body, with blanks before it while there is nothing to say.
``later``: 202 at once; the pictures are asked for by the job's id, or told by a webhook."""

KEEPALIVE = "x-gateway-keepalive"
_KNOWN = frozenset({"whitespace", "none"})
_SILENT = frozenset[Manner]({"whole", "whitespace"})  # else the header has nothing to say


def manner_of(headers: Mapping[str, str], key: Key, *, stream: bool, http: str = "1.1") -> Manner:
    """The manner for one request; header names in lower case.

    What the body says comes first. Blanks need a body without a length, which HTTP/1.0 cannot end
    by anything but its connection's end, so that an answer cut short would look whole.
    """
    if stream:
        return "stream"
    if prefers_later(headers):
        return "later"
    asked = _asked(headers)
    wanted = asked if asked in _KNOWN else key.keepalive
    return "whitespace" if wanted == "whitespace" and http != "1.0" else "whole"


def passed_over(headers: Mapping[str, str], manner: Manner) -> tuple[Note, ...]:
    """A note where the header was not heeded: it says what there is not, or cannot be done."""
    asked = _asked(headers)
    if not asked or manner not in _SILENT or asked in {manner, "none"}:
        return ()
    return (note("keepalive-ignored"),)


def prefers_later(headers: Mapping[str, str]) -> bool:
    """Whether a caller would rather be told where to ask (RFC 7240, ``respond-async``)."""
    preferences = headers.get("prefer", "").split(",")
    return any(one.partition(";")[0].strip().lower() == "respond-async" for one in preferences)


def _asked(headers: Mapping[str, str]) -> str:
    return headers.get(KEEPALIVE, "").strip().lower()
