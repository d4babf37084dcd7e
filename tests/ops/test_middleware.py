"""Ids, facts, headers and the last resort."""

import asyncio
import contextlib
import itertools
import json
import re
from collections.abc import MutableMapping
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gateway.facts import Crashed, InFlight, RequestEnded, RequestFacts, new_request_id
from gateway.ops.middleware import RequestContext
from gateway.translate.model import note

Message = MutableMapping[str, Any]


class FakeClock:
    now = 100.0

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


class Call:
    """One request through the middleware, with everything that came of it."""

    def __init__(self, app: Any) -> None:
        self.clock = FakeClock()
        self.events: list[object] = []
        self.sent: list[Message] = []
        self.coming: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]
        numbers = itertools.count(1)
        self.in_flight = InFlight()
        self.context = RequestContext(
            app,
            clock=self.clock,
            emit=self.events.append,
            in_flight=self.in_flight,
            new_id=lambda: f"req_{next(numbers)}",
        )

    async def receive(self) -> Message:
        return self.coming.pop(0) if self.coming else {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def __call__(self, *headers: tuple[bytes, bytes], kind: str = "http") -> "Call":
        scope: MutableMapping[str, Any] = {
            "type": kind,
            "method": "GET",
            "path": "/",
            "headers": list(headers),
        }
        scope.update(query_string=b"", root_path="")
        await self.context(scope, self.receive, self.send)
        return self

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def ended(self) -> RequestEnded:
        last = self.events[-1]
        assert isinstance(last, RequestEnded)
        return last


async def fine(scope: Any, receive: Any, send: Any) -> None:
    await PlainTextResponse("fine", headers={"X-Request-Id": "not ours"})(scope, receive, send)


async def test_every_response_has_our_headers() -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        call.clock.now += 0.0126
        await fine(scope, receive, send)

    call = Call(slow)
    await call()
    assert call.headers["x-request-id"] == "req_1"
    assert call.headers["openai-processing-ms"] == "12"
    assert call.headers["openai-version"] == "2020-10-01"
    assert "x-client-request-id" not in call.headers
    assert [name for name, _ in call.sent[0]["headers"]].count(b"x-request-id") == 1


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"mine-1", "mine-1"),
        (b"  a\r\n\x1b\x00b\xff ", "ab"),
        (b"x" * 5000, "x" * 200),
        (b"", None),
        (b"\xff\x00 ", None),
    ],
)
async def test_the_client_s_own_id_is_kept_beside_ours(sent: bytes, kept: str | None) -> None:
    call = await Call(fine)((b"accept", b"*/*"), (b"x-request-id", sent))
    assert call.headers.get("x-client-request-id") == kept
    assert call.ended.client_request_id == kept
    assert call.ended.request_id == "req_1"


async def test_the_facts_reach_the_last_event() -> None:
    adjusted = note("size-cropped", share=0.1)

    async def learns(request: Request) -> Response:
        facts: RequestFacts = request.state.facts
        facts.key_name, facts.route, facts.model, facts.n = "studio", "generations", "m", 2
        facts.tier, facts.quality, facts.job_id = "2k", "high", "job_1"
        facts.upstream_ids, facts.notes = ("t1", "t2"), (adjusted,)
        facts.phases["parse"] = 0.5
        call.clock.now += 2
        return PlainTextResponse("four", status_code=201)

    call = Call(Starlette(routes=[Route("/", learns)]))
    await call()
    assert call.events == [
        RequestEnded(
            "req_1", "GET", 201, 2.0, 4, key_name="studio", route="generations", model="m", n=2,
            tier="2k", quality="high", job_id="job_1", upstream_ids=("t1", "t2"),
            notes=(adjusted,), phases={"client": 0.0, "parse": 0.5},
        )
    ]  # fmt: skip
    assert len(call.in_flight) == 0


async def test_requests_in_flight_are_counted() -> None:
    seen: list[str] = []

    async def counts(scope: Any, receive: Any, send: Any) -> None:
        seen.append(repr(call.context))
        await fine(scope, receive, send)

    call = Call(counts)
    await call()
    assert seen == ["<RequestContext InFlight(1)>"]
    assert len(call.in_flight) == 0


