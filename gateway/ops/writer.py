"""Lines go out on a thread of their own, so that a reader who stops stops nobody else.

Owns: the bounded queue, the thread, the count of lines there was no room for. Must not know: what
a line says.
"""

import contextlib
import os
import queue
import select
import threading
from collections.abc import Callable
from typing import TextIO

_CAPACITY = 4096  # lines
_AT_ONCE = 256  # lines per write
_BREATH = 1.0  # seconds
_PATIENCE = 2.0  # seconds given to a blocked stream when the process ends


class Writer:
    """Writes lines to ``stream`` in order; ``put`` never waits, from whatever thread.

    ``tell_dropped`` makes the line that is written, as soon as there is room again, for the number
    of lines dropped since it was last told. ``between`` is called on the thread after each writing
    and, where nothing comes, every second; it may ``put``.
    """

    def __init__(
        self,
        stream: TextIO,
        tell_dropped: Callable[[int], str],
        *,
        between: Callable[[], None] = lambda: None,
        capacity: int = _CAPACITY,
    ) -> None:
        self._stream = stream
        self._tell_dropped = tell_dropped
        self._between = between
        self._queue: queue.Queue[str | None] = queue.Queue(capacity)
        self._lock = threading.Lock()
        self._dropped = 0
        self._told = 0
        self._descriptor = _descriptor_of(stream)
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Lines lost since the start."""
        return self._dropped

    def put(self, line: str) -> None:
        """Queue a line, or count it as dropped."""
        try:
            self._queue.put_nowait(line)
        except queue.Full:
            self._drop(1)

    def close(self, patience: float = _PATIENCE) -> None:
        """Write what is queued and end the thread, unless the stream blocks for too long."""
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=patience)
        self._thread.join(patience)

    def _drop(self, count: int) -> None:
        with self._lock:
            self._dropped += count

    def _run(self) -> None:
        ended = False
        while not ended:
            lines = self._waiting()
            ended = None in lines
            text = [line for line in lines if line is not None]
            if text and not self._write(text):
                self._drop(len(text))
            missing = self._dropped - self._told
            if missing and self._write([self._tell_dropped(missing)]):
                self._told += missing
            self._between()
        if self._descriptor is not None:
            os.close(self._descriptor)

    def _waiting(self) -> list[str | None]:
        """What is queued, as soon as anything is; nothing, if that takes too long."""
        lines: list[str | None] = []
        with contextlib.suppress(queue.Empty):
            lines.append(self._queue.get(timeout=_BREATH))
            while len(lines) < _AT_ONCE:
                lines.append(self._queue.get_nowait())
        return lines

    def _write(self, lines: list[str]) -> bool:
        text = "".join(f"{line}\n" for line in lines)
        try:
            if self._descriptor is None:
                self._stream.write(text)
                self._stream.flush()
            else:
                _write_all(self._descriptor, text.encode("utf-8", "backslashreplace"))
        except (OSError, ValueError):  # the reader is gone, the disk full, the stream closed
            return False
        return True


def _descriptor_of(stream: TextIO) -> int | None:
    """Return a descriptor of our own for the stream's file, if it has one.

    Python's streams hold a lock while they write. A thread blocked in there at the process's end
    would make the interpreter abort; a bare ``write`` holds none.
    """
    try:
        stream.flush()
        return os.dup(stream.fileno())
    except (OSError, ValueError):
        return None


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # somebody else made the shared file non-blocking
            select.select((), (descriptor,), (), 1.0)
