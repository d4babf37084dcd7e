"""The account's balance, held to the vendor's recorded bodies."""

import asyncio
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.config.sections import Upstream
from gateway.upstream.balance import Balance, read
from gateway.web.clients import Answer, CallFailed, Interrupted, Method, Part
from tests.clocks import FakeClock

WIRE = Path(__file__).parents[1] / "wire"
SECRET = "vendor-key-31415926"


@dataclass
class Calls:
    """Gives one answer after the other; the last for ever."""

    answers: list[Answer | CallFailed]
    sent: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)

    async def create(self, url: str, content: bytes, headers: Mapping[str, str]) -> Answer:
        raise AssertionError("nothing is bought here")

    async def call(
        self,
        method: Method,
        url: str,
        headers: Mapping[str, str],
        seconds: float,
        part: Part | None = None,
    ) -> Answer:
        self.sent.append((method, url, headers))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, CallFailed):
            raise answer
        return answer


def body(**told: Any) -> bytes:
    return json.dumps({"success": True, "remain_balance": 12.5, **told}).encode()


def balance(*answers: Answer | CallFailed, **section: Any) -> tuple[Balance, Calls, FakeClock]:
    calls, clock = Calls(list(answers)), FakeClock()
    told = {"api_key": SECRET, "base_url": "https://vendor.example", **section}
    return Balance(Upstream.model_validate(told), calls, clock), calls, clock


GOOD = Answer(200, {}, body())


@pytest.mark.parametrize(("name", "dollars"), [("balance", 12.5), ("balance_refused", None)])
async def test_the_recorded_answers_are_read(name: str, dollars: float | None) -> None:
    recorded = json.loads((WIRE / f"{name}.json").read_text("utf-8"))
    answer = Answer(recorded["http_status"], {}, json.dumps(recorded["body"]).encode())
    asked, calls, _ = balance(answer)
    assert asked.dollars is None
    await asked.ask()
    assert asked.dollars == dollars
    ((method, url, headers),) = calls.sent
    assert (method, url) == ("GET", "https://vendor.example/v1/balance")
    assert headers["authorization"] == f"Bearer {SECRET}"
    assert SECRET not in repr(asked)


@pytest.mark.parametrize(
    ("told", "dollars"),
    [
        (body(), 12.5),
        (body(remain_balance=0), 0.0),
        (body(remain_balance=-0.25), -0.25),
        (body(remain_balance="7.25"), 7.25),
        (body(remain_balance=-1), math.inf),
        (body(remain_balance=0, unlimited_quota=True), math.inf),
        (body(remain_balance=None, unlimited_quota=True), math.inf),
        (body(success=False), None),
        (body(success="true"), None),
        (body(remain_balance=None), None),
        (body(remain_balance=True), None),
        (body(remain_balance="a lot"), None),
        (body(remain_balance=[1]), None),
        (b'{"success": true, "remain_balance": NaN}', None),
        (b'{"success": true, "remain_balance": 1e999}', None),
        (b'{"success": true, "remain_balance": ' + b"9" * 400 + b"}", None),
        (b"[]", None),
        (b"", None),
        (b"<html>", None),
        (b"\xff\xfe", None),
        (b"[" * 100_000, None),
    ],
)
def test_whatever_is_no_balance_makes_it_unknown(told: bytes, dollars: float | None) -> None:
    assert read(told) == dollars


@pytest.mark.parametrize(
    "trouble", [Interrupted("timeout"), Answer(429, {}, body()), Answer(500, {}, b"oops")]
)
async def test_a_failure_makes_it_unknown_until_the_next_look(
    trouble: Answer | CallFailed,
) -> None:
    asked, _, _ = balance(GOOD, trouble, GOOD)
    seen = []
    for _ in range(3):
        await asked.ask()
        seen.append(asked.dollars)
    assert seen == [12.5, None, 12.5]


async def test_it_is_asked_at_the_start_and_then_seldom() -> None:
    asked, calls, clock = balance(GOOD, balance_interval="5m")
    running = asyncio.create_task(asked.run())
    await clock.advance(299)
    assert len(calls.sent) == 1
    await clock.advance(601)
    assert len(calls.sent) == 4
    running.cancel()


def test_it_can_be_left_alone() -> None:
    assert balance(GOOD)[0].asked
    assert not balance(GOOD, balance_interval=0)[0].asked
