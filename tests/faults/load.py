"""Load: users who wish for one thing after another until they are told to stop.

Owns: who asks when, by a seed. Must not know: what happens to the gateway meanwhile.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field

from gateway.clock import SystemClock
from tests.faults.supervisor import Supervisor
from tests.faults.users import Reply, crowd, using
from tests.faults.wishes import Wish


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many, how long the vendor takes over their wishes, and their pauses (seconds at most)."""

    users: int = 40
    seconds: Sequence[float] = (0.4, 0.8, 1.2)
    pause: float = 2.0
    timeout: float | None = None


@dataclass(slots=True)
class Load:
    """What was wished for, and what was told so far."""

    wishes: list[Wish] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def failed(self) -> list[Wish]:
        """Wishes whose user was told an error."""
        return [reply.wish for reply in self.replies if not reply.answered]


@contextlib.asynccontextmanager
async def loading(supervisor: Supervisor, people: Crowd, seed: object) -> AsyncIterator[Load]:
    """Load within the block; at its end users wait for what they asked last, and ask no more."""
    await supervisor.vendor.takes(*people.seconds)
    load = Load()
    async with asyncio.TaskGroup() as users:
        for number in range(people.users):
            users.create_task(_user(supervisor.url, people, load, f"{seed}/{number}"))
        yield load
        load.over.set()


async def _user(url: str, people: Crowd, load: Load, seed: str) -> None:
    dice = random.Random(seed)  # noqa: S311 - repeatable on purpose
    async with using(url, timeout=people.timeout) as user:
        while not load.over.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(dice.uniform(0, people.pause)):
                    await load.over.wait()
                    return
            wish = Wish(f"wish {seed}/{len(load.wishes)}", dice.choice(people.seconds))
            load.wishes.append(wish)
            load.replies.append(await user.ask(wish))


async def answered(load: Load, wishes: Collection[Wish]) -> None:
    """Wait until the users of all these have been told something."""
    clock = SystemClock()
    async with asyncio.timeout(120):
        while not {wish.name for wish in wishes} <= {reply.wish.name for reply in load.replies}:
            await clock.sleep(0.02)


async def ask_again(supervisor: Supervisor, load: Load) -> list[Reply]:
    """Everybody who was told an error asks once more, as a retry."""
    async with using(supervisor.url) as user:

        async def ask(wish: Wish) -> Reply:
            return await user.ask(wish, retry_count=1)

        return await crowd(load.failed, ask)


async def steady(load: Load, seconds: float) -> None:
    """Let it go on for a while, and until somebody was answered meanwhile."""
    clock = SystemClock()
    answered = len(load.replies)
    await clock.sleep(seconds)
    async with asyncio.timeout(60):
        while len(load.replies) == answered:
            await clock.sleep(0.02)
