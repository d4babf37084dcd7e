import asyncio
import datetime as dt
import email.utils
import json
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli import vendor
from gateway.cli.findings import Answer, Finding
from gateway.config.sections import Model, Upstream
from gateway.errors import UpstreamUnavailable

KEY = "sk-canary"
MODELS = {"gpt-image-2": Model(), "cheap": Model(upstream_model="flux")}
NOW = 1_700_000_000.0


class StoppedClock:
    def wall(self) -> float:
        return NOW

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(seconds)


class FakeAsker:
    """Answers as told, and remembers what it was asked."""

    def __init__(self, answer: Answer | Exception) -> None:
        self._answer = answer
        self.asked: list[tuple[str, Mapping[str, str], float]] = []

    async def get(self, url: str, headers: Mapping[str, str], timeout: float) -> Answer:  # noqa: ASYNC109
        self.asked.append((url, headers, timeout))
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def upstream(base_url: str = "https://vendor.example", **changes: Any) -> Upstream:
    return Upstream.model_validate({"base_url": base_url, "api_key": KEY, **changes})


def answered(status: int, body: object = None, **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, {"date": email.utils.formatdate(NOW, usegmt=True), **headers}, raw)


def listing(*names: str) -> dict[str, object]:
    return {"success": True, "data": [{"id": name} for name in names]}


async def ask(answer: Answer | Exception) -> tuple[Finding, ...]:
    return await vendor.answer(upstream(), MODELS, FakeAsker(answer), StoppedClock())


@asynccontextmanager
async def listening(reply: bytes = b"") -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if reply:
            await reader.read(16)
            writer.write(reply)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_the_free_call_is_made_once_with_the_key() -> None:
    asker = FakeAsker(answered(200, listing()))

    await vendor.answer(upstream(status_time=7), MODELS, asker, StoppedClock())

    assert asker.asked == [
        (
            "https://vendor.example/v1/models?type=all",
            {"authorization": f"Bearer {KEY}", "accept": "application/json"},
            7.0,
        )
    ]


async def test_a_good_key_and_its_models_are_told() -> None:
    found = await ask(answered(200, listing("flux", "gpt-image-1.5-official", "more")))

    assert [str(finding) for finding in found] == [
        "ok    key: the vendor accepts the key",
        "ok    model gpt-image-2: the vendor lists gpt-image-1.5-official",
        "ok    model cheap: the vendor lists flux",
        "ok    clock: agrees with the vendor's",
    ]


async def test_a_model_that_is_not_listed_is_a_warning_that_names_the_setting() -> None:
    found = await ask(answered(200, listing("gpt-image-1.5-official")))

    assert [finding.grade for finding in found] == ["ok", "ok", "warn", "ok"]
    assert found[2].message == "the vendor does not list flux for this key"
    assert "models.cheap.upstream_model" in found[2].advice


@pytest.mark.parametrize(
    ("answer", "grade", "message"),
    [
        (answered(401, {"error": {"message": "x"}}), "fail", "does not accept the key (401)"),
        (answered(402), "fail", "no credit (402)"),
        (answered(403, b"<html>"), "fail", "forbids this key the call (403)"),
        (answered(404, b"<html>"), "fail", "knows no such address (404)"),
        (answered(429), "warn", "is throttling this key now (429)"),
        (answered(500, b"oops"), "warn", "trouble of its own (500)"),
        (answered(502, b"<html>"), "warn", "trouble of its own (502)"),
        (answered(301, b"", location="https://new.example/v1"), "fail", "https://new.example/v1"),
        (answered(302, b""), "fail", "points elsewhere: nowhere"),
        (answered(200, b"<html>hello"), "fail", "not the vendor's API (200, no JSON)"),
        (answered(200, b"[" * 100_000), "fail", "not the vendor's API (200, no JSON)"),
        (answered(200, b"\xff\xfe"), "fail", "not the vendor's API (200, no JSON)"),
        (answered(200, {"success": False, "message": "no"}), "fail", "refuses (200): no"),
        (answered(200, {"success": False, "data": []}), "fail", "refuses (200): without a message"),
        (answered(200, [1]), "fail", "refuses (200): without a message"),
        (answered(200, {"data": {}}), "fail", "refuses (200): without a message"),
        (answered(400, {"error": {"message": "bad"}}), "fail", "refuses (400): bad"),
        (answered(400, {"error": "bad"}), "fail", "refuses (400): bad"),
        (answered(418, {"error": {"message": f"{KEY}\n\x1b[31m!"}}), "fail", "(418): *** 31m"),
    ],
)  # fmt: skip
async def test_what_else_the_vendor_may_answer_is_put_into_words(
    answer: Answer, grade: str, message: str
) -> None:
    found = await ask(answer)

    assert (found[0].grade, found[0].subject) == (grade, "key")
    assert message in found[0].message
    assert found[0].advice
    assert KEY not in str(found)


