"""A loop with nothing to do, in a process of its own: how late the machine itself makes a timer."""

import asyncio
import json
import signal
import sys

from bench.watched import Watch


async def main() -> None:
    watch = Watch()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    watching = asyncio.create_task(watch.run())
    await stopped.wait()
    watching.cancel()
    json.dump(watch.told(), sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
