"""Who may look at the console, and who may act there.

Owns: the session's cookie, the names the console may be asked under, and what a form has to bring.
Must not know: what is looked at or done.

With a token, operators have a session, or show the token as a bearer (to look, not to act). Without
one the listener is on the loopback interface, everybody there may look, and the danger is a page of
the web in a browser on this machine: it may send forms, and by its own name's server it may point
that name at us. So without a token the console answers only to loopback's names, and whatever acts
has to come from a page that we made.
"""

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request

from gateway.clock import Clock
from gateway.config.addresses import is_loopback
from gateway.facts import Emit
from gateway.ops.acts import SignedIn, SignedOut
from gateway.ops.bearer import OperatorsToken, Refusal
from gateway.ops.sessions import LIFETIME, Session, Sessions

CSRF = "csrf"
_BYTES = 32


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who may look; ``csrf`` is what the forms of their pages carry, None: no forms."""

    csrf: str | None
    session: Session | None = None

    @property
    def name(self) -> str | None:
        """What the log calls them."""
        return None if self.session is None else self.session.name


class Guard:
    """Stands at the console's door. ``host`` is what the listener was told to listen on."""

    def __init__(self, token: OperatorsToken | None, host: str, clock: Clock, emit: Emit) -> None:
        self._token = token
        self._host = host.lower()
        self._emit = emit
        self._csrf = secrets.token_urlsafe(_BYTES)
        self.sessions = Sessions(clock)

    def __repr__(self) -> str:
        return f"<Guard token={self.has_token} {self.sessions!r}>"

    @property
    def has_token(self) -> bool:
        """Whether operators have to show one."""
        return self._token is not None

    @property
    def door_csrf(self) -> str:
        """What forms carry that are made for nobody in particular."""
        return self._csrf

    # Looking

    def is_misdirected(self, request: Request) -> bool:
        """Whether, without a token, this was asked under a name that is not this machine's."""
        return not self.has_token and not is_own_host(request, self._host)

    def visitor(self, request: Request) -> Visitor | Refusal:
        """Who asks, if they may look."""
        if self._token is None:
            return Visitor(self._csrf)
        session = self.session(request)
        if session is not None:
            return Visitor(session.csrf, session)
        return self._token.bearer(request) or Visitor(None)

    def session(self, request: Request) -> Session | None:
        """The session that a request comes with, if it is still good."""
        return self.sessions.find(request.cookies.get(_cookie(request), ""))

    def is_still_let_in(self, request: Request, visitor: Visitor) -> bool:
        """Whether who was let in with a request would be now; a token does not change."""
        return visitor.session is None or self.session(request) is visitor.session

    # Acting

    def sign_in(self, request: Request, shown: str) -> str | Refusal:
        """The id of a new session for who shows the token; ask ``has_token`` first."""
        assert self._token is not None  # noqa: S101 - else nobody is asked
        refusal = self._token.shown(request, shown, "form")
        if refusal is not None:
            return refusal
        address = request.client.host if request.client else ""
        session_id, session = self.sessions.begin()
        self._emit(SignedIn(by=session.name, address=address))
        return session_id

    def sign_out(self, request: Request, session: Session) -> None:
        """End the session that this came with."""
        self.sessions.end(request.cookies.get(_cookie(request), ""))
        self._emit(SignedOut(by=session.name))


def set_cookie(request: Request, session_id: str) -> str:
    """The header that has a browser keep a session; an empty id has it forget.

    It is for this site's own pages alone, out of scripts' reach, and kept from plain http where the
    page was loaded by https (which the browser says; a proxy in between may not).
    """
    secure = "; Secure" if request.headers.get("origin", "").startswith("https:") else ""
    age = int(LIFETIME) if session_id else 0
    kept = f"{_cookie(request)}={session_id}; Path=/; Max-Age={age}"
    return f"{kept}; HttpOnly; SameSite=Strict{secure}"


def is_foreign(request: Request) -> bool:
    """Whether a browser sends this for a page of another site."""
    origin = request.headers.get("origin")
    if origin is None:
        return False
    try:
        site = urlsplit(origin).netloc.lower()
    except ValueError:
        return True
    return not site or site != request.headers.get("host", "").lower()


def is_from_our_site(request: Request) -> bool:
    """Whether a browser says, in the head, that it sends this for a page of ours."""
    return "origin" in request.headers and not is_foreign(request)


def carries(form: Mapping[str, str], csrf: str) -> bool:
    """Whether a form has what stands in the page that it should come from."""
    return hmac.compare_digest(form.get(CSRF, "").encode(), csrf.encode())


def is_own_host(request: Request, host: str) -> bool:
    """Whether this was asked under a loopback name or address, or under ``host``.

    Any other name may be one that its owner has pointed at this machine, to have a browser send us
    what it sends to its own site (DNS rebinding).
    """
    try:
        name = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    except ValueError:
        return False
    return is_loopback(name) or name == host.lower()


def _cookie(request: Request) -> str:
    """Cookies know no ports, but two gateways' consoles may be open through two tunnels."""
    port = request.headers.get("host", "").rpartition(":")[2]
    return f"image_gateway_{port if port.isdecimal() else 'operators'}"
