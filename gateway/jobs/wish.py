"""What a job is started with.

Owns: the wish: a plan, whose it is, how long it may take, what it may use. Must not know: how jobs
run, HTTP.
"""

from dataclasses import dataclass

from gateway.config.sections import Limits
from gateway.jobs.board import Release
from gateway.state.base import NO_LIMITS
from gateway.translate.model import Plan

# What idempotency keys of the house's own making begin with. No header can hold it, so a caller's
# never do.
OWN = "§"
_BYTES_PER_PIXEL = 4
# The most that a table size of each tier has, for a size that the vendor chooses.
_PIXELS = {"1k": 2_097_152, "2k": 5_242_880, "4k": 8_294_400}


def callers_key(key: str | None) -> str | None:
    """An idempotency key, if a caller made it."""
    return None if key is None or key.startswith(OWN) else key


def own_key(key: str | None) -> str | None:
    """An idempotency key, if the house made it."""
    return key if key is not None and key.startswith(OWN) else None


@dataclass(frozen=True, slots=True)
class Wish:
    """What a job is started with.

    ``arrived`` is the request's monotonic time; ``seconds`` how long its caller waits from then,
    ``own_seconds`` how long its tier may take. ``release`` gives up the caller's spooled files,
    and is called once, when they are no longer needed. ``limits`` and ``weight`` are its key's, as
    they were when it came; ``reserved`` is what each task will cost, in micro-dollars;
    ``request_id`` names the request in the log.
    """

    plan: Plan
    key_name: str
    arrived: float
    seconds: float
    own_seconds: float
    release: Release
    fingerprint: bytes = b""
    idempotency_key: str | None = None
    limits: Limits = NO_LIMITS
    weight: int = 1
    reserved: tuple[int, ...] = ()
    request_id: str = ""

    @property
    def room(self) -> int:
        """A generous guess at the bytes that its pictures will take."""
        plan = self.plan
        width, height = plan.bought or (_PIXELS[plan.tier], 1)
        return plan.n * width * height * _BYTES_PER_PIXEL