async def test_a_crash_is_told_to_the_client_without_its_text() -> None:
    async def crashes(scope: Any, receive: Any, send: Any) -> None:
        call.clock.now += 1
        raise RuntimeError("inner secret")

    call = Call(crashes)
    await call()
    start, body = call.sent
    assert start["status"] == 500
    error = json.loads(body["body"])["error"]
    assert error["type"] == "server_error"
    assert error.keys() == {"message", "type", "param", "code"}
    assert "req_1" in error["message"]
    assert b"secret" not in body["body"]
    assert call.headers["content-length"] == str(len(body["body"]))
    assert call.headers["x-request-id"] == "req_1"
    assert "x-should-retry" not in call.headers
    crashed, ended = call.events
    assert isinstance(crashed, Crashed)
    assert (crashed.error, crashed.level) == ("RuntimeError", "error")
    assert "inner secret" in crashed.traceback
    assert isinstance(ended, RequestEnded)
    assert (ended.status, ended.error_code, ended.level) == (500, "server_error", "warning")


async def test_a_crash_after_a_purchase_says_not_to_ask_again() -> None:
    async def crashes(scope: Any, receive: Any, send: Any) -> None:
        scope["state"]["facts"].job_id = "job_7"
        raise RuntimeError

    call = await Call(crashes)()
    assert call.headers["x-should-retry"] == "false"
    assert "job_7" in json.loads(call.sent[1]["body"])["error"]["message"]


async def test_a_crash_after_the_response_began_leaves_it_unfinished() -> None:
    async def crashes(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        raise RuntimeError

    call = await Call(crashes)()
    assert [message["type"] for message in call.sent] == ["http.response.start"]
    assert isinstance(call.events[0], Crashed)
    assert (call.ended.status, call.ended.late_status) == (200, 500)
    assert (call.ended.error_code, call.ended.level) == ("server_error", "warning")


async def test_a_crash_after_the_whole_response_changes_nothing_of_it() -> None:
    async def crashes(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"all"})
        raise RuntimeError

    call = await Call(crashes)()
    assert [message["type"] for message in call.sent][-1] == "http.response.body"
    assert isinstance(call.events[0], Crashed)
    assert (call.ended.status, call.ended.late_status) == (200, None)


async def test_a_client_that_leaves_is_no_crash() -> None:
    async def reads(scope: Any, receive: Any, send: Any) -> None:
        async for _ in Request(scope, receive).stream():
            pass

    call = Call(reads)
    call.coming = [{"type": "http.request", "body": b"a", "more_body": True}]
    await call()
    assert call.sent == []
    assert len(call.events) == 1
    assert call.ended.left_early
    assert call.ended.status is None
    assert call.ended.level == "info"


