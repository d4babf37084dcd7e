"""Wishes: what users ask for, each of its own, so that its purchases can be told at the vendor.

Owns: prompts, and their hash, by which the simulated vendor's books name them. Must not know: who
asks, and how.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from tests.canaries import PROMPT

OPTIONS: dict[str, Any] = {
    "model": "gpt-image-2",
    "size": "1024x768",
    "quality": "low",
    "output_format": "jpeg",
    "output_compression": 30,
}
"""The cheapest picture there is: what is proven does not depend on its looks."""

_PER_TASK = 4


@dataclass(frozen=True, slots=True)
class Wish:
    """``name`` is its own in its world; ``seconds`` is how long the vendor takes over it.

    The vendor must have been told of that many seconds (``Vendor.takes``).
    """

    name: str
    seconds: float
    edit: bool = False
    n: int = 1

    @property
    def prompt(self) -> str:
        return f"{self.name}: {PROMPT} {tag(self.seconds)}"

    @property
    def sha256(self) -> str:
        """What the vendor's books call it."""
        return hashlib.sha256(self.prompt.encode()).hexdigest()

    @property
    def body(self) -> dict[str, Any]:
        """A generation's parameters, as SDKs send them."""
        return {**self.options, "prompt": self.prompt}

    @property
    def options(self) -> dict[str, Any]:
        """All but the prompt; the number of pictures only where it is not one."""
        return OPTIONS if self.n == 1 else {**OPTIONS, "n": self.n}

    @property
    def tasks(self) -> int:
        """How many tasks the gateway makes of it, with its default of pictures per task."""
        return -(-self.n // _PER_TASK)


def tag(seconds: float) -> str:
    """The part of a prompt by which the vendor knows how long to take."""
    return f"[{seconds:g} s]"
