"""Bounds on heads and connections, over real sockets."""

import asyncio
import inspect
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from tests.server.loopback import (
    GET,
    POST,
    Receive,
    Send,
    answer,
    calling,
    echo,
    pause,
    serving,
    until,
)


def test_what_is_used_of_uvicorn_and_is_not_public_is_still_there() -> None:
    config = Config(app=echo, lifespan="off", ws="none", interface="asgi3", log_config=None)
    protocol = HttpToolsProtocol(config, ServerState(), {}, asyncio.new_event_loop())
    protocol.loop.close()
    attributes = {
        "cycle", "pipeline", "parser", "headers", "logger", "loop", "connections", "server_state",
        "transport", "flow", "timeout_keep_alive_task", "tasks",
    }  # fmt: skip
    assert attributes <= vars(protocol).keys()
    methods = {
        "_start_asgi_task", "_unset_keepalive_if_required", "timeout_keep_alive_handler",
        "shutdown", "on_message_begin", "on_url", "on_header", "on_headers_complete", "on_body",
        "on_message_complete", "connection_made", "connection_lost", "data_received",
    }  # fmt: skip
    assert methods <= vars(HttpToolsProtocol).keys()
    start = inspect.signature(HttpToolsProtocol._start_asgi_task)
    assert list(start.parameters) == ["self", "cycle", "app"]
    assert {"connections", "tasks", "default_headers"} <= vars(ServerState()).keys()
    cycle_source = inspect.getsource(RequestResponseCycle)
    for attribute in (
        "disconnected", "message_event", "response_complete", "response_started", "more_body",
        "keep_alive", "scope", "chunked_encoding", "expected_content_length",
    ):  # fmt: skip
        assert f"self.{attribute}" in cycle_source
    # Early answers rely on uvicorn closing, and saying so, once keep_alive is false.
    assert "if not self.keep_alive and not has_connection_close" in cycle_source
    assert "if not self.keep_alive:\n                    self.transport.close()" in cycle_source


