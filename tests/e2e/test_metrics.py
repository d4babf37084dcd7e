"""What a scraper of a real gateway is told, while callers come and go."""

import asyncio
import itertools
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import openai
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from gateway.facts import RequestEnded
from gateway.notices import ObserverFailed
from gateway.ops.acts import SignInRefused
from gateway.ops.families import OTHER, PREFIX, REQUESTS
from gateway.overview import Surroundings
from tests.canaries import VENDOR_WEBHOOK_SECRET
from tests.e2e.junk import ask
from tests.e2e.outcomes import CANARY
from tests.e2e.pictures import SMALL
from tests.e2e.stand import KEY, Stand, behaving, config, standing
from tests.ops.scraped import ours, read, samples, short

PROMPT = f"{CANARY} a lighthouse"
JUNK = 10_000


async def scrape(stand: Stand, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(stand.gateway.operators)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        return await client.get("/metrics", headers=headers)


async def told(stand: Stand, ended: int = 0) -> Mapping[str, float]:
    """All series, by short names, once so many requests are over: that is after their answers."""
    await stand.until(lambda: len(stand.requests) >= ended)
    page = (await scrape(stand)).content
    return {short(one.name, one.labels): one.value for one in samples(page)}


def total(series: Mapping[str, float], name: str, **labels: str) -> float:
    """The sum over whatever is not said of the labels."""
    wanted = {f"{label}={value}" for label, value in labels.items()}
    found = [
        value
        for one, value in series.items()
        if one.partition("{")[0] == name
        and wanted <= set(re.split(r"[{},]", one.partition("{")[2]))
    ]
    assert found, name
    return sum(found)


async def test_a_picture_is_counted_all_the_way(stand: Stand) -> None:
    before = await told(stand)
    async with stand.client() as client:
        await client.images.generate(model="gpt-image-2", prompt=PROMPT, size=SMALL)
    after = await told(stand, ended=1)
    assert after.keys() == before.keys()
    moved = {one.partition("{")[0] for one in after if after[one] != before[one]}
    assert {
        "http_requests_total",
        "http_request_duration_seconds_count",
        "overhead_seconds_count",
        "http_response_body_bytes_sum",
        "key_requests_total",
        "upstream_creates_total",
        "upstream_create_seconds_count",
        "upstream_task_seconds_count",
    } <= moved
    assert total(after, "http_requests_total") == 1
    assert total(after, "http_requests_total", route="generations", status="200") == 1
    assert total(after, "key_requests_total", key="studio", outcome="served") == 1
    assert total(after, "upstream_creates_total", outcome="accepted") == 1
    assert total(after, "upstream_task_seconds_count", outcome="done") == 1


async def test_what_is_under_way_is_shown(stand: Stand) -> None:
    stand.vendor_is(speed=15)
    async with stand.client() as client:
        waiting = asyncio.create_task(client.images.generate(prompt=PROMPT, size=SMALL))
        await stand.until(lambda: [j.states for j in stand.gateway.board.jobs()] == [("running",)])
        during = await told(stand)
        await waiting
    after = await told(stand, ended=1)
    for series, busy in ((during, 1), (after, 0)):
        assert series["http_requests_in_flight{route=generations}"] == busy
        assert series["key_in_flight{key=studio}"] == busy
        assert series["upstream_tasks{state=running,upstream=toapis}"] == busy
        assert series["ready"] == 1
    assert after["shelf_bytes"] >= 0
    assert after["disk_free_bytes"] > 0


async def test_what_the_vendor_tells_of_the_account_is_shown(tmp_path: Path) -> None:
    async with behaving(tmp_path, upstream={"balance_interval": "50ms"}) as stand:
        # So late that it has to be asked about, however slowly its create is answered.
        stand.vendor_fails({"where": "create", "kind": "slow", "seconds": 0.5})
        async with stand.client() as client:
            await client.images.generate(prompt=PROMPT, size=SMALL)
        stand.vendor_is(balance_usd=500.0)
        await stand.until(lambda: (stand.gateway.overview.snapshot().vendor.balance or 999) < 500)
        series = await told(stand)
    assert 499 < series["upstream_balance_usd{upstream=toapis}"] < 500
    assert series["upstream_quota_remaining{category=submit,upstream=toapis}"] > 90_000
    assert series["upstream_quota_remaining{category=query,upstream=toapis}"] > 90_000


async def test_a_balance_that_is_never_asked_stays_unknown(tmp_path: Path) -> None:
    async with behaving(tmp_path, upstream={"balance_interval": 0}) as stand:
        series = await told(stand)
        assert stand.calls("balance") == 0
    assert str(series["upstream_balance_usd{upstream=toapis}"]) == "nan"
    assert series["ready"] == 1


async def test_the_loops_lag_is_sampled(stand: Stand) -> None:
    metrics = stand.gateway.metrics
    await stand.until(lambda: ours(metrics)["event_loop_lag_seconds_count"] > 0)


async def test_a_listener_that_is_attached_tells_its_connections(stand: Stand) -> None:
    class Door:
        connections_open = 3
        connections_refused = 4

    stand.gateway.overview.around = Surroundings(
        doors={"clients": Door()},
        config=lambda: (False, 5.0),
        log_dropped=lambda: 1,
        log_suppressed=lambda: 2,
    )
    series = await told(stand)
    assert series["http_connections{listener=clients}"] == 3
    assert series["http_connections_limit"] == 10_000
    assert series["http_connections_refused_total"] == 4
    assert series["config_last_reload_successful"] == 0


async def test_a_drain_is_shown(stand: Stand) -> None:
    stand.gateway.announce_drain()
    series = await told(stand)
    assert (series["draining"], series["ready"]) == (1, 0)


async def test_with_a_token_set_metrics_need_it_and_probes_do_not(tmp_path: Path) -> None:
    async with behaving(tmp_path, ops={"token": "operators-token"}) as stand:
        assert (await scrape(stand)).status_code == 401
        answer = await scrape(stand, authorization="Bearer operators-token")
        assert answer.status_code == 200
        transport = httpx.ASGITransport(stand.gateway.operators)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            assert (await client.get("/livez")).status_code == 200
            assert (await client.get("/readyz")).status_code == 200
    assert "operators-token" not in answer.text
    assert KEY not in answer.text


async def test_wrong_tokens_are_counted_together_wherever_they_are_shown(tmp_path: Path) -> None:
    async with behaving(tmp_path, ops={"token": "operators-token"}) as stand:
        transport = httpx.ASGITransport(stand.gateway.operators)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            wrong = {"authorization": "Bearer operators-tokem"}
            for path in ("/metrics", "/events", "/readyz?verbose") * 4:
                await client.get(path, headers=wrong)
            for path in ("/metrics", "/"):
                assert (await client.get(path, headers=wrong)).status_code == 429
        refused = [fact for fact in stand.facts if isinstance(fact, SignInRefused)]
        assert [(one.address, one.how) for one in refused] == [("127.0.0.1", "bearer")] * 10
        right = await scrape(stand, authorization="Bearer operators-token")
        assert right.status_code == 200


async def test_both_formats_are_well_formed_after_some_load(stand: Stand) -> None:
    async with stand.client() as client:
        await client.images.generate(prompt=PROMPT, size=SMALL)
        with pytest.raises(openai.BadRequestError):
            await client.images.generate(prompt=PROMPT, size="1x1")
    await stand.until(lambda: len(stand.requests) == 2)
    plain = await scrape(stand)
    rich = await scrape(stand, accept="application/openmetrics-text; version=1.0.0")
    names = [
        sorted(family.name for family in read(page.content, openmetrics=openmetrics))
        for page, openmetrics in ((plain, False), (rich, True))
    ]
    assert names[0] == names[1]
    examples = [one for one in samples(rich.content, openmetrics=True) if one.exemplar is not None]
    ids = {one.exemplar.labels["request_id"] for one in examples if one.exemplar}
    assert ids == {ended.request_id for ended in stand.requests}
    assert CANARY not in plain.text + rich.text


async def test_a_reload_adds_series_for_what_is_new(stand: Stand) -> None:
    before = await told(stand)
    sections = {
        "keys": [{"name": "new", "key": "sk-igw-new-key"}],
        "models": {"gpt-image-2": {}, "gpt-image-9": {"aliases": ["nine"]}},
    }
    stand.gateway.reload(config(stand.folder, stand.vendor_url, sections))
    async with stand.plain(headers={"authorization": "Bearer sk-igw-new-key"}) as client:
        assert (await client.get("/v1/models")).status_code == 200
    after = await told(stand, ended=1)
    assert before.keys() < after.keys()
    assert after["key_requests_total{key=new,outcome=served}"] == 1
    assert after["key_images_total{key=new,model=gpt-image-9}"] == 0
    assert after["key_requests_total{key=studio,outcome=served}"] == 0
    assert [key.name for key in await stand.gateway.overview.keys()] == ["new"]


async def test_what_is_used_of_a_keys_budget_is_shown_and_follows_a_reload(tmp_path: Path) -> None:
    name = "key_budget_used_ratio{budget=images_per_day,key=studio}"

    def keys(**limits: int) -> list[Mapping[str, object]]:
        return [{"name": "studio", "key": KEY, "limits": limits}]

    async with behaving(tmp_path, keys=keys(images_per_day=4)) as stand:
        assert (await told(stand))[name] == 0
        async with stand.client() as client:
            await client.images.generate(prompt=PROMPT, size=SMALL)
        await stand.gateway.overview.refresh()
        assert (await told(stand))[name] == 0.25
        for changed, share in ((keys(images_per_day=2), 0.5), (keys(), None)):
            stand.gateway.reload(config(stand.folder, stand.vendor_url, {"keys": changed}))
            assert (await told(stand)).get(name) == share


async def test_whoever_watches_and_fails_costs_no_request_and_is_reported_once(
    tmp_path: Path,
) -> None:
    def broken(fact: object) -> None:
        raise LookupError(type(fact).__name__)

    async with standing(tmp_path) as stand, stand.client() as client:
        stand.gateway.watchers.add(broken)
        for _ in range(2):
            await client.images.generate(prompt=PROMPT, size=SMALL)
        series = await told(stand, ended=2)
        reports = [fact for fact in stand.facts if isinstance(fact, ObserverFailed)]
    assert series["key_requests_total{key=studio,outcome=served}"] == 2
    kinds = [report.event for report in reports]
    assert len(kinds) == len(set(kinds))
    assert {"RequestEnded", "Stepped", "JobEnded"} <= set(kinds)
    assert {report.error for report in reports} == {"LookupError"}


async def test_the_methods_listed_for_each_route_are_those_it_is_asked_by(tmp_path: Path) -> None:
    async with behaving(tmp_path, upstream={"webhook_secret": VENDOR_WEBHOOK_SECRET}) as stand:
        assert isinstance(stand.gateway.clients, Starlette)
        asked = [
            (re.sub(r"\{[^}]+\}", "x", route.path), method)
            for route in stand.gateway.clients.routes
            if isinstance(route, Route)
            for method in route.methods or ()
        ]
        async with stand.plain() as client:
            for path, method in asked:
                await client.request(method, path)
        await stand.until(lambda: len(stand.requests) == len(asked))
        found = {(ended.route, ended.method) for ended in stand.requests}
        assert found == set(REQUESTS) - {(OTHER, OTHER)}


async def test_scrapes_during_load_see_every_counter_grow_and_none_go_back(stand: Stand) -> None:
    async def load() -> None:
        async with stand.plain() as client:
            for _ in range(40):
                await client.get("/v1/models")

    working = asyncio.gather(*(load() for _ in range(4)))
    seen: list[Mapping[str, float]] = []
    while not working.done():
        seen.append(await told(stand))
    await working
    seen.append(await told(stand, ended=160))
    for before, after in itertools.pairwise(seen):
        assert before.keys() == after.keys()
        gone = [
            one
            for one in after
            if "_total" in one.partition("{")[0] or "_bucket" in one.partition("{")[0]
            if after[one] < before[one]
        ]
        assert gone == []
    assert seen[-1]["http_requests_total{method=GET,route=models,status=200}"] == 160


async def test_ten_thousand_junk_requests_make_no_series(tmp_path: Path) -> None:
    async with standing(tmp_path, server={"failed_auth_per_minute": None}) as stand:
        before = await told(stand)
        said = await ask(urlsplit(stand.url).port or 0, JUNK, KEY)
        after = await told(stand, ended=JUNK - JUNK // 8)
        parsed = [fact for fact in stand.facts if isinstance(fact, RequestEnded)]
    assert after.keys() == before.keys()
    assert len(before) < 3_000
    assert sum(said.values()) == JUNK
    assert set(said) == {400, 401, 404, 405}
    assert len(parsed) == JUNK - JUNK // 8  # what is no method is no request
    assert total(after, "http_requests_total") == len(parsed)
    assert total(after, "http_request_duration_seconds_count") == len(parsed)
    assert stand.purchases == 0
    assert PREFIX not in next(iter(after))
