"""The clients' listener: which path and method leads where, and what an error becomes.

Owns: the routes, the small endpoints (models, pictures), and the handing of every error to the
one table. Must not know: how pictures are made.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.access.permissions import visible
from gateway.errors import GatewayError, ImageNotFound, MethodNotAllowed, UnknownUrl
from gateway.jobs.reception import CallerLeft
from gateway.openai.admission import facts_of
from gateway.openai.bodies import ClientGone
from gateway.openai.callbacks import PATH
from gateway.openai.delivery import PictureResponse
from gateway.openai.desk import Desk, base_url, hang_up
from gateway.openai.door import GenerationEndpoint
from gateway.openai.paths import CanonicalPaths
from gateway.openai.rejections import rejection
from gateway.openai.responses import render_error
from gateway.openai.serving import ImagesEndpoint
from gateway.translate.model import ModelCard
from gateway.translate.plan import Rules, find_model

# Clients want an integer; a model's real date is nowhere told (2026-04-21).
_MODEL_CREATED = 1_776_729_600
# What proxies log for a client that left before its answer; nobody reads it.
_CLIENT_CLOSED = 499
# The retired endpoint has no prompt; tools that still call it mean this.
_VARIATION = "Create a variation of this image: keep its subject and style, change its details."
_IMAGE_HEADERS = {
    "content-security-policy": "default-src 'none'; sandbox",
    "cross-origin-resource-policy": "cross-origin",
    "x-content-type-options": "nosniff",
}


def clients_app(
    desk: Desk, outer: Sequence[Middleware] = (), callbacks: ASGIApp | None = None
) -> ASGIApp:
    """The ASGI app of the clients' listener.

    ``outer`` comes before all else but Starlette's own last resort, which then has nothing to do.
    ``callbacks`` is where the vendor's webhooks arrive, if any are taken.
    """
    small = SmallEndpoints(desk)
    variations = ImagesEndpoint(desk, "edit", standing_prompt=_VARIATION, route="variations")
    routes = [
        Route("/v1/images/generations", ImagesEndpoint(desk, "generation"), methods=["POST"]),
        Route("/v1/images/generations/{id}", GenerationEndpoint(desk), methods=["GET"]),
        Route("/v1/images/edits", ImagesEndpoint(desk, "edit"), methods=["POST"]),
        Route("/v1/images/variations", variations, methods=["POST"]),
        Route("/v1/models", small.models, methods=["GET"]),
        Route("/v1/models/{name:path}", small.model, methods=["GET"]),
        Route("/images/{file}", PictureEndpoint(desk), methods=["GET", "HEAD"]),
        *([Route(PATH, callbacks, methods=["POST"])] if callbacks is not None else []),
    ]
    starlette = Starlette(
        routes=routes,
        middleware=[*outer, Middleware(CanonicalPaths)],
        exception_handlers={
            GatewayError: _told(desk),
            HTTPException: _not_routed,
            CallerLeft: _nobody,
            ClientGone: _nobody,
        },
    )
    starlette.router.redirect_slashes = False
    return starlette


class SmallEndpoints:
    """The models, as clients list them to check a key or to fill a picker."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def models(self, request: Request) -> Response:
        """``GET /v1/models``: the models that the key may ask for, then their aliases."""
        _, models = await self._admitted(request)
        names = dict.fromkeys(models)
        for card in models.values():
            names.update(dict.fromkeys(card.aliases))
        return JSONResponse({"object": "list", "data": [_model(name) for name in names]})

    async def model(self, request: Request) -> Response:
        """``GET /v1/models/{id}``. Raises: ModelNotFound for names that the list does not have."""
        rules, models = await self._admitted(request)
        name = request.path_params["name"]
        find_model(name, replace(rules, models=models, unknown_models="refuse"))
        return JSONResponse(_model(name))

    async def _admitted(self, request: Request) -> tuple[Rules, Mapping[str, ModelCard]]:
        """The rules, and the models its key may ask for. Raises: Unauthenticated, RateLimited."""
        facts_of(request.scope).route = "models"
        terms, key = await self._desk.admission.admit(request)
        return terms.rules, visible(key, terms.rules)


class PictureEndpoint:
    """``GET|HEAD /images/{token}.{ext}``, as an ASGI app: needs no key, and ignores one."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the picture. Raises: ImageNotFound."""
        facts_of(scope).route = "image"
        token, _, extension = scope["path_params"]["file"].rpartition(".")
        shelved = self._desk.shelf.find(token, extension)
        if shelved is None:
            raise ImageNotFound("This image does not exist, or its lifetime is over.")
        left = max(0, int(shelved.expires_at - self._desk.clock.wall()))
        headers = {
            **_IMAGE_HEADERS,
            "cache-control": f"private, max-age={left}, immutable",
            "content-disposition": f'inline; filename="{shelved.filename}"',
            "content-type": shelved.media_type,
        }
        async with hang_up(receive) as gone:
            response = PictureResponse(shelved, headers, self._desk.shelf, gone)
            await response(scope, receive, send)
        if response.fetched_first:
            await self._desk.reception.fetched(token)


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": _MODEL_CREATED, "owned_by": "image-gateway"}


def _told(desk: Desk) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handler(request: Request, error: Exception) -> Response:
        assert isinstance(error, GatewayError)  # noqa: S101 - what it is registered for
        return _render(request, error, base_url(desk.base_urls, request))

    return handler


async def _not_routed(request: Request, error: Exception) -> Response:
    """Starlette's own refusals: no such path, or not with this method."""
    asked = f"{request.method} {request.url.path}"
    allowed = getattr(error, "headers", None) or {}
    ours: GatewayError = UnknownUrl(f"Invalid URL ({asked})")
    if getattr(error, "status_code", None) == HTTPStatus.METHOD_NOT_ALLOWED:
        methods = tuple(sorted(allowed.get("Allow", "").split(", ")))
        ours = MethodNotAllowed(f"Not allowed to {asked}.", allowed=methods)
    return _render(request, ours, "")


async def _nobody(_request: Request, _error: Exception) -> Response:
    return Response(status_code=_CLIENT_CLOSED)


def _render(request: Request, error: GatewayError, base: str) -> Response:
    answer = render_error(error, base)
    facts = facts_of(request.scope)
    facts.error_code, facts.rejection = answer.code, rejection(error)
    return Response(answer.body, answer.status, answer.headers)
