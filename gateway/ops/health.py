"""Probes: is the process alive, has it started, and should it be given requests.

Owns: ``/livez``, ``/startupz`` and ``/readyz`` in the manner of Kubernetes' own, and the operators'
small app. Must not know: what is checked; a check is a name and a callable that says what is wrong.
That the vendor is down is no reason to fail: all replicas would leave at once. Nothing here waits
for anything, and nothing is logged.
"""

from collections.abc import Callable, Mapping, Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route

from gateway.ops.bearer import OperatorsToken
from gateway.ops.guard import is_own_host
from gateway.ops.ledger import Claim, claims

Check = Callable[[], str | None]
"""Returns what is wrong in a few words, or ``None``; must answer at once."""

_NO_STORE = {"cache-control": "no-store"}
_UNTRUE = {"livez": "not alive", "startupz": "not started", "readyz": "not ready"}


def full(count: Callable[[], int], most: int) -> Check:
    """A check that fails for as long as there are as many as there may be."""

    def check() -> str | None:
        found = count()
        return f"{found} of at most {most} wait" if found >= most else None

    return check


class Health:
    """Runs the checks.

    A verdict never needs a token; with one set, the details do. Without one they are for who asks
    under this machine's own names, or ``host``. Who asks for details with a wrong token gets the
    verdict alone, however often: nothing is restarted because its probe was set up wrong.

    ``started`` says what a process that has just begun is not ready with. Once it has found nothing
    it is not asked again: what goes wrong later is no matter of starting.
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        *,
        started: Check = lambda: None,
        token: OperatorsToken | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self._checks = dict(checks)
        self._started = started
        self._is_up = False
        self._token = token
        self._host = host

    def findings(self) -> dict[str, str | None]:
        """Run every check; return what each found wrong."""
        return {name: check() for name, check in self._checks.items()}

    async def live(self, request: Request) -> PlainTextResponse:
        """Answer 200: the loop runs, and that is all this says."""
        return self._told(request, "livez", {"loop": None})

    async def startup(self, request: Request) -> PlainTextResponse:
        """Answer 503 until the process has started, and 200 ever after."""
        wrong = None if self._is_up else self._started()
        self._is_up = wrong is None
        return self._told(request, "startupz", {"started": wrong})

    async def ready(self, request: Request) -> PlainTextResponse:
        """Answer 200 if every check finds nothing wrong, else 503."""
        return self._told(request, "readyz", self.findings())

    def _told(
        self, request: Request, probe: str, findings: Mapping[str, str | None]
    ) -> PlainTextResponse:
        """A verdict in a word; ``?verbose`` adds a line for each check."""
        bad = [name for name, wrong in findings.items() if wrong is not None]
        if "verbose" in request.query_params and self._may_see(request):
            text = _listing(probe, findings)
        else:
            text = f"{_UNTRUE[probe]}: {', '.join(bad)}" if bad else "ok"
        return PlainTextResponse(text, status_code=503 if bad else 200, headers=_NO_STORE)

    def _may_see(self, request: Request) -> bool:
        if self._token is None:
            return is_own_host(request, self._host)
        return self._token.bearer(request) is None

    def __repr__(self) -> str:
        return f"<Health checks={', '.join(self._checks)}>"


def _listing(probe: str, findings: Mapping[str, str | None]) -> str:
    lines = [
        f"[+]{name} ok" if wrong is None else f"[-]{name} failed: {wrong}"
        for name, wrong in findings.items()
    ]
    passed = all(wrong is None for wrong in findings.values())
    return "\n".join([*lines, f"{probe} check {'passed' if passed else 'failed'}", ""])


def operators_app(
    checks: Mapping[str, Check],
    *,
    started: Check = lambda: None,
    token: OperatorsToken | None = None,
    claim: Claim | None = None,
    host: str = "127.0.0.1",
    routes: Sequence[BaseRoute] = (),
) -> Starlette:
    """Build what the operators' listener serves: probes, and more.

    ``token`` guards the details of probes and what changes anything; ``claim`` is what a claimed
    job is written down with, if it can be. ``host`` is what the listener listens on.
    """
    health = Health(checks, started=started, token=token, host=host)
    return Starlette(
        routes=[
            Route("/livez", health.live, methods=["GET"]),
            Route("/startupz", health.startup, methods=["GET"]),
            Route("/readyz", health.ready, methods=["GET"]),
            *([claims(claim, token, host)] if claim is not None else []),
            *routes,
        ]
    )
