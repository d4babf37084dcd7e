"""Where pictures are drawn: one thread, begun when a task is accepted.

Owns: the order of drawing, and turning a task into commissions and files. Must not know: HTTP,
wire shapes. A task is told as done only once its files exist; ``ready`` waits for them, unless so
many others come first that the caller should be told to come back.
"""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from gateway.clock import Clock
from gateway.simulator.files import Files, Kept
from gateway.simulator.pictures import Commission, NotAPicture, draw
from gateway.simulator.references import Source, Sources
from gateway.simulator.tasks import Task

_PATIENCE = 8


class Studio:
    """One drawer and its queue. ``spoiled`` is told of tasks that cannot be drawn."""

    def __init__(self, files: Files, clock: Clock, spoiled: Callable[[Task], None]) -> None:
        self._files = files
        self._clock = clock
        self._spoiled = spoiled
        self._drawer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="simulated-vendor")
        self._drawings: set[asyncio.Task[None]] = set()
        self.waiting = 0

    def begin(self, task: Task, sources: Sources, *, transparent: bool) -> None:
        """Start drawing; needs a running loop."""
        names = tuple(self._name(task, index) for index in range(task.pictures))
        plan = _Plan(task, sources, transparent)
        task.drawing = asyncio.create_task(self._draw(plan, names))
        self._drawings.add(task.drawing)
        task.drawing.add_done_callback(self._drawings.discard)

    async def ready(self, task: Task) -> bool:
        """Wait until the task's files exist; False, at once, where that would take long."""
        if task.drawing is None or task.drawing.done():
            return True
        if self.waiting > _PATIENCE:
            return False
        await asyncio.shield(task.drawing)
        return True

    def abandon(self) -> None:
        """Begin no further picture; what is in hand is finished and thrown away."""
        for drawing in self._drawings:
            drawing.cancel()

    def close(self) -> None:
        """Finish the picture in hand and drop the rest."""
        self.abandon()
        self._drawer.shutdown(wait=True, cancel_futures=True)

    def _name(self, task: Task, index: int) -> str:
        stamp = int(task.created_at) + index
        extension = "png" if task.order.output_format == "png" else "jpg"
        return f"images/{task.id}/{stamp}_{secrets.token_hex(4)}.{extension}"

    async def _draw(self, plan: "_Plan", names: tuple[str, ...]) -> None:
        task = plan.task
        loop = asyncio.get_running_loop()
        self.waiting += 1
        try:
            for index, name in enumerate(names):
                path = self._files.path()
                size = await loop.run_in_executor(self._drawer, _draw_to, path, plan, index)
                media_type = f"image/{task.order.output_format}"
                now = self._clock.monotonic()
                self._files.keep(Kept(name, path, media_type, size, now, task.id))
            task.names = names
        except (OSError, NotAPicture):
            self._spoiled(task)
        finally:
            self.waiting -= 1


@dataclass(frozen=True, slots=True)
class _Plan:
    task: Task
    sources: Sources
    transparent: bool


def _draw_to(path: Path, plan: _Plan, index: int) -> int:
    task, sources = plan.task, plan.sources
    order, count = task.order, task.pictures
    data = draw(
        Commission(
            seed=f"{order.prompt}/{task.id}/{index}",
            prompt=order.prompt,
            width=task.size[0],
            height=task.size[1],
            facts=(
                "{}x{} px".format(*task.size),
                order.tier,
                f"quality {order.quality}",
                order.model,
                order.output_format,
                task.id,
            ),
            corner=f"image {index + 1} of {count}",
            output_format=order.output_format,
            compression=order.compression,
            transparent=plan.transparent,
            references=tuple(_content(source) for source in sources.references),
            mask=_content(sources.mask) if sources.mask is not None else None,
        )
    )
    path.write_bytes(data)
    return len(data)


def _content(source: Source) -> bytes | str:
    return source.url if source.path is None else source.path.read_bytes()
