"""The console's sessions: who has shown the operators' token, and until when that counts.

Owns: their ids, their lifetime and their number, in memory. Must not know: cookies, HTTP. Only
digests of ids are kept, so that nothing in memory or in the log opens a session.
"""

import hashlib
import secrets
from dataclasses import dataclass

from gateway.clock import Clock

LIFETIME = 12 * 3600.0
MOST = 50
_BYTES = 32


@dataclass(frozen=True, slots=True)
class Session:
    """An operator's visit. ``name`` tells it from others; ``csrf`` is what its forms carry."""

    name: str
    csrf: str
    until: float


class Sessions:
    """The sessions there are; one too many ends the oldest."""

    def __init__(self, clock: Clock, most: int = MOST) -> None:
        self._clock = clock
        self._most = most
        self._open: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __repr__(self) -> str:
        return f"<Sessions open={len(self._open)}>"

    def begin(self) -> tuple[str, Session]:
        """A new session, and its id, which only the operator's browser keeps."""
        self._sweep()
        while len(self._open) >= self._most:
            del self._open[next(iter(self._open))]
        session_id = secrets.token_urlsafe(_BYTES)
        digest = _digest(session_id)
        session = Session(
            name=digest[:16],
            csrf=secrets.token_urlsafe(_BYTES),
            until=self._clock.monotonic() + LIFETIME,
        )
        self._open[digest] = session
        return session_id, session

    def find(self, session_id: str) -> Session | None:
        """The session of this id, if it is still good."""
        session = self._open.get(_digest(session_id))
        if session is None or self._clock.monotonic() >= session.until:
            return None
        return session

    def end(self, session_id: str) -> None:
        """Nobody is let in with this id any more."""
        self._open.pop(_digest(session_id), None)

    def _sweep(self) -> None:
        now = self._clock.monotonic()
        self._open = {name: one for name, one in self._open.items() if now < one.until}


def _digest(session_id: str) -> str:
    return hashlib.sha256(session_id.encode()).hexdigest()
