"""``GET /metrics``: what is counted, as text for a scraper.

Owns: the formats (the text format 0.0.4, and OpenMetrics for who asks for it: exemplars are there
alone), compression, the operators' token, and that a scrape does not hold up the loop: the snapshot
that gauges are set from is taken on it, all else is done in a thread. Must not know: what is in a
snapshot, which families there are.
"""

import asyncio
import gzip
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import Metric
from prometheus_client.openmetrics import exposition as openmetrics_format
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.ops.bearer import OperatorsToken
from gateway.ops.guard import is_own_host
from gateway.ops.replies import said, turned_away

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_LEVEL = 1  # of compression: a tenth of the time, for a fifth more bytes
_SERIES = 100  # written at a time: about a millisecond
_PATIENCE = 0.05
_END = b"# EOF\n"
_HEADERS = {"cache-control": "no-store", "vary": "accept, accept-encoding"}


class Exposition:
    """Makes the page. ``refresh`` sets the gauges, at once and on the loop.

    One rendering runs at a time; who asks meanwhile for the same format gets the same page.
    """

    def __init__(self, registry: CollectorRegistry, refresh: Callable[[], None]) -> None:
        self._registry = registry
        self._refresh = refresh
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self._turn = asyncio.Lock()
        self._under_way: dict[bool, asyncio.Task[bytes]] = {}

    def __repr__(self) -> str:
        return f"<Exposition scrapes={len(self._under_way)}>"

    async def page(self, *, openmetrics: bool) -> bytes:
        """All that is counted, as of now."""
        task = self._under_way.get(openmetrics)
        if task is None:
            task = asyncio.create_task(self._made(openmetrics=openmetrics), name="scrape")
            self._under_way[openmetrics] = task
            task.add_done_callback(lambda _: self._under_way.pop(openmetrics))
        return await asyncio.shield(task)

    def render(self, *, openmetrics: bool, rest: Callable[[], object] = lambda: None) -> bytes:
        """Write it; this takes tens of milliseconds, and reads files of the system's.

        ``rest`` is called after each few of the series.
        """
        written = []
        for metric in self._registry.collect():
            for piece in _pieces(metric):
                written.append(_text(piece, openmetrics=openmetrics))
                rest()
        return b"".join([*written, _END if openmetrics else b""])

    async def _made(self, *, openmetrics: bool) -> bytes:
        async with self._turn:
            self._refresh()
            rest = partial(_give_way, asyncio.get_running_loop())
            return await asyncio.to_thread(self.render, openmetrics=openmetrics, rest=rest)


def _give_way(loop: asyncio.AbstractEventLoop) -> None:
    """Wait, in a thread, until the loop has done what is due.

    A thread that never waits keeps the interpreter from the loop for five milliseconds each time
    the loop asks for it, and where there is little CPU for much longer.
    """
    done = threading.Event()
    loop.call_soon_threadsafe(done.set)
    done.wait(_PATIENCE)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some samples of a family, as a registry of their own; ``first`` if it begins with them."""

    metric: Metric
    first: bool

    def collect(self) -> Iterable[Metric]:
        """The one family."""
        return (self.metric,)


def _pieces(metric: Metric) -> Iterator[_Piece]:
    for start in range(0, max(1, len(metric.samples)), _SERIES):
        part = Metric(metric.name, metric.documentation, metric.type, metric.unit)
        part.samples = metric.samples[start : start + _SERIES]
        yield _Piece(part, first=start == 0)


def _text(piece: _Piece, *, openmetrics: bool) -> bytes:
    """What the library writes of it, without an end; its family's head with the first alone."""
    write = openmetrics_format.generate_latest if openmetrics else generate_latest
    text = bytes(write(piece)).removesuffix(_END)
    return text if piece.first else text.split(b"\n", 2)[2]


def metrics_route(exposition: Exposition, token: OperatorsToken | None, host: str) -> Route:
    """The route a scraper asks; with a ``token`` it has to be shown.

    ``host`` is what the listener listens on: without a token, a browser that was led here by a
    name of another site's is sent away.
    """

    async def metrics(request: Request) -> Response:
        """Answer 200 with the page, or 401, 403 or 429."""
        if token is None and not is_own_host(request, host):
            return said(HTTPStatus.FORBIDDEN, "not under this name")
        refusal = None if token is None else token.bearer(request)
        if refusal is not None:
            return turned_away(refusal)
        openmetrics = _accepts(request, "accept", "application/openmetrics-text")
        page = await exposition.page(openmetrics=openmetrics)
        headers = {**_HEADERS, "content-type": OPENMETRICS if openmetrics else TEXT}
        if _accepts(request, "accept-encoding", "gzip"):
            page = await asyncio.to_thread(partial(gzip.compress, page, _LEVEL, mtime=0))
            headers["content-encoding"] = "gzip"
        return Response(page, headers=headers)

    return Route("/metrics", metrics, methods=["GET"])


def _accepts(request: Request, header: str, wanted: str) -> bool:
    """Whether a list of what is accepted names something, and does not rule it out."""
    for listed in ",".join(request.headers.getlist(header)).split(","):
        name, *parameters = (part.strip().lower() for part in listed.split(";"))
        if name == wanted:
            return not any(_is_zero(parameter) for parameter in parameters)
    return False


def _is_zero(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    return name.strip() == "q" and value.strip().rstrip("0") in {"", "0."}
