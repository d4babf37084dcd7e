"""Calls outward. The one home of httpx, aiohttp and what they raise.

Owns: the clients (creates, calls, files), total deadlines, bounds on answers, and the one
distinction that money depends on: was anything sent? Must not know: the vendor's wire shape.

Creates go through httpx's own transport on a connection of their own, because only there an
exception says whether the request had left; the aiohttp engine reports every fault as a failure to
connect, and is used where a repetition costs nothing. Neither engine ends a slow drip, so every
call has a total deadline here.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import BinaryIO, Literal, Protocol

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from httpx_aiohttp import AiohttpTransport
from httpx_aiohttp.transport import AiohttpResponseStream

from gateway.config.sections import Upstream
from gateway.failpoints import armed, failpoint
from gateway.web.brief import BriefSocket
from gateway.web.lookups import Addresses, Lookups
from gateway.web.policy import AddressRefused, Policy, check_addresses

Method = Literal["GET", "POST"]

# A create that failed with one of these had not left the machine; any other may have.
_NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)
_PIECE = 256 * 1024
_HEADERS = {"accept-encoding": "identity", "user-agent": "image-gateway"}


class CallFailed(Exception):
    """No usable answer; ``reason`` is a short word for logs and metrics."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotConnected(CallFailed):
    """No connection was made, so nothing was sent. Only a create's own client may say so."""


class Interrupted(CallFailed):
    """Anything else: the request may have been received."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer whose body is still coming; header names in lower case.

    ``chunks`` are the bytes as sent, undecoded. Raises: Interrupted while iterating.
    """

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Part:
    """A file of a multipart form."""

    field: str
    filename: str
    media_type: str
    content: BinaryIO


class AnyResolver(AbstractResolver):
    """The system's resolver, off the loop, without a cache of its own."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """All addresses of a host. Raises: OSError."""
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=found_family,
                proto=proto,
                flags=socket.AI_NUMERICHOST,
            )
            for found_family, _, proto, _, address in await self._find(host, port, family)
        ]

    async def close(self) -> None:
        """Nothing to release."""

    async def _find(self, host: str, port: int, family: int) -> Addresses:
        return await asyncio.get_running_loop().getaddrinfo(
            host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )


class PublicResolver(AnyResolver):
    """Gives addresses only if all of them may be connected to; the very ones are then used.

    Names that strangers chose are looked up by ``lookups``.
    """

    def __init__(self, policy: Policy, lookups: Lookups | None = None) -> None:
        self._policy = policy
        self._lookups = lookups

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """As the system's resolver. Raises: OSError also where the policy refuses."""
        found = await super().resolve(host, port, family)
        if not self._policy.exempt(host):
            try:
                check_addresses(result["host"] for result in found)
            except AddressRefused as refusal:
                raise OSError(None, str(refusal)) from refusal
        return found

    async def _find(self, host: str, port: int, family: int) -> Addresses:
        if self._lookups is None:
            return await super()._find(host, port, family)
        return await self._lookups.find(host, port, family)


