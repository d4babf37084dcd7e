"""Long texts lifted out of a JSON body while it arrives.

Owns: finding strings in JSON that comes in pieces, and sending those that carry a picture
(data URLs, bare base64) straight to files, so that the rest is small enough to be parsed at once.
Must not know: parameters, or whether the rest is valid JSON (``documents.py``).

A lifted string leaves a placeholder behind: a random word that no caller can guess.
"""

import json
import re
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from gateway.errors import BodyTooLarge, InvalidRequest
from gateway.openai.decoding import Decoder, data_head, looks_encoded
from gateway.openai.spool import Spool

_ESCAPED = rb"\\(?:[^u]|u[0-9A-Fa-f]{4})"
# The inside of a string: stops at its closing quote, and before an escape that is not complete.
# Nothing here is possessive: until 3.11.4 Python goes wrong over groups that are (gh-106052), and
# as no alternative begins like another and nothing must follow, there is no way back to explore.
_INSIDE = re.compile(rb'(?:[^"\\]+|' + _ESCAPED + rb")*", re.DOTALL)
_ESCAPE = 6
"""Bytes of the longest escape, as in ``\\u002b``."""


@dataclass(frozen=True, slots=True)
class LiftBounds:
    """When a string is lifted, and how much may be.

    A data URL is lifted from ``data_url`` bytes on; other texts that look like base64 from
    ``bare`` on, which is longer than any prompt. ``rest`` bounds what stays, ``picture`` one
    decoded picture, ``count`` the strings lifted.
    """

    rest: int
    picture: int
    data_url: int = 4_096
    bare: int = 32_768
    count: int = 32


@dataclass(frozen=True, slots=True)
class Lifted:
    """A text that was sent to a file; ``fault`` says why the file is not what it decodes to.

    ``length`` is in characters, without a data URL's head.
    """

    path: str
    length: int
    fault: str | None = None


async def lift(
    chunks: AsyncIterator[bytes], spool: Spool, bounds: LiftBounds
) -> tuple[bytes, Mapping[str, Lifted]]:
    """Return the body without its long texts, and these by the placeholders left for them.

    Raises ``InvalidRequest`` for a body that cannot be JSON, ``BodyTooLarge``.
    """
    lifter = _Lifter(spool, bounds)
    async for chunk in chunks:
        await lifter.feed(chunk)
    return lifter.finish(), lifter.lifted


class _Lifter:
    """Either outside strings, or inside one: undecided, kept, or being lifted."""

    def __init__(self, spool: Spool, bounds: LiftBounds) -> None:
        self.lifted: dict[str, Lifted] = {}
        self._spool = spool
        self._bounds = bounds
        self._rest = bytearray()
        self._inside = False
        self._carry = b""
        self._head: bytearray | None = None  # of a string not yet decided upon
        self._looked = 0  # at so much of the head
        self._decoder: Decoder | None = None
        # Whole short strings and what is between them, in one step: thousands may be in a slice.
        short = rb'"(?:[^"\\]|' + _ESCAPED + rb"){0,%d}" % (bounds.data_url - 1)
        self._outside = re.compile(rb'(?:[^"]+|' + short + rb'")*', re.DOTALL)

    async def feed(self, chunk: bytes) -> None:
        """Take the next piece of the body."""
        data = self._carry + chunk if self._carry else chunk
        self._carry = b""
        position = 0
        while position < len(data):
            if self._inside:
                position = await self._read_inside(data, position)
            else:
                position = self._read_outside(data, position)
        if len(self._rest) > self._bounds.rest:
            raise BodyTooLarge(
                f"The body may have at most {self._bounds.rest} bytes besides its pictures."
            )

    def finish(self) -> bytes:
        """Return the rest, once the body is complete."""
        if self._inside or self._carry:
            raise broken("a string does not end")
        return bytes(self._rest)

    def _read_outside(self, data: bytes, start: int) -> int:
        match = self._outside.match(data, start)
        end = match.end() if match else start
        if end < len(data):  # before a string that is long, or goes on in the next piece
            self._inside, self._head, self._looked = True, bytearray(), 0
            end += 1
        self._rest += data[start:end]
        return end

    async def _read_inside(self, data: bytes, start: int) -> int:
        match = _INSIDE.match(data, start)
        end = match.end() if match else start
        if end > start:
            await self._take(data[start:end])
        if end == len(data):
            return end
        if data[end : end + 1] == b'"':
            await self._end_string()
            return end + 1
        if len(data) - end >= _ESCAPE:
            raise broken("a string holds an escape that there is not")
        self._carry = data[end:]
        return len(data)

    async def _take(self, text: bytes) -> None:
        if self._decoder is not None:
            await self._decoder.write(_plain(text))
        elif self._head is None:
            self._rest += text
        else:
            self._head += text
            # Looking only after some growth keeps a body of tiny pieces from costing a look each.
            if len(self._head) - self._looked >= self._bounds.data_url:
                self._looked = len(self._head)
                await self._decide(_plain(bytes(self._head)))

    async def _decide(self, head: bytes) -> None:
        if not looks_encoded(head):
            self._keep()
        elif data_head(head) or len(head) >= self._bounds.bare:
            if len(self.lifted) >= self._bounds.count:
                message = f"The body holds more than {self._bounds.count} pictures."
                raise InvalidRequest(message, param="image", code="array_above_max_length")
            self._head = None
            self._decoder = Decoder(self._spool, self._bounds.picture)
            await self._decoder.write(head)

    def _keep(self) -> None:
        if self._head is not None:
            self._rest += self._head
            self._head = None

    async def _end_string(self) -> None:
        self._keep()
        self._inside = False
        if self._decoder is not None:
            await self._decoder.close()
            word = secrets.token_hex(16)
            self.lifted[word] = Lifted(
                self._decoder.file.path, self._decoder.length, self._decoder.fault
            )
            self._rest += word.encode()
            self._decoder = None
        self._rest += b'"'


def broken(reason: str) -> InvalidRequest:
    """Refuse a body that is not JSON; ``reason`` completes the sentence."""
    return InvalidRequest(f"We could not parse the JSON body of your request: {reason}.")


def _plain(text: bytes) -> bytes:
    """Undo the escapes in a stretch of a JSON string; all must be whole.

    What is not ASCII is no base64, and comes out as something that is none either.
    """
    if b"\\" not in text:
        return text
    plain: str = json.loads(f'"{text.decode("latin-1")}"', strict=False)
    return plain.encode("ascii", "replace")
