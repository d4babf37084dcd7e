"""Those who are told everything: the log, the metrics, whoever else watches.

Owns: that each is told, in order, and that one that fails harms neither the others nor whoever
tells. Must not know: what is told, what they make of it.
"""

from gateway.facts import Emit
from gateway.notices import ObserverFailed


class Watchers:
    """Tells every fact to all of them, from whatever thread; returns soon and never raises.

    What one cannot take in is reported to the others, once for each kind of fact.
    """

    def __init__(self, *watchers: Emit) -> None:
        self._watchers = watchers
        self._reported: set[tuple[int, type]] = set()

    def __repr__(self) -> str:
        return f"<Watchers {len(self._watchers)}>"

    def add(self, watcher: Emit) -> None:
        """Tell this one too, from now on."""
        self._watchers = (*self._watchers, watcher)

    def __call__(self, fact: object) -> None:
        """Tell one fact."""
        for watcher in self._watchers:
            try:
                watcher(fact)
            except Exception as error:  # noqa: BLE001 - a watcher's fault must never cost a request or a job
                self._report(watcher, fact, error)

    def _report(self, failed: Emit, fact: object, error: Exception) -> None:
        about = (id(failed), type(fact))
        if about in self._reported or isinstance(fact, ObserverFailed):
            return
        self._reported.add(about)
        self(
            ObserverFailed(
                observer=repr(failed), event=type(fact).__name__, error=type(error).__name__
            )
        )
