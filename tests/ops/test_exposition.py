"""``GET /metrics``, asked as scrapers ask, and read back with the reference client's parsers."""

import asyncio
import gzip
import threading
from collections.abc import Callable, Mapping

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics_format
from starlette.applications import Starlette

from gateway.notices import LedgerCommitted
from gateway.ops import exposition as exposition_module
from gateway.ops.bearer import OperatorsToken
from gateway.ops.exposition import OPENMETRICS, TEXT, Exposition, metrics_route
from gateway.ops.families import FAMILIES, PREFIX
from gateway.ops.metrics import Metrics
from tests.clocks import AtOnce, FakeClock
from tests.ops.scraped import NAMES, ended, ours, read, samples

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


class Scraped:
    """An operators' app with this route alone."""

    def __init__(
        self, token: str | None = None, refresh: Callable[[], None] = lambda: None
    ) -> None:
        registry = CollectorRegistry()
        self.metrics = Metrics(registry, NAMES)
        self.exposition = Exposition(registry, refresh)
        wanted = None if token is None else OperatorsToken(token, FakeClock(), lambda _: None)
        self.app = Starlette(routes=[metrics_route(self.exposition, wanted, "ops")])

    async def ask(self, method: str = "GET", **headers: str) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://ops") as client:
            plain = {"accept": "*/*", "accept-encoding": "identity"}
            told = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.request(method, "/metrics", headers=plain | told)


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("text/html,application/xhtml+xml", False),
        ("application/openmetrics-text", True),
        (PROMETHEUS_2, True),
        (PROMETHEUS_3, True),
        ("text/plain, Application/OpenMetrics-Text ; version=1.0.0", True),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text; q=0.000, */*", False),
    ],
)
async def test_a_scraper_gets_the_format_it_asks_for(accept: str, *, openmetrics: bool) -> None:
    response = await Scraped().ask(accept=accept)
    assert response.status_code == 200
    assert response.headers["content-type"] == (OPENMETRICS if openmetrics else TEXT)
    assert response.headers["cache-control"] == "no-store"
    assert response.content.endswith(b"# EOF\n") is openmetrics
    found = {family.name for family in read(response.content, openmetrics=openmetrics)}
    assert {one.full_name.removesuffix("_total") for one in FAMILIES} <= found


@pytest.mark.parametrize("openmetrics", [False, True])
async def test_what_is_read_back_is_what_was_counted(*, openmetrics: bool) -> None:
    scraped = Scraped()
    scraped.metrics.observe(ended(key_name="studio", received=10, sent=3_000_000))
    page = await scraped.exposition.page(openmetrics=openmetrics)
    families = {family.name: family for family in read(page, openmetrics=openmetrics)}
    for one in FAMILIES:
        found = families[one.full_name.removesuffix("_total")]
        assert (found.type, found.documentation) == (one.kind, one.help)
    ours_read = {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for one in samples(page, openmetrics=openmetrics)
        if one.name.startswith(PREFIX)
    }
    bucket = (("le", "4.194304e+06"), ("route", "generations"))
    assert ours_read[f"{PREFIX}http_response_body_bytes_bucket", bucket] == 1
    assert ours_read[f"{PREFIX}http_response_body_bytes_sum", (("route", "generations"),)] == 3e6
    counted = {value for name, value in ours(scraped.metrics).items() if name.startswith("key_")}
    assert counted == {0, 1}


@pytest.mark.parametrize(
    ("openmetrics", "reference"),
    [(False, generate_latest), (True, openmetrics_format.generate_latest)],
)
def test_a_page_written_in_pieces_is_what_the_library_writes_at_once(
    *, openmetrics: bool, reference: Callable[[CollectorRegistry], bytes]
) -> None:
    scraped = Scraped()
    scraped.metrics.observe(ended(key_name="studio", sent=3_000_000))
    pieces: list[None] = []
    page = scraped.exposition.render(openmetrics=openmetrics, rest=lambda: pieces.append(None))
    whole = reference(scraped.metrics.registry)
    assert without_process(page) == without_process(whole)
    assert len(pieces) > len(page.splitlines()) / 100


def without_process(page: bytes) -> list[bytes]:
    """Its lines, but for those that are another at every look."""
    return [line for line in page.splitlines() if b"process_" not in line and b"_gc_" not in line]


async def test_the_loop_has_its_turn_again_and_again_while_a_page_is_written() -> None:
    scraped = Scraped()
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await FakeClock().sleep(0)
            turns += 1

    pieces: list[None] = []
    scraped.exposition.render(openmetrics=False, rest=lambda: pieces.append(None))
    counting = asyncio.create_task(count())
    await scraped.exposition.page(openmetrics=False)
    counting.cancel()
    assert turns >= len(pieces) > 50


async def test_a_page_is_written_also_where_the_loop_takes_no_turns() -> None:
    """As in tests that run what belongs into a thread where it stands."""
    asyncio.get_running_loop().set_default_executor(AtOnce())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exposition_module, "_PATIENCE", 0.0)
        page = await Scraped().exposition.page(openmetrics=True)
    assert page.endswith(b"# EOF\n")


async def test_there_is_no_series_of_when_another_was_made() -> None:
    scraped = Scraped()
    for openmetrics in (False, True):
        names = {one.name for one in samples(scraped.exposition.render(openmetrics=openmetrics))}
        assert [name for name in names if name.endswith("_created")] == []


async def test_the_process_tells_of_itself_in_the_librarys_own_families() -> None:
    page = Scraped().exposition.render(openmetrics=False)
    found = {family.name for family in read(page)}
    own = {name for name in found if not name.startswith(PREFIX)}
    assert {"process_resident_memory_bytes", "process_open_fds", "process_cpu_seconds"} <= own
    assert {"python_gc_collections", "python_info"} <= own
    assert all(name.startswith(("process_", "python_")) for name in own)


async def test_exemplars_are_told_in_openmetrics_alone() -> None:
    scraped = Scraped()
    for number in range(3):
        scraped.metrics.observe(
            ended(request_id=f"req_{number}", duration=70.0, phases={"upstream": 69.9})
        )
    plain = samples(scraped.exposition.render(openmetrics=False))
    assert [one.exemplar for one in plain if one.exemplar] == []
    page = scraped.exposition.render(openmetrics=True)
    told = {
        one.name.removeprefix(PREFIX): one
        for one in samples(page, openmetrics=True)
        if one.exemplar
    }
    assert set(told) == {"http_request_duration_seconds_bucket", "overhead_seconds_bucket"}
    slow = told["http_request_duration_seconds_bucket"]
    assert slow.labels["le"] == "75.0"
    assert slow.exemplar is not None
    assert (slow.exemplar.labels, slow.exemplar.value) == ({"request_id": "req_2"}, 70.0)


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("gzip", True),
        ("deflate, gzip;q=0.5", True),
        ("identity", False),
        ("gzip;q=0", False),
        ("br", False),
    ],
)
async def test_it_is_packed_for_who_takes_it(accepted: str, *, packed: bool) -> None:
    scraped = Scraped()
    transport = httpx.ASGITransport(scraped.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://ops") as client:
        request = client.build_request("GET", "/metrics", headers={"accept-encoding": accepted})
        response = await client.send(request, stream=True)
        raw = b"".join([chunk async for chunk in response.aiter_raw()])
    assert (response.headers.get("content-encoding") == "gzip") is packed
    assert response.headers["vary"] == "accept, accept-encoding"
    page = gzip.decompress(raw) if packed else raw
    assert len(raw) < len(page) / 5 or not packed
    assert page.startswith(b"# HELP image_gateway_http_requests_total ")


@pytest.mark.parametrize(
    ("token", "headers", "status"),
    [
        (None, {}, 200),
        ("right", {"authorization": "Bearer right"}, 200),
        ("right", {}, 401),
        ("right", {"authorization": "Bearer wrong"}, 401),
        ("right", {"authorization": "Basic right"}, 401),
    ],
)
async def test_with_a_token_set_it_has_to_be_shown(
    token: str | None, headers: Mapping[str, str], status: int
) -> None:
    refreshed: list[None] = []
    response = await Scraped(token, lambda: refreshed.append(None)).ask(**headers)
    assert response.status_code == status
    assert len(refreshed) == (status == 200)
    if status == 401:
        assert response.headers["www-authenticate"] == "Bearer"
        assert "image_gateway" not in response.text


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("POST", 405), ("DELETE", 405)])
async def test_it_is_only_read(method: str, status: int) -> None:
    assert (await Scraped().ask(method)).status_code == status


async def test_gauges_are_set_on_the_loop_once_for_all_who_ask_at_the_same_time() -> None:
    threads: list[int] = []
    scraped = Scraped(refresh=lambda: threads.append(threading.get_ident()))
    plain = [scraped.ask() for _ in range(5)]
    rich = [scraped.ask(accept="application/openmetrics-text") for _ in range(5)]
    answers = await asyncio.gather(*plain, *rich)
    assert [answer.status_code for answer in answers] == [200] * 10
    assert threads == [threading.get_ident()] * 2
    assert len({answer.content for answer in answers}) == 2
    await scraped.ask()
    assert len(threads) == 3


async def test_who_hangs_up_takes_nothing_from_who_waits_for_the_same_page() -> None:
    scraped = Scraped()
    gone = asyncio.ensure_future(scraped.exposition.page(openmetrics=False))
    waiting = asyncio.ensure_future(scraped.exposition.page(openmetrics=False))
    await FakeClock().sleep(0)
    gone.cancel()
    assert (await waiting).startswith(b"# HELP")
    assert gone.cancelled()


async def test_a_fault_while_gauges_are_set_is_told_and_the_next_scrape_goes_on() -> None:
    faults = [ValueError("a part is broken")]

    def refresh() -> None:
        if faults:
            raise faults.pop()

    scraped = Scraped(refresh=refresh)
    with pytest.raises(ValueError, match="a part is broken"):
        await scraped.exposition.page(openmetrics=False)
    assert (await scraped.exposition.page(openmetrics=False)).startswith(b"# HELP")


async def test_scrapes_under_load_change_no_counter_and_lose_none() -> None:
    scraped = Scraped()
    stop = threading.Event()

    def load() -> int:
        count = 0
        while not stop.is_set():
            scraped.metrics.observe(LedgerCommitted(seconds=0.001, entries=1))
            scraped.metrics.observe(ended(key_name="studio"))
            count += 1
        return count

    working = asyncio.create_task(asyncio.to_thread(load))
    seen: list[float] = []
    for _ in range(3):
        page = await scraped.exposition.page(openmetrics=True)
        line = next(one for one in page.splitlines() if b"ledger_commit_seconds_count" in one)
        seen.append(float(line.rpartition(b" ")[2]))
    stop.set()
    told = await working
    assert seen == sorted(seen)
    after = ours(scraped.metrics)
    assert after["ledger_commit_seconds_count"] == told > 0
    assert after["key_requests_total{key=studio,outcome=served}"] == told
    assert after["http_request_duration_seconds_count{route=generations,status_class=2xx}"] == told


async def test_a_histogram_agrees_with_itself_whatever_is_counted_meanwhile() -> None:
    scraped = Scraped()
    stop = threading.Event()

    def load() -> None:
        while not stop.is_set():
            scraped.metrics.observe(LedgerCommitted(seconds=2.0, entries=1))

    working = asyncio.create_task(asyncio.to_thread(load))
    name = f"{PREFIX}ledger_commit_seconds"
    try:
        for _ in range(20):
            text = await asyncio.to_thread(scraped.exposition.render, openmetrics=False)
            found = {
                line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
                for line in text.decode().splitlines()
                if line.startswith(name)
            }
            assert found[f'{name}_bucket{{le="+Inf"}}'] == found[f"{name}_count"]
            assert found[f'{name}_bucket{{le="1.0"}}'] == 0
    finally:
        stop.set()
        await working


@pytest.mark.parametrize(
    ("host", "status"),
    [("ops", 200), ("ops:9464", 200), ("localhost:9464", 200), ("rebound.example", 403)],
)
async def test_without_a_token_nobody_is_led_here_by_another_sites_name(
    host: str, status: int
) -> None:
    assert (await Scraped().ask(host=host)).status_code == status


async def test_who_shows_the_token_may_use_any_name() -> None:
    headers = {"authorization": "Bearer right"}
    assert (await Scraped("right").ask(host="metrics.example", **headers)).status_code == 200
