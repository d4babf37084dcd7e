"""What ``doctor`` finds, and how it asks the vendor.

Owns: a finding, and the seam to whatever sends HTTP requests. Must not know: any check.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

Grade = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report: how it went, about what, in plain words, and what to do."""

    grade: Grade
    subject: str
    message: str
    advice: str = ""

    def __str__(self) -> str:
        line = f"{self.grade:<4}  {self.subject}: {self.message}"
        return f"{line}\n      {self.advice}" if self.advice else line


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Asker(Protocol):
    """Sends a GET and returns whatever is answered; redirects are not followed."""

    async def get(self, url: str, headers: Mapping[str, str], timeout: float) -> Answer:  # noqa: ASYNC109 - the transport's own deadline, not a cancellation
        """Ask within ``timeout`` seconds; ``OSError`` or ``GatewayError`` if nothing answers."""
        ...
