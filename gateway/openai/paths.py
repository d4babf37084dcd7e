"""One path for the many that clients use for the same thing.

Owns: missing, doubled and trailing pieces of paths, and the Azure forms. Must not know: endpoints.
Seen in the wild: a base URL without ``/v1``, with a trailing or doubled slash, with ``/v1`` twice,
``/openai/deployments/{model}/images/...`` and ``/openai/v1/...`` with an ``api-key`` header.
"""

import re
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

_DEPLOYMENT = re.compile(r"/openai/deployments/(?P<model>[^/]+)(?P<rest>/.*)")
_KNOWN = ("/images/generations", "/images/edits", "/images/variations", "/models")


def canonical(path: str) -> tuple[str, str | None]:
    """The path an endpoint is known by, and the Azure deployment's name if it had one."""
    path = re.sub(r"/{2,}", "/", path)
    if len(path) > 1:
        path = path.rstrip("/") or "/"
    model = None
    if match := _DEPLOYMENT.fullmatch(path):
        path, model = match["rest"], unquote(match["model"])
    path = path.removeprefix("/openai") if path.startswith("/openai/") else path
    while path.startswith("/v1/v1/"):
        path = path.removeprefix("/v1")
    if any(path == known or path.startswith(f"{known}/") for known in _KNOWN):
        path = f"/v1{path}"
    return path, model


class CanonicalPaths:
    """ASGI middleware: endpoints see one path; the deployment's name is put into the scope."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on with the path rewritten."""
        if scope["type"] == "http":
            path, model = canonical(scope["path"])
            state = {**scope.get("state", {}), "deployment": model}
            scope = {**scope, "path": path, "raw_path": path.encode(), "state": state}
        await self._app(scope, receive, send)
