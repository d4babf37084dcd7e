"""A clock that goes when it is told to."""

import asyncio


class FakeClock:
    def __init__(self) -> None:
        self.now = 1_000.0
        self.offset = 1_700_000_000.0

    def wall(self) -> float:
        return self.offset + self.now

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        loop.call_later(0.001, done.set_result, None)
        await done