class _WideTransport(AiohttpTransport):
    """The bridge to aiohttp, handing over a body in larger pieces: fewer steps of the loop."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        if isinstance(response.stream, AiohttpResponseStream):
            response.stream.CHUNK_SIZE = _PIECE
        return response


class Calls(Protocol):
    """Calls to a vendor; ``Outgoing`` makes them."""

    async def create(self, url: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        """Sent at most once. Raises: NotConnected, Interrupted."""
        ...

    async def call(
        self,
        method: Method,
        url: str,
        headers: Mapping[str, str],
        seconds: float,
        part: Part | None = None,
    ) -> Answer:
        """May be repeated. Raises: Interrupted."""
        ...


class Outgoing:
    """The clients for the vendor's API: connected on first use, closed by ``close``."""

    def __init__(self, section: Upstream) -> None:
        self._section = section
        tls = httpx.create_ssl_context(trust_env=False)
        self._creates = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(
                verify=tls,
                trust_env=False,
                limits=httpx.Limits(max_connections=100, max_keepalive_connections=0),
            ),
            timeout=httpx.Timeout(
                section.create_time, connect=section.connect_time, pool=section.connect_time
            ),
            headers=_HEADERS,
            cookies=_no_cookies(),
            trust_env=False,
        )
        limit = section.polling.concurrency + 8
        self._calls = pooled(tls, AnyResolver(), _timeout(section), limit=limit)

    async def create(self, url: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        """POST JSON once, on a fresh connection. Raises: NotConnected, Interrupted."""
        request = self._creates.build_request(
            "POST",
            url,
            content=content,
            headers={**headers, "content-type": "application/json"},
            extensions={"trace": _come_by} if armed() else None,
        )
        try:
            async with asyncio.timeout(self._section.create_time):
                return await _whole(self._creates, request, self._section.answer_bytes)
        except _NOT_SENT as error:
            raise NotConnected(_word(error)) from error
        except Exception as error:  # whatever it is, the request may have been received
            raise Interrupted(_word(error)) from error

    async def call(
        self,
        method: Method,
        url: str,
        headers: Mapping[str, str],
        seconds: float,
        part: Part | None = None,
    ) -> Answer:
        """A call that may be repeated freely. Raises: Interrupted."""
        files = [(part.field, (part.filename, part.content, part.media_type))] if part else None
        request = self._calls.build_request(method, url, headers=headers, files=files)
        with interruptions():
            async with asyncio.timeout(seconds):
                return await _whole(self._calls, request, self._section.answer_bytes)

    async def close(self) -> None:
        """Close every connection."""
        await self._creates.aclose()
        await self._calls.aclose()


class Files:
    """A client for pictures that are named by a link; closed by ``close``.

    ``policy`` is held against every address a host resolves to; whoever opens a link holds it
    against the link before. Where callers name the links (``strangers``), their hosts' names hold
    up nobody else's.
    """

    def __init__(self, section: Upstream, policy: Policy, *, strangers: bool = False) -> None:
        tls = httpx.create_ssl_context(trust_env=False)
        lookups = Lookups(section.connect_time) if strangers else None
        self._files = pooled(tls, PublicResolver(policy, lookups), _timeout(section))

    @asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[Stream]:
        """GET a file: no key is sent, no redirect followed, nothing decoded.

        The caller checks the link by the policy first, and keeps the total deadline.
        Raises: Interrupted.
        """
        with interruptions():
            request = self._files.build_request("GET", url)
            response = await self._files.send(request, stream=True)
        try:
            yield Stream(response.status_code, lower(response), _chunks(response))
        finally:
            await response.aclose()

    async def close(self) -> None:
        """Close every connection."""
        await self._files.aclose()


def _timeout(section: Upstream) -> httpx.Timeout:
    return httpx.Timeout(section.download_time, connect=section.connect_time, pool=None)


def pooled(
    tls: ssl.SSLContext,
    resolver: AbstractResolver,
    timeout: httpx.Timeout,
    *,
    limit: int = 0,
    heads_only: bool = False,
) -> httpx.AsyncClient:
    """A client on aiohttp's pool, made in the running loop on first use.

    ``limit`` bounds its connections, 0: any number. With ``heads_only`` none is used twice, and of
    each so little is read that it is enough for an answer's head alone.
    """

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=limit,
            resolver=resolver,
            use_dns_cache=False,
            ssl=tls,
            force_close=heads_only,
            socket_factory=BriefSocket.to if heads_only else None,
        )
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    return httpx.AsyncClient(
        transport=_WideTransport(client=session, verify=tls, trust_env=False),
        timeout=timeout,
        headers=_HEADERS,
        cookies=_no_cookies(),
        trust_env=False,
    )


def _no_cookies() -> CookieJar:
    """A jar that takes none: no host may leave anything here, or have it sent to another."""
    return CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))


async def _come_by(event: str, _: Mapping[str, object]) -> None:
    """Pass the fail-points of a create that only its transport knows of."""
    if event == "http11.send_request_body.complete":
        failpoint("create.sent")
    elif event == "http11.receive_response_headers.complete":
        failpoint("create.answering")


async def _whole(client: httpx.AsyncClient, request: httpx.Request, most: int) -> Answer:
    """Send, and read the answer within its bound."""
    response = await client.send(request, stream=True)
    try:
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > most:
                raise Interrupted("answer too large")
        return Answer(response.status_code, lower(response), bytes(body))
    finally:
        await response.aclose()


async def _chunks(response: httpx.Response) -> AsyncIterator[bytes]:
    with interruptions():
        async for chunk in response.aiter_raw():
            yield chunk


def lower(response: httpx.Response) -> Mapping[str, str]:
    """An answer's headers, names in lower case."""
    return {name.lower(): value for name, value in response.headers.items()}


@contextmanager
def interruptions() -> Iterator[None]:
    """Whatever an engine raises becomes one exception of ours."""
    try:
        yield
    except (CallFailed, GeneratorExit):
        raise
    except Exception as error:  # both engines, and aiohttp's own that the bridge leaves unmapped
        raise Interrupted(_word(error)) from error


def _word(error: Exception) -> str:
    """A short, harmless word for what happened: never an address or a header."""
    if isinstance(error, CallFailed):
        return error.reason
    return "timeout" if isinstance(error, TimeoutError) else type(error).__name__