async def test_a_good_request_is_served_and_the_connection_kept() -> None:
    async with serving(echo) as listener, calling(listener) as caller:
        for _ in range(2):
            response = await caller.ask(GET)
            assert response.status == 200
            assert json.loads(response.body)["path"] == "/a"
            assert response.headers["date"].endswith(" GMT")
            assert "server" not in response.headers
            assert "connection" not in response.headers
        assert listener.connections_open == 1


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", id="CL+TE"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", id="TE+CL"),
        pytest.param(POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", id="two CL"),
        pytest.param(POST + b"Content-Length: 3, 3\r\n\r\nabc", id="CL list"),
        pytest.param(POST + b"Content-Length: +3\r\n\r\nabc", id="CL sign"),
        pytest.param(POST + b"Content-Length: 9999999999999999999999\r\n\r\n", id="CL overflow"),
        pytest.param(POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", id="xchunked"),
        pytest.param(POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", id="gzip"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n", id="negative chunk"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n", id="chunk bare LF"),
        pytest.param(
            b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="1.0 TE"
        ),
        pytest.param(b"GET / HTTP/1.1\nHost: h\n\n", id="bare LF"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n", id="one bare LF"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: h\rX: y\r\n\r\n", id="bare CR"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n", id="obs-fold"),
        pytest.param(b"GET / HTTP/1.1\r\nHost : h\r\n\r\n", id="space before colon"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n", id="NUL"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="no Host"),
        pytest.param(b"GET / HTTP/1.1\r\nHost:\r\n\r\n", id="empty Host"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", id="two Hosts"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: a/b@c\r\n\r\n", id="no host's name"),
        pytest.param(b"GET /\r\n\r\n", id="HTTP/0.9"),
        pytest.param(b"GET / HTTP/2.0\r\nHost: h\r\n\r\n", id="HTTP/2.0"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="h2 preface"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="TLS hello"),
        pytest.param(b"GET /\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n", id="raw UTF-8 in the path"),
        pytest.param(b"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", id="CONNECT"),
    ],
)
async def test_bad_framing_is_refused_in_the_envelope(raw: bytes) -> None:
    async with serving(echo) as listener, calling(listener) as caller:
        response = await caller.ask(raw)
        assert response.status == 400
        assert response.headers["content-type"] == "application/json"
        assert response.headers["connection"] == "close"
        assert response.headers["openai-version"] == "2020-10-01"
        assert response.headers["openai-processing-ms"] == "0"
        assert response.error.keys() == {"message", "type", "param", "code"}
        assert response.error["type"] == "invalid_request_error"
        assert response.headers["x-request-id"] in response.error["message"]
        assert await caller.is_hung_up_on()
        assert listener.faults == 1


async def test_old_http_without_a_host_is_served_and_closed() -> None:
    async with serving(echo) as listener, calling(listener) as caller:
        response = await caller.ask(b"GET / HTTP/1.0\r\n\r\n")
        assert response.status == 200
        assert response.headers["connection"] == "close"
        assert await caller.is_hung_up_on()


async def in_pieces(_scope: Any, _receive: Receive, send: Send) -> None:
    """An answer whose length is not told."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]})
    for piece in (b"one ", b"", b"two"):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"!"})


async def unfinished(_scope: Any, _receive: Receive, send: Send) -> None:
    """An answer that is begun and left."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"   ", "more_body": True})


async def test_old_http_gets_a_body_of_unknown_length_as_it_is() -> None:
    async with serving(in_pieces) as listener, calling(listener) as caller:
        await caller.say(b"GET / HTTP/1.0\r\n\r\n")
        head, _, body = (await caller.rest()).partition(b"\r\n\r\n")
        assert b"transfer-encoding" not in head.lower()
        assert b"content-length" not in head.lower()
        assert b"connection: close" in head.lower()
        assert body == b"one two!"


async def test_old_http_is_told_by_a_reset_that_a_body_of_unknown_length_is_not_whole() -> None:
    async with serving(unfinished) as listener, calling(listener) as caller:
        await caller.say(b"GET / HTTP/1.0\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            await caller.rest()


async def test_old_http_gets_only_the_head_where_it_asks_for_that() -> None:
    async with serving(in_pieces) as listener, calling(listener) as caller:
        await caller.say(b"HEAD / HTTP/1.0\r\n\r\n")
        assert (await caller.rest()).endswith(b"\r\n\r\n")


async def test_todays_http_gets_it_in_chunks_and_stays() -> None:
    async with serving(in_pieces) as listener, calling(listener) as caller:
        for _ in range(2):
            await caller.say(GET)
            expected = b"4\r\none \r\n3\r\ntwo\r\n1\r\n!\r\n0\r\n\r\n"
            assert (await caller.until(expected)).endswith(expected)


async def test_what_is_begun_and_left_is_cut_without_an_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(unfinished) as listener, calling(listener) as caller:
        await caller.say(GET)
        said = await caller.rest()
        assert said.endswith(b"\r\n\r\n3\r\n   \r\n")
    assert caplog.records == []


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 5000 + b"\r\n\r\n", id="a header"
        ),
        pytest.param(b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nHost: h\r\n\r\n", id="the target"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 9000, id="never ending"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: h\r\n" + b"X: y\r\n" * 20 + b"\r\n", id="too many"),
        pytest.param(
            POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: " + b"a" * 9000, id="trailer"
        ),
        pytest.param(
            POST + b"Transfer-Encoding: chunked\r\n\r\n3;x=" + b"a" * 9000, id="extension"
        ),
        pytest.param(b"\r\n" * 5000, id="empty lines"),
    ],
)
async def test_too_large_a_head_is_refused(raw: bytes) -> None:
    async with (
        serving(echo, header_bytes=4096, header_count=16) as listener,
        calling(listener) as caller,
    ):
        head, _, rest = raw.partition(b"chunked\r\n\r\n")
        if rest:  # counted are the pieces that bring nothing else
            await caller.say(head + b"chunked\r\n\r\n")
            await pause(0.02)
        response = await caller.ask(rest or raw)
        assert response.status == 431
        assert response.error["code"] == "headers_too_large"
        assert await caller.is_hung_up_on()


async def test_a_head_within_its_bounds_is_served_however_it_is_cut() -> None:
    raw = b"GET /a HTTP/1.1\r\nHost: h\r\n" + b"X: y\r\n" * 15 + b"Y: " + b"z" * 900 + b"\r\n\r\n"
    async with (
        serving(echo, header_bytes=1100, header_count=17) as listener,
        calling(listener) as caller,
    ):
        for cut in (1, 20, 100, len(raw) - 1):
            await caller.say(raw[:cut])
            await pause(0.01)
            assert (await caller.ask(raw[cut:])).status == 200


async def test_a_large_body_in_small_chunks_is_no_large_head() -> None:
    body = b"1\r\na\r\n" * 3000
    async with serving(echo, header_bytes=1024) as listener, calling(listener) as caller:
        head = POST + b"Transfer-Encoding: chunked\r\n\r\n"
        response = await caller.ask(head + body + b"0\r\n\r\n")
        assert json.loads(response.body)["body"] == "a" * 3000


async def test_a_trailer_does_not_pass_for_a_header() -> None:
    raw = POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nAuthorization: x\r\n\r\n"
    async with serving(echo) as listener, calling(listener) as caller:
        seen = json.loads((await caller.ask(raw)).body)
        assert seen["headers"] == ["host", "transfer-encoding"]
        assert (await caller.ask(GET)).status == 200


async def test_a_slow_head_ends_in_408() -> None:
    async with serving(echo, header_time=0.2) as listener, calling(listener) as caller:
        await caller.say(b"GET / HT")
        await pause(0.1)
        await caller.say(b"TP/1.1\r\n")  # a drip does not prolong it
        began = asyncio.get_running_loop().time()
        assert (await caller.hear()).status == 408
        assert asyncio.get_running_loop().time() - began < 0.19
        assert await caller.is_hung_up_on()


async def test_a_silent_connection_is_closed_without_a_word() -> None:
    async with serving(echo, idle_time=0.1) as listener, calling(listener) as caller:
        assert await caller.is_hung_up_on()
        assert listener.faults == 0


async def test_an_idle_kept_connection_is_closed() -> None:
    async with (
        serving(echo, idle_time=0.1, header_time=0.3) as listener,
        calling(listener) as caller,
    ):
        assert (await caller.ask(GET)).status == 200
        assert await caller.is_hung_up_on()


async def test_a_request_that_takes_long_is_not_idle() -> None:
    async def slow(scope: Any, receive: Receive, send: Send) -> None:
        await pause(0.3)
        await answer(send)

    async with (
        serving(slow, idle_time=0.1, header_time=0.1) as listener,
        calling(listener) as caller,
    ):
        assert (await caller.ask(GET)).status == 200


async def test_one_connection_too_many_is_turned_away_at_once() -> None:
    async with serving(echo, connections=2) as listener:
        async with calling(listener) as first, calling(listener) as second:
            assert (await first.ask(GET)).status == 200
            assert (await second.ask(GET)).status == 200
            async with calling(listener) as third:
                response = await third.ask(GET)
                assert response.status == 503
                assert response.headers["retry-after"] == "1"
                assert response.headers["x-should-retry"] == "true"
                assert response.error["code"] == "server_is_overloaded"
                assert await third.is_hung_up_on()
            assert (await first.ask(GET)).status == 200
            assert (listener.connections_open, listener.connections_refused) == (2, 1)
        await until(lambda: listener.connections_open == 0)
        async with calling(listener) as fourth:
            assert (await fourth.ask(GET)).status == 200


async def test_a_flood_of_connections_holds_few_descriptors() -> None:
    async with serving(echo, connections=1) as listener, calling(listener) as first:
        assert (await first.ask(GET)).status == 200
        flood = [
            await asyncio.open_connection("127.0.0.1", listener.port, limit=1024) for _ in range(40)
        ]
        await until(lambda: listener.connections_refused == 40)
        assert listener._book.lingering <= 17
        for _, writer in flood:
            writer.transport.abort()
        await until(lambda: listener._book.lingering == 0)


async def test_pipelined_requests_are_answered_in_order() -> None:
    raw = b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % i for i in range(10))
    async with serving(echo) as listener, calling(listener) as caller:
        await caller.say(raw)
        paths = [json.loads((await caller.hear()).body)["path"] for _ in range(10)]
        assert paths == [f"/{i}" for i in range(10)]


