"""Base64 text, in pieces, to a file.

Owns: what counts as base64 (both alphabets, white space, padding or none), the head of a data URL,
and what is wrong with a text that is neither. Must not know: JSON, parameters, pictures.
"""

import asyncio
import binascii
import re
from pathlib import Path

import pybase64

from gateway.errors import BodyTooLarge
from gateway.openai.spool import BUFFER, Spool

_SPACE = b" \t\r\n\f\v"
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_="
_STANDARD = bytes.maketrans(b"-_", b"+/")
_DATA_HEAD = re.compile(rb"\s*data:[^,\s\"]{0,200};base64,", re.IGNORECASE)


def data_head(text: bytes) -> int:
    """Length of the head (``data:image/png;base64,``) that ``text`` begins with, else 0."""
    match = _DATA_HEAD.match(text)
    return match.end() if match else 0


def looks_encoded(text: bytes) -> bool:
    """Whether ``text``, or what follows its data URL head, has base64's letters only."""
    return not text[data_head(text) :].translate(None, _ALPHABET + _SPACE)


class Decoder:
    """Decodes what it is given to a spool file; ``fault`` says what was wrong, if anything.

    The first piece must hold the whole head of a data URL. After a fault the rest is dropped.
    Raises ``BodyTooLarge`` beyond ``limit`` decoded bytes.
    """

    def __init__(self, spool: Spool, limit: int) -> None:
        self.file = spool.new()
        self.length = 0
        self.fault: str | None = None
        self._limit = limit
        self._carry = b""
        self._padded = False

    async def write(self, text: bytes) -> None:
        """Decode the next piece."""
        if not self.length:
            text = text[data_head(text) :]
        self.length += len(text)
        if self.fault is None:
            await self._decode(text)

    async def close(self) -> None:
        """Decode what is left and bring the file to the disk."""
        if self.fault is None and self._carry:
            last = self._carry + b"=" * (-len(self._carry) % 4)
            await self._store(last)
        if self.fault is None and not self.file.size:
            self.fault = "it is empty"
        await self.file.close()

    async def _decode(self, text: bytes) -> None:
        text = text.translate(_STANDARD, _SPACE)
        body, padding, rest = text.partition(b"=")
        if rest.strip(b"=") or (self._padded and body):
            self.fault = "it goes on after its padding"
            return
        self._padded = self._padded or bool(padding)
        body = self._carry + body
        whole = len(body) - len(body) % 4
        self._carry = body[whole:]
        await self._store(body[:whole])

    async def _store(self, text: bytes) -> None:
        try:
            data = pybase64.b64decode(text, validate=True)
        except binascii.Error:
            self.fault = "it is not base64"
            return
        if self.file.size + len(data) > self._limit:
            raise BodyTooLarge(f"A picture may have at most {self._limit} bytes.", param="image")
        await self.file.write(data)


async def decode_text(text: bytes, spool: Spool, limit: int) -> Decoder:
    """Decode a text that is at hand as a whole."""
    decoder = Decoder(spool, limit)
    await decoder.write(text)
    await decoder.close()
    return decoder


async def decode_file(path: str, spool: Spool, limit: int) -> Decoder:
    """Decode a text that lies in a file."""
    decoder = Decoder(spool, limit)
    offset = 0
    while piece := await asyncio.to_thread(read_piece, path, offset, BUFFER):
        await decoder.write(piece)
        offset += len(piece)
    await decoder.close()
    return decoder


def read_piece(path: str, offset: int, size: int) -> bytes:
    """``size`` bytes of a file from ``offset``, fewer at its end. Blocks: for a thread."""
    with Path(path).open("rb") as file:
        file.seek(offset)
        return file.read(size)
