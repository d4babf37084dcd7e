"""Probes, as an orchestrator asks them."""

from collections.abc import Mapping

import httpx
import pytest

from gateway.ops.health import Check, Health, operators_app

FINE: Mapping[str, Check] = {"config": lambda: None, "journal": lambda: None}
BAD: Mapping[str, Check] = {"config": lambda: None, "journal": lambda: "disk full"}


async def ask(
    checks: Mapping[str, Check],
    path: str,
    *,
    token: str | None = None,
    shown: str = "",
    method: str = "GET",
) -> httpx.Response:
    transport = httpx.ASGITransport(operators_app(checks, token=token))
    async with httpx.AsyncClient(transport=transport, base_url="http://ops") as client:
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


async def test_a_probe_may_ask_with_head() -> None:
    response = await ask(FINE, "/readyz", method="HEAD")
    assert (response.status_code, response.text) == (200, "")


async def test_a_check_is_asked_each_time() -> None:
    wrong: list[str | None] = [None, "draining"]
    health = Health({"drain": lambda: wrong.pop(0)})
    assert health.findings() == {"drain": None}
    assert health.findings() == {"drain": "draining"}
    assert repr(health) == "<Health checks=drain>"
