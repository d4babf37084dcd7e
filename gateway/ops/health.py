"""Probes: is the process alive, and should it be given requests.

Owns: ``/livez`` and ``/readyz`` in the manner of Kubernetes' own, and the operators' small app.
Must not know: what is checked; a check is a name and a callable that says what is wrong. That the
vendor is down is no reason to fail: all replicas would leave at once.
"""

from collections.abc import Callable, Iterable, Mapping

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route

from gateway.ops.bearer import shows
from gateway.ops.ledger import Claim, claims

Check = Callable[[], str | None]
"""Returns what is wrong in a few words, or ``None``; must answer at once."""

_NO_STORE = {"cache-control": "no-store"}


class Health:
    """Runs the checks. A verdict never needs a token; with one set, the details do."""

    def __init__(self, checks: Mapping[str, Check], *, token: str | None = None) -> None:
        self._checks = dict(checks)
        self._token = token

    def findings(self) -> dict[str, str | None]:
        """Run every check; return what each found wrong."""
        return {name: check() for name, check in self._checks.items()}

    async def live(self, _: Request) -> PlainTextResponse:
        """Answer 200: the loop runs, and that is all this says."""
        return PlainTextResponse("ok", headers=_NO_STORE)

    async def ready(self, request: Request) -> PlainTextResponse:
        """Answer 200 or 503; ``?verbose`` adds a line for each check."""
        findings = self.findings()
        bad = [name for name, wrong in findings.items() if wrong is not None]
        if "verbose" in request.query_params and shows(request, self._token):
            text = _listing(findings)
        else:
            text = f"not ready: {', '.join(bad)}" if bad else "ok"
        return PlainTextResponse(text, status_code=503 if bad else 200, headers=_NO_STORE)

    def __repr__(self) -> str:
        return f"<Health checks={', '.join(self._checks)}>"


def _listing(findings: Mapping[str, str | None]) -> str:
    lines = [
        f"[+]{name} ok" if wrong is None else f"[-]{name} failed: {wrong}"
        for name, wrong in findings.items()
    ]
    passed = all(wrong is None for wrong in findings.values())
    return "\n".join([*lines, f"readyz check {'passed' if passed else 'failed'}", ""])


def operators_app(
    checks: Mapping[str, Check],
    *,
    token: str | None = None,
    claim: Claim | None = None,
    host: str = "127.0.0.1",
    more: Iterable[BaseRoute] = (),
) -> Starlette:
    """Build what the operators' listener serves: probes, and more.

    ``token`` guards the details of ``/readyz`` and what changes anything; ``claim`` is what a
    claimed job is written down with, if it can be; ``more`` are routes with guards of their own.
    ``host`` is what the listener listens on.
    """
    health = Health(checks, token=token)
    return Starlette(
        routes=[
            Route("/livez", health.live, methods=["GET"]),
            Route("/readyz", health.ready, methods=["GET"]),
            *([claims(claim, token, host)] if claim is not None else []),
            *more,
        ]
    )
