"""What operators may have written into the ledger while the gateway runs.

Owns: ``POST /tasks/{job_id}/claim``, and that no page in an operator's browser can send it. Must
not know: the ledger; who claims is a callable that says whether there was such a job.
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.ops.bearer import OperatorsToken
from gateway.ops.guard import is_foreign, is_own_host
from gateway.ops.replies import NO_STORE, said, turned_away

Claim = Callable[[str], Awaitable[bool]]
"""Writes that an operator took a job's pictures; False if there is no such job."""


def claims(claim: Claim, token: OperatorsToken | None, host: str) -> Route:
    """The route on which a job is marked as claimed; ``host`` is what the listener listens on."""

    async def claimed(request: Request) -> Response:
        """Answer 204, or why nothing was written."""
        if is_foreign(request) or (token is None and not is_own_host(request, host)):
            return said(HTTPStatus.FORBIDDEN, "not from another site's page")
        refusal = None if token is None else token.bearer(request)
        if refusal is not None:
            return turned_away(refusal)
        if not _is_json(request):
            wanted = "content-type must be application/json"
            return said(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, wanted)
        if not await claim(request.path_params["job_id"]):
            return said(HTTPStatus.NOT_FOUND, "no such job")
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=NO_STORE)

    return Route("/tasks/{job_id}/claim", claimed, methods=["POST"])


def _is_json(request: Request) -> bool:
    """A form cannot be of this type, and a script must ask before it sends it."""
    kind = request.headers.get("content-type", "").partition(";")[0]
    return kind.strip().lower() == "application/json"
