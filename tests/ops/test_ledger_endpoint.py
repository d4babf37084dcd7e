"""The operators' listener marks a job as claimed: for operators, and for nobody's page."""

import httpx
import pytest

from gateway.ops.bearer import OperatorsToken
from gateway.ops.health import operators_app
from tests.clocks import FakeClock

JSON = {"content-type": "application/json"}


class Claims:
    """Jobs that there are, and those that were claimed."""

    def __init__(self, *jobs: str) -> None:
        self.jobs = jobs
        self.claimed: list[str] = []

    async def __call__(self, job_id: str) -> bool:
        self.claimed.append(job_id)
        return job_id in self.jobs


async def post(
    claims: Claims | None,
    headers: dict[str, str],
    *,
    token: str | None = None,
    path: str = "/tasks/job_a/claim",
    method: str = "POST",
) -> httpx.Response:
    wanted = None if token is None else OperatorsToken(token, FakeClock(), lambda _: None)
    app = operators_app({}, token=wanted, claim=claims, host="ops")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://ops:9464") as client:
        return await client.request(method, path, headers=headers, content=b"{}")


async def test_a_job_is_claimed() -> None:
    claims = Claims("job_a")
    answer = await post(claims, JSON)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["cache-control"] == "no-store"
    assert claims.claimed == ["job_a"]


async def test_a_job_that_there_is_not_is_404() -> None:
    answer = await post(Claims("job_b"), JSON)
    assert (answer.status_code, answer.text) == (404, "no such job")


@pytest.mark.parametrize(
    ("shown", "status"),
    [("Bearer right", 204), ("Bearer wrong", 401), ("right", 401), (None, 401), ("", 401)],
)
async def test_with_a_token_set_only_who_has_it_may_claim(shown: str | None, status: int) -> None:
    claims = Claims("job_a")
    headers = JSON if shown is None else {**JSON, "authorization": shown}
    answer = await post(claims, headers, token="right")
    assert answer.status_code == status
    assert ("www-authenticate" in answer.headers) is (status == 401)
    assert bool(claims.claimed) is (status == 204)


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://ops:9464", 204),
        ("https://evil.example", 403),
        ("http://ops", 403),
        ("http://ops:9464.evil.example", 403),
        ("null", 403),
        ("", 403),
        ("http://[", 403),
    ],
)
async def test_another_sites_page_cannot_claim(origin: str, status: int) -> None:
    claims = Claims("job_a")
    answer = await post(claims, {**JSON, "origin": origin})
    assert answer.status_code == status
    assert bool(claims.claimed) is (status == 204)


@pytest.mark.parametrize(("token", "status"), [(None, 403), ("right", 204)])
async def test_a_name_that_was_pointed_at_this_machine_cannot_claim(
    token: str | None, status: int
) -> None:
    claims = Claims("job_a")
    rebound = {"host": "evil.example:9464", "origin": "http://evil.example:9464"}
    headers = {**JSON, **rebound, "authorization": "Bearer right"}
    answer = await post(claims, headers, token=token)
    assert answer.status_code == status
    assert bool(claims.claimed) is (status == 204)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json; charset=utf-8", 204),
        ("Application/JSON", 204),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("text/plain; application/json", 415),
        ("", 415),
    ],
)
async def test_what_a_form_can_send_does_not_claim(kind: str, status: int) -> None:
    claims = Claims("job_a")
    answer = await post(claims, {"content-type": kind})
    assert answer.status_code == status
    assert bool(claims.claimed) is (status == 204)


async def test_a_look_does_not_claim() -> None:
    claims = Claims("job_a")
    answer = await post(claims, JSON, method="GET")
    assert (answer.status_code, claims.claimed) == (405, [])


async def test_where_there_is_no_ledger_there_is_no_such_path() -> None:
    assert (await post(None, JSON)).status_code == 404
