"""Everything that gateways under test say, kept for the search for canaries at the end of the run.

Owns: the folder it is kept in, one file for each kind; which files elsewhere belong to it; the
verdict. Must not know: what was planted (``canaries.py``). What is kept: the log of every gateway
in this process, as it would be written; heads of its answers, and bodies of errors and of
operators' pages; what programs print; the logs of child processes, found by their names.
"""

import itertools
import os
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.clock import SystemClock
from gateway.config.sections import Log
from gateway.ops.logs import Logs
from gateway.ops.redaction import Redaction
from tests.canaries import Hit, search

_LOGS = (".log", ".out", "report.txt", "report.json")
_MOST = 2_000_000  # bytes kept of one body
_ERRORS = 400


class _Hurried(SystemClock):
    """In its eyes there is no flood."""

    def __init__(self) -> None:
        self._seconds = itertools.count(step=1000)

    def monotonic(self) -> float:
        return float(next(self._seconds))


class _Answer:
    """One answer on its way out, as it is read at the other end."""

    def __init__(self) -> None:
        self.status = 0
        self._room = _MOST
        self._unpacking: Any = None

    def begun(self, message: Message) -> bytes:
        """The head, in text."""
        self.status = message["status"]
        headers = list(message.get("headers", ()))
        if (b"content-encoding", b"gzip") in headers:
            self._unpacking = zlib.decompressobj(zlib.MAX_WBITS | 16)
        lines = [str(self.status).encode(), *(b": ".join(pair) for pair in headers)]
        return b"\n".join(lines)

    def more(self, data: bytes) -> bytes:
        """A piece of the body, unpacked; of a very long one only the beginning."""
        plain: bytes = data if self._unpacking is None else self._unpacking.decompress(data)
        kept = plain[: self._room]
        self._room -= len(kept)
        return kept


@dataclass(slots=True)
class Verdict:
    """What was searched, in bytes by kind, and what was found."""

    sizes: dict[str, int] = field(default_factory=dict)
    hits: list[Hit] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, other: "Verdict") -> None:
        """Take in what another process searched and found; they did so at one time."""
        for kind, size in other.sizes.items():
            self.sizes[kind] = self.sizes.get(kind, 0) + size
        self.hits += other.hits
        self.seconds = max(self.seconds, other.seconds)

    @classmethod
    def told(cls, plain: Mapping[str, Any]) -> "Verdict":
        """Read one that came from another process as plain values."""
        hits = [Hit(**hit) for hit in plain["hits"]]
        return cls(dict(plain["sizes"]), hits, plain["seconds"])

    def __str__(self) -> str:
        kinds = ", ".join(f"{name} {size:,}" for name, size in self.sizes.items())
        told = f"canaries: {sum(self.sizes.values()):,} bytes searched in {self.seconds:.1f} s"
        return f"{told} ({kinds}): {len(self.hits) or 'no'} hit{'s' * (len(self.hits) > 1)}"


class Outputs:
    """Keeps nothing until a folder is opened for it; from any thread."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._trees: list[Path] = []
        self._files: dict[str, BinaryIO] = {}
        self._lock = threading.Lock()
        self._log: TextIO | None = None
        self._logs: Logs | None = None

    def open(self, folder: Path) -> None:
        """Begin to keep what is said, here."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._log = (folder / "log.txt").open("w", encoding="utf-8")
        self._logs = Logs(Log(level="debug"), self._log, _Hurried(), Redaction())

    def look_below(self, folder: Path) -> None:
        """Logs that child processes leave below this folder belong to it."""
        self._trees.append(folder)

    def keep(self, kind: str, said: str | bytes) -> None:
        """Something was said."""
        if self._folder is not None:
            data = said.encode("utf-8", "backslashreplace") if isinstance(said, str) else said
            with self._lock:
                self._file(kind).write(data + b"\n")

    def emit(self, fact: object) -> None:
        """Something was told: it is kept as the line it would be."""
        if self._logs is not None:
            self._logs.emit(fact)

    def conceal(self, secrets: list[str]) -> None:
        """What the log of a gateway knows as its secrets."""
        if self._logs is not None:
            self._logs.conceal(secrets)

    def answers(self, app: ASGIApp, kind: str, *, pages: bool = False) -> ASGIApp:
        """The same application; heads of answers are kept, and bodies of errors or ``pages``."""

        async def kept(scope: Scope, receive: Receive, send: Send) -> None:
            answer = _Answer()

            async def sent(message: Message) -> None:
                if message["type"] == "http.response.start":
                    self.keep(kind, answer.begun(message))
                elif answer.status >= _ERRORS or pages:
                    self.keep(kind, answer.more(message.get("body", b"")))
                await send(message)

            await app(scope, receive, sent)

        return kept

    def judge(self) -> Verdict:
        """Search all that was kept, and keep no more."""
        clock, verdict = SystemClock(), Verdict()
        begun = clock.monotonic()
        for path in self._closed():
            self._add(verdict, path.stem, [path])
        self._add(verdict, "logs of processes", self._left_behind())
        verdict.seconds = clock.monotonic() - begun
        return verdict

    def _closed(self) -> list[Path]:
        """The files of what was kept, which are written to no more."""
        if self._folder is None or self._logs is None or self._log is None:
            return []
        self._logs.close()
        self._log.close()
        with self._lock:
            files = sorted(self._folder.glob("*.txt"))
            self._folder = self._logs = None
            for file in self._files.values():
                file.close()
        return files

    @staticmethod
    def _add(verdict: Verdict, kind: str, files: Iterable[Path]) -> None:
        size, found = search(files)
        verdict.sizes[kind] = size
        verdict.hits += found

    def _left_behind(self) -> Iterator[Path]:
        for tree in self._trees:
            for folder, _, names in os.walk(tree):
                yield from (Path(folder, name) for name in names if name.endswith(_LOGS))

    def _file(self, kind: str) -> BinaryIO:
        assert self._folder is not None
        if kind not in self._files:
            self._files[kind] = (self._folder / f"{kind}.txt").open("wb")
        return self._files[kind]


OUTPUTS = Outputs()
