"""Multipart bodies from parts whose header lines are given as they were captured.

Owns: boundaries between parts. Must not know: which client writes which lines.
"""

from collections.abc import Iterable, Sequence

Part = tuple[Sequence[str], bytes]
"""Header lines, and what the part holds."""


def multipart(boundary: str, parts: Iterable[Part]) -> bytes:
    line = b"--" + boundary.encode()
    body = b""
    for lines, content in parts:
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        body += line + b"\r\n" + head + content + b"\r\n"
    return body + line + b"--\r\n"


def lines(disposition: str, *more: str) -> tuple[str, ...]:
    return (f"Content-Disposition: form-data; {disposition}", *more)
