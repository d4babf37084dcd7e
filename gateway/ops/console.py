"""The operators' console: its page, and what is done through it.

Owns: the paths, and what stands at each. Must not know: how anything that it shows or starts works:
it is given callables.
The page is whole without its script; with it, it is kept up to date by server-sent events.

``GET /`` the page · ``GET /console`` leads there · ``GET|POST /login`` · ``POST /logout`` ·
``GET /events`` · ``POST /playground`` · ``GET /playground/price`` ·
``GET /playground/pictures/{file}`` · ``POST /drain`` · ``GET /static/{file}``.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.clock import Clock
from gateway.facts import Emit
from gateway.ops import key_panel, panels
from gateway.ops.acts import DrainAsked, PictureTried
from gateway.ops.assets import Assets
from gateway.ops.bars import Value
from gateway.ops.bearer import Refusal
from gateway.ops.feed import Feed, Shared
from gateway.ops.guard import Guard, Visitor, carries, is_from_our_site, set_cookie
from gateway.ops.playground import Playground, Playing, Unusable, read_form
from gateway.ops.recent import Recent
from gateway.ops.replies import (
    NO_STORE,
    PAGE_HEADERS,
    PROMPT_FORM,
    SMALL_FORM,
    bare,
    read_fields,
    redirect,
    said,
    seconds,
    turned_away,
)
from gateway.ops.snapshot import KeyView, Snapshot
from gateway.ops.templates import templates

_PAUSE, _KEYS_PAUSE = 1.0, 5.0
_FONT = "NotoSansCJKsc-subset.woff2"
_DRAIN = "drain"
_OUTDATED = "this page is out of date: load it again"

Looked = Callable[[Request, Visitor], Awaitable[ASGIApp]]
Acted = Callable[[Request, Visitor, Mapping[str, str]], Awaitable[ASGIApp]]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where everything comes from and goes to. Without ``playing`` there is no playground.

    ``drain`` makes the process stop as a signal does; without it there is no button.
    """

    snapshot: Callable[[], Snapshot]
    keys: Callable[[], Awaitable[tuple[KeyView, ...]]]
    recent: Recent
    playing: Playing | None = None
    drain: Callable[[], None] | None = None


