"""The operators' token as a bearer: what wrong ones cost whom, on every path that asks for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from starlette.requests import Request

from gateway.ops.acts import SignInRefused
from gateway.ops.bearer import TRIES, OperatorsToken, Refusal
from gateway.ops.console import Console, Sources
from gateway.ops.exposition import Exposition, metrics_route
from gateway.ops.guard import Guard
from gateway.ops.health import operators_app
from tests.clocks import FakeClock
from tests.ops.consoles import HOST, ORIGIN, TOKEN, Stage

WRONG = "not-the-operators-token"
VERBOSE = "/readyz?verbose"
GUARDED = [
    ("GET", "/metrics"),
    ("GET", "/"),
    ("GET", "/playground/price?key=studio&n=1"),
    ("POST", "/playground"),
    ("POST", "/logout"),
    ("POST", "/tasks/job_a/claim"),
]


@dataclass
class Listener:
    """All that the operators' listener serves, behind one token."""

    claimed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stage = stage = Stage()
        self.clock = stage.clock
        self.token = stage.operators_token(TOKEN)
        guard = Guard(self.token, "0.0.0.0", self.clock, stage.facts.append)
        sources = Sources(stage._take, stage._keys, stage.recent, stage.playing)
        console = Console(sources, guard, self.clock, stage.facts.append)
        exposition = Exposition(CollectorRegistry(), lambda: None)
        self.app = operators_app(
            {"ledger": lambda: "disk full"},
            token=self.token,
            claim=self._claim,
            routes=[metrics_route(exposition, self.token, "0.0.0.0"), *console.routes()],
        )

    async def _claim(self, job_id: str) -> bool:
        self.claimed.append(job_id)
        return True

    @property
    def told(self) -> list[Any]:
        return self.stage.told(SignInRefused)

    @asynccontextmanager
    async def asked(self, address: str = "192.0.2.7") -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(self.app, client=(address, 5))
        headers = {"origin": ORIGIN, "content-type": "application/json"}
        async with httpx.AsyncClient(
            transport=transport, base_url=f"http://{HOST}", headers=headers
        ) as client:
            yield client

    async def status(
        self, shown: str | None, method: str = "GET", path: str = "/metrics", **where: str
    ) -> int:
        headers = {} if shown is None else {"authorization": shown}
        async with self.asked(**where) as client:
            return (await client.request(method, path, headers=headers)).status_code


@pytest.mark.parametrize(("method", "path"), GUARDED)
async def test_wrong_bearers_of_an_address_are_counted_and_told_up_to_a_limit(
    method: str, path: str
) -> None:
    listener = Listener()
    found = [await listener.status(f"Bearer {WRONG}", method, path) for _ in range(TRIES + 2)]
    first = 303 if path == "/" else 401
    assert found == [first] * TRIES + [429] * 2
    told = [(refused.address, refused.how) for refused in listener.told]
    assert told == [("192.0.2.7", "bearer")] * TRIES
    assert WRONG not in str(listener.stage.facts)
    assert (listener.claimed, listener.stage.played) == ([], [])


async def test_who_has_to_wait_is_told_for_how_long() -> None:
    listener = Listener()
    for _ in range(TRIES):
        await listener.status(f"Bearer {WRONG}")
    async with listener.asked() as client:
        answer = await client.get("/metrics", headers={"authorization": f"Bearer {WRONG}"})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "6")
    assert answer.headers["cache-control"] == "no-store"
    await listener.clock.advance(7)
    assert await listener.status(f"Bearer {WRONG}") == 401
    assert len(listener.told) == TRIES + 1


async def test_the_right_one_is_heard_at_once_from_wherever_wrong_ones_came() -> None:
    listener = Listener()
    for _ in range(TRIES * 3):
        await listener.status(f"Bearer {WRONG}")
    right = f"Bearer {TOKEN}"
    assert await listener.status(right) == 200
    assert await listener.status(right, "GET", "/") == 200
    assert await listener.status(right, "POST", "/tasks/job_a/claim") == 204
    async with listener.asked() as client:
        details = await client.get(VERBOSE, headers={"authorization": right})
    assert "disk full" in details.text
    assert len(listener.told) == TRIES


async def test_all_paths_and_the_form_count_together_and_addresses_apart() -> None:
    listener = Listener()
    for place in range(TRIES):
        await listener.status(f"Bearer {WRONG}", *GUARDED[place % len(GUARDED)])
    assert await listener.status(f"Bearer {WRONG}") == 429
    assert await listener.status(f"Bearer {WRONG}", address="192.0.2.8") == 401
    async with listener.asked() as client:
        page = (await client.get("/login")).text
        csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
        headers = {"content-type": "application/x-www-form-urlencoded"}
        for token, status in ((WRONG, 429), (TOKEN, 303)):
            form = {"csrf": csrf, "token": token}
            assert (await client.post("/login", data=form, headers=headers)).status_code == status


@pytest.mark.parametrize("shown", [None, "", "Bearer", "Bearer  ", "Basic b3BzOm9wcw==", TOKEN])
async def test_who_shows_no_bearer_has_shown_no_wrong_one(shown: str | None) -> None:
    listener = Listener()
    assert {await listener.status(shown) for _ in range(TRIES + 2)} == {401}
    assert listener.told == []


@pytest.mark.parametrize("shown", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"BEARER   {TOKEN} "])
async def test_a_schemes_case_is_no_matter(shown: str) -> None:
    assert await Listener().status(shown) == 200


@pytest.mark.parametrize("path", ["/livez", "/startupz", "/readyz"])
async def test_probes_never_need_a_token_and_count_none(path: str) -> None:
    listener = Listener()
    wanted = 503 if path == "/readyz" else 200
    for _ in range(TRIES + 2):
        assert await listener.status(f"Bearer {WRONG}", "GET", path) == wanted
    assert listener.told == []
    assert await listener.status(f"Bearer {WRONG}") == 401


async def test_a_probe_with_a_wrong_token_is_told_of_and_gets_its_verdict_for_ever() -> None:
    listener = Listener()
    for _ in range(TRIES + 2):
        async with listener.asked() as client:
            answer = await client.get(VERBOSE, headers={"authorization": f"Bearer {WRONG}"})
        assert (answer.status_code, answer.text) == (503, "not ready: ledger")
    assert len(listener.told) == TRIES
    assert await listener.status(f"Bearer {WRONG}") == 429


async def test_another_sites_page_has_nothing_counted() -> None:
    listener = Listener()
    headers = {"authorization": f"Bearer {WRONG}", "origin": "http://evil.example"}
    async with listener.asked() as client:
        for path in ("/tasks/job_a/claim", "/playground"):
            assert (await client.post(path, headers=headers)).status_code == 403
    assert listener.told == []


def test_a_token_of_any_letters_is_only_a_wrong_one() -> None:
    token = OperatorsToken(TOKEN, FakeClock(), lambda _: None)
    request = Request({"type": "http", "headers": [(b"authorization", b"Bearer \xff\xfe")]})
    assert token.bearer(request) == Refusal("This is not the operators' token.")
    assert TOKEN not in repr(token)
