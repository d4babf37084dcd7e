"""How ``doctor`` sends its one request: the place where the outgoing client is put in.

Owns: the choice of client, nothing else. Must not know: what is asked, or what the answer means.
"""

import asyncio
import contextlib
import http.client
from collections.abc import AsyncIterator, Mapping
from urllib.parse import urlsplit

from gateway.cli.findings import Answer, Asker
from gateway.config.sections import Upstream


@contextlib.asynccontextmanager
async def asking(upstream: Upstream) -> AsyncIterator[Asker]:
    """Give the client that asks the vendor, open for the length of a report."""
    yield _Plain(upstream.answer_bytes)


class _Plain:
    """The standard library's client, in a thread; a fresh connection, no redirects."""

    def __init__(self, most: int) -> None:
        self._most = most

    async def get(self, url: str, headers: Mapping[str, str], timeout: float) -> Answer:  # noqa: ASYNC109 - the socket's own deadline
        return await asyncio.to_thread(self._get, url, headers, timeout)

    def _get(self, url: str, headers: Mapping[str, str], timeout: float) -> Answer:
        parts = urlsplit(url)
        kind = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        with contextlib.closing(kind(parts.netloc, timeout=timeout)) as connection:
            try:
                connection.request("GET", f"{parts.path}?{parts.query}", headers=dict(headers))
                got = connection.getresponse()
                body = got.read(self._most)
            except http.client.HTTPException as fault:
                raise ConnectionError(f"not HTTP ({type(fault).__name__})") from None
        return Answer(got.status, {name.lower(): value for name, value in got.getheaders()}, body)
