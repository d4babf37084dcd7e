"""A gateway in a process of its own that watches its own loop; told at SIGTERM, as JSON."""

import argparse
import asyncio
import gc
import json
import resource
import sys
import time
from pathlib import Path

from gateway.app import Gateway
from gateway.clock import SystemClock
from gateway.config.sections import Config
from gateway.server.listener import Listener, run_until_signal

_TICK = 0.002
_ONE_A_MINUTE = {"requests_per_minute": 1, "requests_burst": 1}


class Watch:
    """Measures how late the loop comes back to a timer."""

    def __init__(self) -> None:
        self.late: list[float] = []

    async def run(self) -> None:
        while True:
            started = time.perf_counter()
            await asyncio.sleep(_TICK)
            self.late.append(time.perf_counter() - started - _TICK)

    def told(self) -> dict[str, object]:
        late = sorted(self.late) or [0.0]
        return {
            "largest_pause_ms": round(late[-1] * 1000, 1),
            "p99_pause_ms": round(late[int(len(late) * 0.99)] * 1000, 1),
            "pauses_over_20_ms": sum(one > 0.02 for one in late),
        }


def peak() -> int:
    """Most resident memory so far, in MB; of this program, not of what it was forked from."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) * 1024 / 1e6)
    raise RuntimeError("no VmHWM in /proc/self/status")


def resident() -> int:
    """Resident memory now, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * resource.getpagesize() / 1e6)


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--vendor", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    config = Config.model_validate(
        {
            "upstream": {
                "base_url": arguments.vendor,
                "api_key": "bench",
                "submit_per_second": 1000,
                "query_per_second": 1000,
                "polling": {"scale": 0.01},
            },
            "server": {"failed_auth_per_minute": None},  # each wrong key is compared
            "keys": [
                {"name": "bench", "key": "sk-bench"},
                {"name": "spent", "key": "sk-spent", "limits": _ONE_A_MINUTE},
            ],
            "images": {"folder": arguments.folder},
            "state": {"url": f"sqlite:///{arguments.folder}/state.db"},
        }
    )
    clock = SystemClock()
    gateway = Gateway(config, clock, lambda _: None)
    listener = Listener(
        gateway.clients,
        host="127.0.0.1",
        port=arguments.port,
        bounds=config.server.bounds,
        clock=clock,
    )
    await gateway.start()
    gc.collect()
    gc.freeze()  # as serve does
    watch = Watch()
    watching = asyncio.create_task(watch.run())
    before, begun = resident(), time.process_time()
    await run_until_signal([listener], grace=0)
    watching.cancel()
    cpu = round(time.process_time() - begun, 3)
    memory = {"before_mb": before, "peak_mb": peak(), "after_mb": resident()}
    told = {"cpu_seconds": cpu, **memory, **watch.told()}
    await gateway.stop()
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