@pytest.mark.parametrize(
    "fault",
    [
        TimeoutError(),
        ConnectionResetError(104, f"reset {KEY}"),
        UpstreamUnavailable("the vendor could not be reached"),
    ],
)
async def test_no_answer_is_one_failure_without_the_key(fault: Exception) -> None:
    (found,) = await ask(fault)

    assert found.grade == "fail"
    assert "does not answer: " in found.message
    assert KEY not in str(found)


async def test_a_strange_entry_in_the_list_is_passed_over() -> None:
    found = await ask(answered(200, {"data": [None, "flux", {"name": "x"}, {"id": "flux"}]}))

    assert [finding.grade for finding in found] == ["ok", "warn", "ok", "ok"]


@pytest.mark.parametrize(
    ("date", "grade", "message"),
    [
        (email.utils.formatdate(NOW - 30, usegmt=True), "ok", "agrees"),
        (email.utils.formatdate(NOW + 30, usegmt=True), "ok", "agrees"),
        (email.utils.formatdate(NOW - 31, usegmt=True), "warn", "31 s ahead of the vendor's"),
        (email.utils.formatdate(NOW + 300, usegmt=True), "warn", "300 s behind the vendor's"),
        (email.utils.formatdate(NOW + 301, usegmt=True), "fail", "301 s behind the vendor's"),
        (email.utils.formatdate(NOW - 9999), "fail", "9999 s ahead"),
        ("soon", "warn", "sends no date"),
        ("", "warn", "sends no date"),
    ],
)
def test_the_clock_is_compared_with_the_vendors(date: str, grade: str, message: str) -> None:
    found = vendor.skew(answered(200, date=date), NOW)

    assert (found.grade, found.subject) == (grade, "clock")
    assert message in found.message


def test_a_date_without_a_zone_is_taken_for_utc() -> None:
    date = dt.datetime.fromtimestamp(NOW, dt.UTC).strftime("%d %b %Y %H:%M:%S -0000")

    assert vendor.skew(answered(200, date=date), NOW).grade == "ok"


@given(st.integers(min_value=100, max_value=599), st.binary(max_size=60), st.text(max_size=40))
def test_any_answer_is_judged_in_plain_lines(status: int, body: bytes, location: str) -> None:
    answer = Answer(status, {"location": location, "date": location}, body)

    found = [*vendor.judge(answer, MODELS, KEY), vendor.skew(answer, NOW)]

    for finding in found:
        assert finding.message.isprintable()


async def test_a_name_that_resolves_is_told_with_its_addresses() -> None:
    found = await vendor.name(upstream("http://127.0.0.1:1"))

    assert str(found) == "ok    name: 127.0.0.1 is 127.0.0.1"


async def test_a_name_that_does_not_resolve_fails_with_advice() -> None:
    found = await vendor.name(upstream("https://nowhere.invalid"))

    assert found.grade == "fail"
    assert "nowhere.invalid cannot be resolved" in found.message
    assert "upstream.base_url" in found.advice


async def test_a_name_server_that_does_not_answer_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never, raising=False)

    found = await vendor.name(upstream(connect_time=0.01))

    assert found.message == "vendor.example is not resolved in time"


async def test_a_port_that_answers_is_fine_without_tls_on_loopback() -> None:
    async with listening() as port:
        found = await vendor.connection(upstream(f"http://127.0.0.1:{port}"))

    assert str(found) == f"ok    connection: 127.0.0.1 port {port} answers"


async def test_a_port_where_nobody_listens_fails() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    found = await vendor.connection(upstream(f"http://127.0.0.1:{port}"))

    assert found.grade == "fail"
    assert f"no connection to 127.0.0.1 port {port}" in found.message


async def test_a_port_that_speaks_no_tls_fails() -> None:
    async with listening(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        found = await vendor.connection(upstream(f"https://127.0.0.1:{port}"))

    assert found.grade == "fail"
    assert f"no TLS with 127.0.0.1 port {port}" in found.message


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (TimeoutError(), "vendor.example port 443 does not answer"),
        (OSError(101, "Unreachable"), "no connection to vendor.example port 443: Unreachable"),
        (OSError("all attempts failed"), "no connection to vendor.example port 443: refused"),
    ],
)  # fmt: skip
async def test_other_ways_not_to_connect_are_told(
    monkeypatch: pytest.MonkeyPatch, fault: OSError, message: str
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(asyncio, "open_connection", fail)

    found = await vendor.connection(upstream())

    assert (found.grade, found.message) == ("fail", message)


async def test_a_certificate_nobody_signed_fails_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(*_: object, **__: object) -> None:
        fault = ssl.SSLCertVerificationError()
        fault.verify_message = "certificate has expired"
        raise fault

    monkeypatch.setattr(asyncio, "open_connection", fail)

    found = await vendor.connection(upstream())

    assert found.message == (
        "the certificate of vendor.example port 443 is not trusted: certificate has expired"
    )
    assert "clock" in found.advice