async def test_a_crash_after_the_client_left_sends_nothing() -> None:
    async def crashes(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        raise RuntimeError

    call = Call(crashes)
    call.coming = []
    await call()
    assert call.sent == []
    assert [type(event) for event in call.events] == [Crashed, RequestEnded]


async def test_what_is_said_to_a_client_that_left_counts_as_unsaid() -> None:
    async def talks(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await fine(scope, receive, send)

    call = Call(talks)
    call.coming = []
    await call()
    assert call.sent == []
    assert (call.ended.left_early, call.ended.status, call.ended.sent) == (True, None, 0)


async def test_a_disconnect_after_the_last_byte_is_no_early_leave() -> None:
    async def lingers(scope: Any, receive: Any, send: Any) -> None:
        await fine(scope, receive, send)
        call.coming = []
        await receive()
        raise ClientDisconnect

    call = Call(lingers)
    await call()
    assert not call.ended.left_early


async def test_other_messages_pass_untouched() -> None:
    async def hints(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.debug", "info": {}})
        await fine(scope, receive, send)

    call = await Call(hints)()
    assert call.sent[0] == {"type": "http.response.debug", "info": {}}
    assert call.ended.sent == 4


async def test_cancellation_passes_and_is_counted_out() -> None:
    async def waits(scope: Any, receive: Any, send: Any) -> None:
        started.set()
        await asyncio.Event().wait()

    started = asyncio.Event()
    call = Call(waits)
    task = asyncio.create_task(call())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(call.in_flight) == 0
    assert call.ended.status is None


async def test_what_is_not_http_passes_untouched() -> None:
    seen: list[Any] = []

    async def notes_scope(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["type"], "state" in scope))

    call = await Call(notes_scope)(kind="lifespan")
    assert seen == [("lifespan", False)]
    assert call.events == []


def test_request_ids_are_ours_and_never_the_same() -> None:
    made = {new_request_id() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(r"req_[0-9a-f]{32}", one) for one in made)


# Whose the time is, and who left when


async def test_what_is_waited_for_the_body_and_for_the_reader_is_the_clients() -> None:
    async def slow_receive() -> Message:
        call.clock.now += 1.0
        return bodies.pop(0)

    async def slow_send(message: Message) -> None:
        call.clock.now += 0.25
        call.sent.append(message)

    async def serves(scope: Any, receive: Any, send: Any) -> None:
        async for _ in Request(scope, receive).stream():
            call.clock.now += 10.0
        facts: RequestFacts = scope["state"]["facts"]
        facts.phases["upstream"] = 5.0
        call.clock.now += 5.0
        await fine(scope, receive, send)

    bodies: list[Message] = [
        {"type": "http.request", "body": b"abc", "more_body": True},
        {"type": "http.request", "body": b"de", "more_body": False},
    ]
    call = Call(serves)
    call.receive = slow_receive  # type: ignore[method-assign]
    call.send = slow_send  # type: ignore[method-assign]
    await call()
    assert call.ended.phases == {"client": 2.5, "upstream": 5.0}
    assert (call.ended.received, call.ended.sent) == (5, 4)
    assert call.ended.duration == 37.5  # the body's end is a step of its own
    assert call.ended.waiting is None


async def test_a_body_that_never_came_is_the_clients_time_too() -> None:
    async def gives_up(scope: Any, receive: Any, send: Any) -> None:
        with contextlib.suppress(TimeoutError):
            await receive()
        await fine(scope, receive, send)

    async def too_slow() -> Message:
        call.clock.now += 30.0
        raise TimeoutError

    call = Call(gives_up)
    call.receive = too_slow  # type: ignore[method-assign]
    await call()
    assert call.ended.phases == {"client": 30.0}


async def test_watching_for_a_hang_up_is_nobodys_time() -> None:
    async def watches(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        watching = asyncio.create_task(receive())
        await asyncio.sleep(0)  # noqa: TID251 - one turn of the loop
        call.clock.now += 60.0
        await fine(scope, receive, send)
        watching.cancel()

    async def silent() -> Message:
        if call.coming:
            return call.coming.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    call = Call(watches)
    call.receive = silent  # type: ignore[method-assign]
    await call()
    assert call.ended.phases == {"client": 0.0}
    assert call.ended.duration == 60.0


@pytest.mark.parametrize(
    ("coming", "waits", "seen"),
    [
        ([], None, "body"),
        ([{"type": "http.request", "body": b"a", "more_body": True}], None, "body"),
        ([{"type": "http.request", "body": b"a", "more_body": False}], None, "queue"),
        ([{"type": "http.request", "body": b"a", "more_body": False}], "poll", "poll"),
    ],
)
async def test_who_leaves_early_is_told_with_what_they_waited_for(
    coming: list[Message], waits: Any, seen: str
) -> None:
    async def serves(scope: Any, receive: Any, send: Any) -> None:
        facts: RequestFacts = scope["state"]["facts"]
        while (await receive())["type"] != "http.disconnect":
            if waits is not None:
                facts.waits = lambda: waits
        facts.waits = "download"  # it had left by then
        await fine(scope, receive, send)

    call = Call(serves)
    call.coming = coming
    await call()
    assert (call.ended.left_early, call.ended.waiting) == (True, seen)


async def test_who_leaves_amid_the_answer_did_not_read_it() -> None:
    async def breaks_off(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        await receive()
        await send({"type": "http.response.body", "body": b"rest", "more_body": False})

    call = Call(breaks_off)
    call.coming = []
    await call()
    assert (call.ended.left_early, call.ended.waiting, call.ended.sent) == (True, "write", 4)


async def test_a_client_that_cannot_be_read_from_had_left() -> None:
    async def hears(scope: Any, receive: Any, send: Any) -> None:
        raise ClientDisconnect

    call = await Call(hears)()
    assert (call.ended.left_early, call.ended.waiting) == (True, "body")


async def test_those_in_flight_can_be_looked_at_by_route() -> None:
    async def looks(scope: Any, receive: Any, send: Any) -> None:
        seen.append(dict(call.in_flight.by_route()))
        scope["state"]["facts"].route = "edits"
        seen.append(dict(call.in_flight.by_route()))
        await fine(scope, receive, send)

    seen: list[Any] = []
    call = Call(looks)
    await call()
    assert seen == [{None: 1}, {"edits": 1}]
    assert dict(call.in_flight.by_route()) == {}


async def test_all_that_is_learnt_is_told() -> None:
    async def learns(scope: Any, receive: Any, send: Any) -> None:
        facts: RequestFacts = scope["state"]["facts"]
        facts.rejection, facts.retry, facts.joined = "quota", 2, "replay"
        facts.images, facts.delivery, facts.cost = 3, "url", 120_000
        await fine(scope, receive, send)

    told = (await Call(learns)()).ended
    assert (told.rejection, told.retry, told.joined) == ("quota", 2, "replay")
    assert (told.images, told.delivery, told.cost) == (3, "url", 120_000)
