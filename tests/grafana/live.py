"""One run of everything: gateways, vendor, Prometheus and the load; asked about afterwards.

Owns: the order of it, and asking every panel's query. Must not know: what is right.
"""

import asyncio
import contextlib
import math
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.ops.families import Family
from tests.grafana.boards import asked
from tests.grafana.load import play
from tests.grafana.prometheus import PATIENCE, Server, running
from tests.grafana.stand import CLOCK, Stand

STEP = 1.0
OPENMETRICS = "application/openmetrics-text"


@dataclass(slots=True)
class Live:
    """What is left when the load is over: Prometheus, and when it all was."""

    server: Server
    stand: Stand
    start: float
    end: float
    pages: dict[str, str] = field(repr=False)

    @property
    def busy(self) -> str:
        """The loaded gateway's instance."""
        return f"127.0.0.1:{self.stand.ports['busy']}"

    @property
    def idle(self) -> str:
        """That of the one nobody asked."""
        return f"127.0.0.1:{self.stand.ports['idle']}"

    def moved(self, family: Family) -> tuple[int, int]:
        """How many series of a family ever had a value other than 0, of how many there are."""
        part = "_count" if family.kind == "histogram" else ""
        query = f'{family.full_name}{part}{{instance="{self.busy}"}}'
        found = self.server.over(query, self.start, CLOCK.wall(), STEP)
        moving = [one for one in found if any(float(value) for _, value in one["values"])]
        return len(moving), len(found)

    def values(self, query: str, **chosen: str) -> list[list[float]]:
        """Each series' values over the whole run."""
        found = self.server.over(asked(query, **chosen), self.start, self.end, STEP)
        return [[float(value) for _, value in one["values"]] for one in found]


def faults(values: Sequence[Sequence[float]]) -> Iterator[str]:
    """What is wrong with what a panel got: nothing at all, or values that are none."""
    if not values:
        yield "nothing"
    for one in values:
        strange = [value for value in one if not math.isfinite(value)]
        if strange:
            yield f"{len(strange)} of {len(one)} values are not finite"


@contextlib.contextmanager
def live(folder: Path) -> Iterator[Live]:
    """Run it all; within the block Prometheus can be asked."""
    stand = Stand(folder)
    with asyncio.Runner() as loop, running(folder / "prometheus", stand.scraped()) as server:
        try:
            loop.run(stand.start())
            server.until("sum(up) == 2 and count(image_gateway_upstream_balance_usd >= 0) == 2")
            start = CLOCK.wall()
            loop.run(play(stand))
            loop.run(CLOCK.sleep(2 * STEP))
            pages = {form: _page(stand.operators, form) for form in ("text/plain", OPENMETRICS)}
            end = CLOCK.wall()
            loop.run(stand.drain())
            yield Live(server, stand, start, end, pages)
        finally:
            loop.run(stand.end())


def _page(operators: str, form: str) -> str:
    request = urllib.request.Request(f"{operators}/metrics", headers={"accept": form})  # noqa: S310 - our own
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - the same
        page: str = answer.read().decode()
    return page


def last(values: Sequence[Sequence[float]]) -> list[float]:
    """Each series' last value."""
    return [one[-1] for one in values if one]