class Console:
    """The console, to be mounted by its ``routes``; ``close`` it before its listener stops."""

    def __init__(
        self, sources: Sources, guard: Guard, clock: Clock, emit: Emit, font: Path | None = None
    ) -> None:
        self._sources = sources
        self._guard = guard
        self._clock = clock
        self._emit = emit
        playing = sources.playing
        self._playground = Playground(playing, clock) if playing is not None else None
        others = {} if font is None else {_FONT: font, "OFL.txt": font.with_name("OFL.txt")}
        self._assets = Assets(others)
        self._now = Shared(self._take, _PAUSE, clock)
        self._keys = Shared(self._take_keys, _KEYS_PAUSE, clock)
        self._feed = Feed({"now": self._now, "keys": self._keys}, clock)
        self._templates = templates(self._assets)
        # A page that another process made has forms that this one does not know.
        made = f"{self._assets.digest} {guard.door_csrf}"
        self._page_id = hashlib.sha256(made.encode()).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"<Console {self._feed!r} {self._guard!r}>"

    def routes(self) -> list[BaseRoute]:
        """What the operators' listener serves of it."""

        def looked(look: Looked) -> ASGIApp:
            return _Endpoint(partial(self._looked, look))

        def acted(act: Acted, most: int = SMALL_FORM) -> ASGIApp:
            return _Endpoint(partial(self._acted, act, most))

        routes: list[BaseRoute] = [
            Route("/", looked(self._page), methods=["GET"]),
            Route("/console", _to_the_page, methods=["GET"]),
            Route("/login", self._login_page, methods=["GET"]),
            Route("/login", self._login, methods=["POST"]),
            Route("/logout", acted(self._logout), methods=["POST"]),
            Route("/events", looked(self._events), methods=["GET"]),
            Route("/static/{file}", self._assets.serve, methods=["GET"]),
        ]
        if self._playground is not None:
            routes += [
                Route("/playground", acted(self._play, PROMPT_FORM), methods=["POST"]),
                Route("/playground/price", looked(self._price), methods=["GET"]),
                Route("/playground/pictures/{file}", looked(self._picture), methods=["GET"]),
            ]
        if self._may_drain:
            routes.append(Route("/drain", acted(self._drain), methods=["POST"]))
        return routes

    def close(self) -> None:
        """Send everybody away who is being told the news, so that nobody is waited for."""
        self._feed.close()

    @property
    def _may_drain(self) -> bool:
        return self._guard.has_token and self._sources.drain is not None

    # Looking

    async def _page(self, _request: Request, visitor: Visitor) -> ASGIApp:
        return await self._whole_page(visitor)

    async def _events(self, request: Request, visitor: Visitor) -> ASGIApp:
        if request.method == "HEAD":
            return Response(headers=NO_STORE, media_type="text/event-stream")
        if not self._feed.is_open:
            return said(HTTPStatus.SERVICE_UNAVAILABLE, "too many look, or the process stops")
        return self._feed.stream(partial(self._guard.is_still_let_in, request, visitor))

    async def _price(self, request: Request, _visitor: Visitor) -> ASGIApp:
        playground = self._playground
        assert playground is not None  # noqa: S101 - else there is no such path
        try:
            wanted = read_form(request.query_params)
        except Unusable as fault:
            return said(HTTPStatus.BAD_REQUEST, str(fault))
        return JSONResponse({"price": playground.price(wanted)}, headers=NO_STORE)

    async def _picture(self, request: Request, _visitor: Visitor) -> ASGIApp:
        """A picture as a file, as it was made: of whatever size, it is sent piece by piece."""
        playground = self._playground
        assert playground is not None  # noqa: S101 - else there is no such path
        answer = playground.picture(request.path_params["file"])
        return said(HTTPStatus.NOT_FOUND, "no such picture") if answer is None else bare(answer)

    async def _whole_page(
        self, visitor: Visitor, played: Mapping[str, Value] | None = None, status: int = 200
    ) -> Response:
        """The page with everything in it, as of now."""
        now, keys = await self._now.get(), await self._keys.get()
        playground = self._playground
        offered = playground.choices() if playground is not None and visitor.csrf else None
        html = await asyncio.to_thread(
            self._templates.get_template("console.html").render,
            now=now,
            keys=keys,
            offered=offered,
            played=played,
            csrf=visitor.csrf,
            signed_in=visitor.session is not None,
            may_drain=self._may_drain and visitor.session is not None,
        )
        return HTMLResponse(html, status, headers=PAGE_HEADERS)

    # Coming and going

    async def _login_page(self, request: Request) -> Response:
        misdirected = self._misdirected(request)
        if misdirected is not None:
            return misdirected
        if not self._guard.has_token or self._guard.session(request) is not None:
            return redirect()
        return self._asks_for_token()

    def _asks_for_token(
        self, why: str = "", status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Response:
        page = self._templates.get_template("login.html")
        html = page.render(csrf=self._guard.door_csrf, why=why)
        return HTMLResponse(html, status, headers={**PAGE_HEADERS, **(headers or {})})

    async def _login(self, request: Request) -> Response:
        stray = self._stray(request)
        if stray is not None:
            return stray
        if not self._guard.has_token:
            return redirect()
        form = await read_fields(request, SMALL_FORM, self._clock)
        if isinstance(form, Response):
            return form
        if not carries(form, self._guard.door_csrf):
            return self._asks_for_token(_OUTDATED.capitalize(), HTTPStatus.FORBIDDEN)
        found = self._guard.sign_in(request, form.get("token", ""))
        if isinstance(found, str):
            return redirect({"set-cookie": set_cookie(request, found)})
        return self._not_let_in(found)

    def _not_let_in(self, refusal: Refusal) -> Response:
        if refusal.wait is None:
            return self._asks_for_token(refusal.why, HTTPStatus.UNAUTHORIZED)
        wait = seconds(refusal.wait)
        why = f"{refusal.why} Wait {wait} s."
        after = {"retry-after": wait}
        return self._asks_for_token(why, HTTPStatus.TOO_MANY_REQUESTS, after)

    async def _logout(
        self, request: Request, visitor: Visitor, _form: Mapping[str, str]
    ) -> ASGIApp:
        if visitor.session is not None:
            self._guard.sign_out(request, visitor.session)
        return redirect({"set-cookie": set_cookie(request, "")})

    # Acting

    async def _play(self, request: Request, visitor: Visitor, form: Mapping[str, str]) -> ASGIApp:
        playground = self._playground
        assert playground is not None  # noqa: S101 - else there is no such path
        try:
            wanted = read_form(form)
        except Unusable as fault:
            return said(HTTPStatus.BAD_REQUEST, str(fault))
        if playground.is_full:
            why = "two pictures are being made from here already: wait for one"
            return said(HTTPStatus.SERVICE_UNAVAILABLE, why)
        played, shown = await playground.play(wanted, request.receive)
        request_id = dict(played.headers).get("x-request-id")
        self._emit(
            PictureTried(
                by=visitor.name,
                key_name=wanted.key_name,
                status=played.status,
                request_id=request_id,
            )
        )
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse(shown, headers=NO_STORE)
        return await self._whole_page(visitor, shown)

    async def _drain(self, _request: Request, visitor: Visitor, form: Mapping[str, str]) -> ASGIApp:
        drain = self._sources.drain
        assert drain is not None  # noqa: S101 - else there is no such path
        if form.get("confirm", "").strip().lower() != _DRAIN:
            return said(HTTPStatus.BAD_REQUEST, f"nothing was done: type {_DRAIN} to confirm")
        self._emit(DrainAsked(by=visitor.name or ""))
        drain()
        # Nobody may be there to be redirected to.
        page = self._templates.get_template("drained.html")
        return HTMLResponse(page.render(), headers=PAGE_HEADERS)

    # At the door

    async def _looked(self, look: Looked, request: Request) -> ASGIApp:
        """Let whoever may look do so."""
        found = self._admitted(request)
        return await look(request, found) if isinstance(found, Visitor) else found

    async def _acted(self, act: Acted, most: int, request: Request) -> ASGIApp:
        """Do what a form asks that comes from a page which was made for who may look.

        All that its head tells is looked at before its body, of ``most`` bytes, is read.
        """
        stray = self._stray(request)
        if stray is not None:
            return stray
        found = self._admitted(request)
        if not isinstance(found, Visitor):
            return found
        if found.csrf is None:
            return said(HTTPStatus.FORBIDDEN, "the token as a bearer acts on nothing")
        form = await read_fields(request, most, self._clock)
        if isinstance(form, Response):
            return form
        if not carries(form, found.csrf):
            return said(HTTPStatus.FORBIDDEN, _OUTDATED)
        return await act(request, found, form)

    def _stray(self, request: Request) -> Response | None:
        """What is said to a form that is sent under another name, or for another site's page."""
        misdirected = self._misdirected(request)
        if misdirected is not None or is_from_our_site(request):
            return misdirected
        return said(HTTPStatus.FORBIDDEN, "not from another site's page")

    def _misdirected(self, request: Request) -> Response | None:
        """What is said to who asks under a name that is not ours: no page, and nothing of one.

        Whoever has pointed that name at us may read it.
        """
        if not self._guard.is_misdirected(request):
            return None
        why = "without ops.token the console is for this machine's own names and addresses"
        return said(HTTPStatus.FORBIDDEN, why)

    def _admitted(self, request: Request) -> Visitor | Response:
        misdirected = self._misdirected(request)
        if misdirected is not None:
            return misdirected
        found = self._guard.visitor(request)
        if isinstance(found, Visitor):
            return found
        if found.wait is None and request.url.path == "/":
            return redirect(to="login")
        return turned_away(found)

    async def _take(self) -> Mapping[str, Value]:
        snapshot, recent = self._sources.snapshot(), self._sources.recent
        told = await asyncio.to_thread(panels.overview, snapshot, recent.failures(), recent.saved())
        return {**told, "page": self._page_id}

    async def _take_keys(self) -> Mapping[str, Value]:
        return key_panel.keys(await self._sources.keys(), self._clock.wall())


class _Endpoint:
    """What stands at a path: it finds who answers a request, and lets them."""

    def __init__(self, answerer: Callable[[Request], Awaitable[ASGIApp]]) -> None:
        self._answerer = answerer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._answerer(Request(scope, receive))
        await answer(scope, receive, send)


async def _to_the_page(_request: Request) -> Response:
    return redirect()
