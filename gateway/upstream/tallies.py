"""How often something happened lately.

Owns: counts over a sliding time, in slots, so that what is kept does not grow with what is
counted. Must not know: what is counted.
"""

from collections import deque

from gateway.clock import Clock

SLOTS = 20


class Tally:
    """Counts over the last ``seconds``, to a slot: a twentieth of them.

    Nothing older than ``seconds`` is counted, and nothing younger than that less a slot left out.
    """

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._width = seconds / SLOTS
        self._clock = clock
        self._slots: deque[list[int]] = deque()  # [which, how many], oldest first
        self._total = 0

    def add(self) -> None:
        """Count one more, now."""
        now = self._forget()
        if self._slots and self._slots[-1][0] == now:
            self._slots[-1][1] += 1
        else:
            self._slots.append([now, 1])
        self._total += 1

    def total(self) -> int:
        """Return how many there were."""
        self._forget()
        return self._total

    def clear(self) -> None:
        """Forget all of them."""
        self._slots.clear()
        self._total = 0

    def _forget(self) -> int:
        now = int(self._clock.monotonic() // self._width)
        while self._slots and self._slots[0][0] <= now - SLOTS:
            self._total -= self._slots.popleft()[1]
        return now

    def __repr__(self) -> str:
        return f"Tally({self.total()} in {self._width * SLOTS:g} s)"