async def test_too_many_requests_ahead_end_the_connection_after_the_first() -> None:
    async with serving(echo) as listener, calling(listener) as caller:
        await caller.say(GET * 100)
        assert (await caller.hear()).status == 200
        assert await caller.is_hung_up_on()
        assert listener.faults == 1


async def test_a_fault_behind_a_good_request_does_not_spoil_its_answer() -> None:
    async def slow(scope: Any, receive: Receive, send: Send) -> None:
        await pause(0.1)
        await answer(send)

    async with serving(slow) as listener, calling(listener) as caller:
        response = await caller.ask(GET + b"BAD BAD BAD\r\n\r\n")
        assert (response.status, response.body) == (200, b"ok")
        assert response.headers["connection"] == "close"
        assert await caller.is_hung_up_on()


async def test_a_body_that_turns_bad_ends_its_request() -> None:
    seen: list[str] = []

    async def reads(scope: Any, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] != "http.disconnect":
            seen.append(message["body"].decode())
        seen.append("gone")

    async with serving(reads) as listener, calling(listener) as caller:
        await caller.say(POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        await until(lambda: "a" in seen)
        assert (await caller.ask(b"zz\r\n")).status == 400
        assert await caller.is_hung_up_on()
        await until(lambda: seen[-1] == "gone")


async def test_a_body_that_turns_bad_after_the_answer_began_cuts_the_answer() -> None:
    async def early(scope: Any, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"10")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        while (await receive())["type"] != "http.disconnect":
            pass

    async with serving(early) as listener, calling(listener) as caller:
        await caller.say(POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        await caller.reader.readuntil(b"\r\n\r\n")
        await caller.say(b"zz\r\n")
        assert await caller.is_hung_up_on()


async def test_the_running_request_learns_of_a_hang_up_even_with_others_behind() -> None:
    left = asyncio.Event()

    async def waits(scope: Any, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        left.set()

    async with serving(waits) as listener:
        async with calling(listener) as caller:
            await caller.say(GET + GET)
            await pause(0.05)
        async with asyncio.timeout(2):
            await left.wait()


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_an_offered_upgrade_is_declined_and_the_body_kept(framing: str) -> None:
    """Java's own HTTP client offers h2c on each plain POST."""
    inner = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
    offer = POST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"
    if framing == "length":
        raw = offer + b"Content-Length: %d\r\n\r\n" % len(inner) + inner
    else:
        chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(inner), inner)
        raw = offer + b"Transfer-Encoding: chunked\r\n\r\n" + chunk
    for cut in (len(offer), len(raw) - len(inner), len(raw) - 3, len(raw)):
        async with serving(echo) as listener, calling(listener) as caller:
            await caller.say(raw[:cut])
            await pause(0.01)
            response = await caller.ask(raw[cut:] + GET)
            assert json.loads(response.body)["body"] == inner.decode()
            assert json.loads((await caller.hear()).body)["path"] == "/a"


async def test_a_web_socket_handshake_is_an_ordinary_request() -> None:
    raw = b"GET /w HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    async with serving(echo) as listener, calling(listener) as caller:
        assert json.loads((await caller.ask(raw)).body)["path"] == "/w"
        assert (await caller.ask(GET)).status == 200


async def test_what_the_application_raises_is_told_without_its_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def breaks(scope: Any, receive: Receive, send: Send) -> None:
        raise RuntimeError("a secret")

    async with serving(breaks) as listener, calling(listener) as caller:
        response = await caller.ask(GET)
        assert response.status == 500
        assert response.error["type"] == "server_error"
        assert b"secret" not in response.body
        assert await caller.is_hung_up_on()
    assert [record.message for record in caplog.records] == ["the application raised"]


async def test_an_application_that_says_nothing_is_answered_for() -> None:
    async def mute(scope: Any, receive: Receive, send: Send) -> None:
        pass

    async with serving(mute) as listener, calling(listener) as caller:
        await caller.say(b"HEAD / HTTP/1.1\r\nHost: h\r\n\r\n")
        head = await caller.reader.read()
        assert head.startswith(b"HTTP/1.1 500 ")
        assert head.endswith(b"\r\n\r\n")  # an answer to HEAD has no body


async def test_an_answer_left_unfinished_is_cut() -> None:
    async def stops(scope: Any, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"abc", "more_body": True})

    async with serving(stops) as listener, calling(listener) as caller:
        await caller.say(GET)
        rest = await caller.reader.read()
        assert rest.endswith(b"3\r\nabc\r\n")


async def test_an_error_that_follows_a_hang_up_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done = asyncio.Event()

    async def complains(scope: Any, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        done.set()
        raise RuntimeError("client disconnected")

    async with serving(complains) as listener:
        async with calling(listener) as caller:
            await caller.say(GET)
            await pause(0.05)
        async with asyncio.timeout(2):
            await done.wait()
    assert caplog.records == []


@settings(max_examples=40)
@given(data=st.data())
def test_whatever_the_cuts_a_parser_sees_the_same_requests(data: st.DataObject) -> None:
    """The bounds count alike however the bytes are split, so no split slips past them."""
    raw = GET + POST + b"Content-Length: 3\r\n\r\nabc" + GET
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    parts = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]

    async def run() -> list[str]:
        async with serving(echo) as listener, calling(listener) as caller:
            for part in parts:
                await caller.say(part)
                await pause(0)
            return [json.loads((await caller.hear()).body)["body"] for _ in range(3)]

    assert asyncio.run(run()) == ["", "abc", ""]
