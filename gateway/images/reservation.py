"""Room set aside before a picture is bought.

Owns: how much of it is left. Must not know: the shelf, which is told what is given back.
"""

from collections.abc import Callable
from types import TracebackType
from typing import Self


class Reservation:
    """Room set aside for pictures not yet made; ``left`` bytes of it are unused.

    As a context manager it gives back what is left.
    """

    def __init__(self, size: int, give_back: Callable[[int], None]) -> None:
        self.left = size
        self._give_back = give_back

    def consume(self, size: int) -> None:
        """Use up to ``size`` bytes of it; a picture larger than that is kept all the same."""
        taken = min(size, self.left)
        self.left -= taken
        self._give_back(taken)

    def release(self) -> None:
        """Give back what is left; may be called again."""
        self.consume(self.left)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
