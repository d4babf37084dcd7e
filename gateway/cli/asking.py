"""How ``doctor`` sends its one request: the place where the outgoing client is put in.

Owns: the choice of client, nothing else. Must not know: what is asked, or what the answer means.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping

from gateway.cli.findings import Answer, Asker
from gateway.config.sections import Upstream
from gateway.web.clients import Interrupted, Outgoing


@contextlib.asynccontextmanager
async def asking(upstream: Upstream) -> AsyncIterator[Asker]:
    """Give the client that asks the vendor, open for the length of a report."""
    outgoing = Outgoing(upstream)
    try:
        yield _Asker(outgoing)
    finally:
        await outgoing.close()


class _Asker:
    """The gateway's own client, as doctor asks for it."""

    def __init__(self, outgoing: Outgoing) -> None:
        self._outgoing = outgoing

    async def get(self, url: str, headers: Mapping[str, str], timeout: float) -> Answer:  # noqa: ASYNC109 - kept as one total deadline
        try:
            answer = await self._outgoing.call("GET", url, headers, timeout)
        except Interrupted as error:
            raise ConnectionError(error.reason) from error
        return Answer(answer.status, answer.headers, answer.body)
