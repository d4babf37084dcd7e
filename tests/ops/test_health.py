"""Probes, as an orchestrator asks them."""

from collections.abc import Mapping

import httpx
import pytest

from gateway.ops.bearer import OperatorsToken
from gateway.ops.health import Check, Health, full, operators_app
from tests.clocks import FakeClock

FINE: Mapping[str, Check] = {"config": lambda: None, "journal": lambda: None}
BAD: Mapping[str, Check] = {"config": lambda: None, "journal": lambda: "disk full"}


async def ask(
    checks: Mapping[str, Check],
    path: str,
    *,
    token: str | None = None,
    shown: str = "",
    method: str = "GET",
    name: str = "localhost",
) -> httpx.Response:
    wanted = None if token is None else OperatorsToken(token, FakeClock(), lambda _: None)
    transport = httpx.ASGITransport(operators_app(checks, token=wanted))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{name}") as client:
        return await client.request(method, path, headers={"authorization": shown})


async def test_a_live_process_says_ok_whatever_the_checks() -> None:
    response = await ask(BAD, "/livez", token="t")
    assert (response.status_code, response.text) == (200, "ok")
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("checks", "path", "status", "text"),
    [
        (FINE, "/readyz", 200, "ok"),
        (BAD, "/readyz", 503, "not ready: journal"),
        (FINE, "/readyz?verbose", 200, "[+]config ok\n[+]journal ok\nreadyz check passed\n"),
        (
            BAD,
            "/readyz?verbose=1",
            503,
            "[+]config ok\n[-]journal failed: disk full\nreadyz check failed\n",
        ),
        ({}, "/readyz", 200, "ok"),
    ],
)
async def test_readiness_is_told_in_kubernetes_manner(
    checks: Mapping[str, Check], path: str, status: int, text: str
) -> None:
    response = await ask(checks, path)
    assert (response.status_code, response.text) == (status, text)
    assert response.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    ("shown", "detailed"),
    [("Bearer right", True), ("Bearer wrong", False), ("", False), ("right", False)],
)
async def test_with_a_token_set_the_details_need_it_and_the_verdict_does_not(
    shown: str, *, detailed: bool
) -> None:
    response = await ask(BAD, "/readyz?verbose", token="right", shown=shown)
    assert response.status_code == 503
    assert ("disk full" in response.text) is detailed


@pytest.mark.parametrize(
    ("name", "detailed"), [("127.0.0.1:9464", True), ("[::1]", True), ("evil.example", False)]
)
async def test_without_a_token_the_details_are_for_this_machine_s_own_names(
    name: str, *, detailed: bool
) -> None:
    response = await ask(BAD, "/readyz?verbose", name=name)
    assert response.status_code == 503
    assert ("disk full" in response.text) is detailed


@pytest.mark.parametrize("path", ["/livez", "/startupz", "/readyz", "/readyz?verbose"])
async def test_a_probe_may_ask_with_head(path: str) -> None:
    response = await ask(FINE, path, method="HEAD")
    assert (response.status_code, response.text) == (200, "")
    assert int(response.headers["content-length"]) > 0
    assert (await ask(FINE, path, method="POST")).status_code == 405


@pytest.mark.parametrize(("path", "check"), [("/livez", "loop"), ("/startupz", "started")])
async def test_the_other_probes_list_what_they_look_at_too(path: str, check: str) -> None:
    told = f"[+]{check} ok\n{path[1:]} check passed\n"
    assert (await ask(BAD, f"{path}?verbose")).text == told
    assert (await ask(BAD, f"{path}?verbose", token="right")).text == "ok"


async def test_a_process_that_has_started_once_has_started() -> None:
    wrong: list[str | None] = ["the ledger is read", None, "a loop has ended"]
    app = operators_app(BAD, started=lambda: wrong.pop(0))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        early = await client.get("/startupz?verbose")
        assert early.status_code == 503
        assert early.text == "[-]started failed: the ledger is read\nstartupz check failed\n"
        for _ in range(2):
            assert (await client.get("/startupz")).status_code == 200
    assert wrong == ["a loop has ended"]  # nobody asked for that any more


async def test_one_that_has_not_says_so_in_a_word() -> None:
    app = operators_app(FINE, started=lambda: "not yet")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ops") as one:
        answer = await one.get("/startupz")
    assert (answer.status_code, answer.text) == (503, "not started: started")


def test_a_full_queue_is_told_with_its_numbers() -> None:
    waiting = [0]
    check = full(lambda: waiting[0], 3)
    for waiting[0], told in ((0, None), (2, None), (3, "3 of at most 3 wait"), (1, None)):
        assert check() == told


async def test_a_check_is_asked_each_time() -> None:
    wrong: list[str | None] = [None, "draining"]
    health = Health({"drain": lambda: wrong.pop(0)})
    assert health.findings() == {"drain": None}
    assert health.findings() == {"drain": "draining"}
    assert repr(health) == "<Health checks=drain>"
