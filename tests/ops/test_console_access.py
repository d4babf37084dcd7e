"""Who may look at the console, who may act, and what a page of another site can do: nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from starlette.requests import Request

from gateway.ops.acts import DrainAsked, PictureTried, SignedIn, SignedOut, SignInRefused
from gateway.ops.bearer import TRIES
from gateway.ops.guard import is_own_host
from gateway.ops.sessions import LIFETIME, MOST
from tests.clocks import AtOnce
from tests.ops.consoles import HOST, ORIGIN, TOKEN, Browser, Stage, browsing

WISH = {"key": "studio", "model": "gpt-image-2", "size": "", "quality": "", "n": "1", "prompt": "a"}


@pytest.mark.parametrize("host", [HOST, "localhost:1234", "[::1]:9464", "127.8.9.1"])
async def test_without_a_token_everybody_on_this_machine_may_look(host: str) -> None:
    async with browsing(Stage(), host) as browser:
        assert (await browser.open()).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:9464", "192.0.2.1"])
@pytest.mark.parametrize("path", ["/", "/events", "/playground/price"])
async def test_without_a_token_other_names_are_refused(host: str, path: str) -> None:
    async with browsing(Stage(), host) as browser:
        answer = await browser.client.get(path)
        assert answer.status_code == 403
        answer = await browser.client.post("/playground", headers={"origin": f"http://{host}"})
        assert answer.status_code == 403


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain"])
async def test_without_a_token_the_door_tells_other_names_nothing(kind: str) -> None:
    stage = Stage()
    async with browsing(stage, "evil.example:9464") as browser:
        headers = {"origin": "http://evil.example:9464", "content-type": kind}
        answers = [
            await browser.client.get("/login"),
            await browser.client.post("/login", headers=headers, content=b"csrf=x&token=y"),
            await browser.client.post("/login", content=b"csrf=x&token=y"),
        ]
    for answer in answers:
        assert answer.status_code == 403
        assert answer.headers["content-type"].startswith("text/plain")
        assert stage.guard.door_csrf not in answer.text + str(answer.headers)


async def test_the_configured_host_is_a_name_of_this_machine() -> None:
    stage = Stage(host="Gateway.internal")
    async with browsing(stage, "gateway.internal:9464") as browser:
        assert (await browser.open()).status_code == 200


async def test_with_a_token_any_name_will_do() -> None:
    async with browsing(Stage(TOKEN), "ops.example") as browser:
        assert "The operators" in (await browser.open()).text


async def test_with_a_token_the_page_asks_for_it() -> None:
    async with browsing(Stage(TOKEN)) as browser:
        answer = await browser.client.get("/")
        assert (answer.status_code, answer.headers["location"]) == (303, "login")
        assert "In flight" not in (await browser.open()).text


@pytest.mark.parametrize("path", ["/events", "/playground/price?key=studio"])
async def test_with_a_token_the_rest_is_401(path: str) -> None:
    async with browsing(Stage(TOKEN)) as browser:
        answer = await browser.client.get(path)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize(("shown", "status"), [(TOKEN, 200), ("wrong", 303)])
async def test_a_bearer_may_look(shown: str, status: int) -> None:
    async with browsing(Stage(TOKEN)) as browser:
        answer = await browser.client.get("/", headers={"authorization": f"Bearer {shown}"})
        assert answer.status_code == status


async def test_a_bearer_may_not_act() -> None:
    stage = Stage(TOKEN)
    async with browsing(stage) as browser:
        browser.client.headers["authorization"] = f"Bearer {TOKEN}"
        page = await browser.open()
        assert "<form" not in page.text
        for path in ("/playground", "/drain", "/logout"):
            assert (await browser.send(path, {**WISH, "confirm": "drain"})).status_code == 403
    assert (stage.played, stage.drained) == ([], 0)


async def test_who_shows_the_token_has_a_session() -> None:
    stage = Stage(TOKEN)
    async with browsing(stage) as browser:
        answer = await browser.sign_in()
        assert (answer.status_code, answer.headers["location"]) == (303, "./")
        assert "In flight" in browser.page
        (signed_in,) = stage.told(SignedIn)
        assert signed_in.address == "127.0.0.1"
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("image_gateway_9464=")
        assert "; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict" in cookie
        assert "Secure" not in cookie
        assert cookie.partition("=")[2].partition(";")[0] not in str(stage.facts)


async def test_over_https_the_cookie_stays_there() -> None:
    async with browsing(Stage(TOKEN)) as browser:
        await browser.open("/login")
        answer = await browser.send("/login", {"token": TOKEN}, origin=f"https://{HOST}")
        assert "; Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize(
    "token", ["wrong", "", TOKEN + "x", TOKEN[:-1], "t\N{LATIN SMALL LETTER O WITH DIAERESIS}"]
)
async def test_a_wrong_token_opens_nothing(token: str) -> None:
    stage = Stage(TOKEN)
    async with browsing(stage) as browser:
        answer = await browser.sign_in(token)
        assert answer.status_code == 401
        assert "set-cookie" not in answer.headers
        assert "This is not the operators&#39; token." in answer.text
        assert (await browser.client.get("/")).status_code == 303
    assert [refused.address for refused in stage.told(SignInRefused)] == ["127.0.0.1"]
    assert TOKEN not in str(stage.facts)


async def test_of_wrong_tokens_ten_are_told_and_the_right_one_is_heard_all_the_same() -> None:
    stage = Stage(TOKEN)
    async with browsing(stage) as browser:
        answers = [await browser.sign_in("wrong") for _ in range(TRIES + 2)]
        assert [answer.status_code for answer in answers] == [401] * TRIES + [429] * 2
        assert answers[-1].headers["retry-after"] == "6"
        assert "Too many wrong tokens came from your address. Wait 6 s." in answers[-1].text
        told = [(refused.address, refused.how) for refused in stage.told(SignInRefused)]
        assert told == [("127.0.0.1", "form")] * TRIES
        assert (await browser.sign_in(TOKEN)).status_code == 303
        await browser.send("/logout")
        await stage.clock.advance(7)
        assert (await browser.sign_in("wrong")).status_code == 401


async def test_a_session_ends_after_twelve_hours() -> None:
    stage = Stage(TOKEN)
    async with browsing(stage) as browser:
        await browser.sign_in()
        await stage.clock.advance(LIFETIME)
        assert (await browser.client.get("/")).status_code == 303


async def test_who_signs_out_is_out() -> None:
    stage = Stage(TOKEN)
    async with browsing(stage) as browser:
        await browser.sign_in()
        kept = dict(browser.client.cookies)
        answer = await browser.send("/logout")
        assert (answer.status_code, answer.headers["location"]) == (303, "./")
        assert "Max-Age=0" in answer.headers["set-cookie"]
        browser.client.cookies.update(kept)
        assert (await browser.client.get("/")).status_code == 303
    (out,), (came,) = stage.told(SignedOut), stage.told(SignedIn)
    assert out.by == came.by


async def over_by_signing_out(stage: Stage, browser: Browser) -> None:
    assert (await browser.send("/logout")).status_code == 303


async def over_by_the_hour(stage: Stage, browser: Browser) -> None:
    stage.clock.now += LIFETIME


async def over_by_too_many_others(stage: Stage, browser: Browser) -> None:
    for _ in range(MOST):
        stage.guard.sessions.begin()


async def over_by_closing(stage: Stage, browser: Browser) -> None:
    stage.console.close()


@pytest.mark.parametrize(
    "over", [over_by_signing_out, over_by_the_hour, over_by_too_many_others, over_by_closing]
)
async def test_a_stream_ends_with_its_session(
    over: Callable[[Stage, Browser], Awaitable[None]],
) -> None:
    stage = Stage(TOKEN)
    asyncio.get_running_loop().set_default_executor(AtOnce())
    async with browsing(stage) as one, browsing(stage) as other:
        await other.sign_in()
        watching = asyncio.create_task(other.client.get("/events"))
        await stage.clock.advance(3)
        assert not watching.done()
        await over(stage, other)
        await stage.clock.advance(1)
        assert watching.done()
        status = 503 if over is over_by_closing else 401
        assert (await other.client.get("/events")).status_code == status
        assert (await one.sign_in()).status_code == 303


async def test_whose_session_goes_on_is_told_on_and_so_is_who_shows_the_token() -> None:
    stage = Stage(TOKEN)
    asyncio.get_running_loop().set_default_executor(AtOnce())
    async with browsing(stage) as one, browsing(stage) as other, browsing(stage) as program:
        await one.sign_in()
        await other.sign_in()
        program.client.headers["authorization"] = f"Bearer {TOKEN}"
        watching = [
            asyncio.create_task(each.client.get("/events")) for each in (one, other, program)
        ]
        await stage.clock.advance(2)
        await other.send("/logout")
        await stage.clock.advance(2)
        assert [task.done() for task in watching] == [False, True, False]
        stage.console.close()
        await asyncio.gather(*watching)


async def test_who_is_signed_in_is_not_asked_again() -> None:
    async with browsing(Stage(TOKEN)) as browser:
        await browser.sign_in()
        assert (await browser.client.get("/login")).headers["location"] == "./"


async def test_without_a_token_there_is_nothing_to_sign_in_to() -> None:
    stage = Stage()
    async with browsing(stage) as browser:
        page = await browser.open()
        assert "Sign out" not in page.text
        assert "Drain" not in page.text
        assert (await browser.client.get("/login")).headers["location"] == "./"
        assert (await browser.send("/login", {"token": ""})).headers["location"] == "./"
        assert (await browser.send("/drain", {"confirm": "drain"})).status_code == 404
        assert (await browser.send("/logout")).status_code == 303
    assert stage.facts == []


FORMS = [
    ("/playground", WISH),
    ("/drain", {"confirm": "drain"}),
    ("/logout", {"why": "done"}),
]


@pytest.mark.parametrize(("path", "fields"), FORMS)
@pytest.mark.parametrize("csrf", ["", "x", None])
async def test_a_form_without_the_pages_token_is_refused(
    path: str, fields: dict[str, str], csrf: str | None
) -> None:
    stage = Stage(TOKEN)
    async with browsing(stage) as browser:
        await browser.sign_in()
        form = fields if csrf is None else {**fields, "csrf": csrf}
        answer = await browser.client.post(path, data=form, headers={"origin": ORIGIN})
        assert (answer.status_code, answer.text) == (403, "this page is out of date: load it again")
        assert (await browser.client.get("/")).status_code == 200
    assert (stage.played, stage.drained) == ([], 0)


async def test_one_sessions_page_token_is_no_good_for_another() -> None:
    stage = Stage(TOKEN)
    async with browsing(stage) as one, browsing(stage) as other:
        await one.sign_in()
        await other.sign_in()
        assert (
            await one.send("/drain", {"confirm": "drain", "csrf": other.csrf})
        ).status_code == 403
        assert (
            await one.send("/drain", {"confirm": "drain", "csrf": stage.guard.door_csrf})
        ).status_code == 403
    assert stage.drained == 0


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "",
        None,
        "http://127.0.0.1",
        "http://[",
        f"{ORIGIN}.evil.example",
    ],
)
@pytest.mark.parametrize(("path", "fields"), FORMS)
async def test_a_form_of_another_sites_page_is_refused(
    path: str, fields: dict[str, str], origin: str | None
) -> None:
    stage = Stage(TOKEN)
    async with browsing(stage) as browser:
        await browser.sign_in()
        answer = await browser.send(path, fields, origin=origin)
        assert (answer.status_code, answer.text) == (403, "not from another site's page")
    assert (stage.played, stage.drained) == ([], 0)


@pytest.mark.parametrize("origin", ["http://evil.example", None])
async def test_another_sites_page_cannot_sign_anybody_in(origin: str | None) -> None:
    stage = Stage(TOKEN)
    async with browsing(stage) as browser:
        await browser.open("/login")
        answer = await browser.send("/login", {"token": TOKEN}, origin=origin)
        assert answer.status_code == 403
        assert "set-cookie" not in answer.headers
    assert stage.facts == []


async def test_without_a_token_a_page_of_the_web_cannot_spend_money() -> None:
    stage = Stage()
    async with browsing(stage) as browser:
        await browser.open()
        for origin in ("http://evil.example", None, "null"):
            assert (await browser.send("/playground", WISH, origin=origin)).status_code == 403
        answer = await browser.send("/playground", {**WISH, "csrf": "guess"})
        assert answer.status_code == 403
        assert stage.played == []
        assert (await browser.send("/playground", WISH)).status_code == 200
    (tried,) = stage.told(PictureTried)
    assert (tried.by, tried.key_name, tried.status, tried.request_id) == (
        None,
        "studio",
        200,
        "req_1",
    )


async def test_who_drains_is_in_the_log() -> None:
    stage = Stage(TOKEN)
    async with browsing(stage) as browser:
        await browser.sign_in()
        assert "Drain and stop" in browser.page
        refused = await browser.send("/drain", {"confirm": "yes"})
        assert (refused.status_code, stage.drained) == (400, 0)
        done = await browser.send("/drain", {"confirm": " Drain "})
        assert done.status_code == 200
        assert "Draining" in done.text
    assert stage.drained == 1
    (drain,), (came,) = stage.told(DrainAsked), stage.told(SignedIn)
    assert drain.by == came.by


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("", b"csrf=x", 415),
        ("application/x-www-form-urlencoded", b"a=" + b"x" * 600_000, 413),
        ("application/x-www-form-urlencoded", b"&".join(b"a=1" for _ in range(30)), 400),
        ("application/x-www-form-urlencoded", b"\xff", 400),
        ("application/x-www-form-urlencoded; charset=utf-8", b"csrf=x", 403),
    ],
)
@pytest.mark.parametrize("path", ["/login", "/playground"])
async def test_what_is_no_form_is_refused(path: str, kind: str, body: bytes, status: int) -> None:
    stage = Stage(TOKEN)
    async with browsing(stage) as browser:
        await browser.sign_in()
        headers = {"origin": ORIGIN, "content-type": kind}
        answer = await browser.client.post(path, content=body, headers=headers)
        assert answer.status_code == status


async def test_a_form_that_never_ends_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.ops.replies._FORM_TIME", 0.0)

    async def dripping() -> AsyncIterator[bytes]:
        yield b"csrf="
        await asyncio.Event().wait()

    stage = Stage(TOKEN)
    async with browsing(stage) as browser:
        await browser.sign_in()
        kind = "application/x-www-form-urlencoded"
        headers = {"origin": ORIGIN, "content-type": kind}
        answer = await browser.client.post("/logout", content=dripping(), headers=headers)
        assert answer.status_code == 408


@pytest.mark.parametrize("host", ["[::1", "", "127.0.0.1.evil.example", "127.0.0.1@evil.example"])
def test_what_is_no_name_of_this_machine_is_none(host: str) -> None:
    scope = {"type": "http", "headers": [(b"host", host.encode())]}
    assert not is_own_host(Request(scope), "127.0.0.1")
