"""The log: one line per event, on standard output.

Owns: how an event becomes a line, what is told and how often, and that the lines of libraries go
the same way. The one home of structlog. Must not know: what any event means (``lines.py``): every
frozen dataclass will do. Its class's name is the line's name, its fields are the line's keys; an
attribute ``level`` says how loud it is. A line that names a job names the request it is for too.
"""

import functools
import json
import logging
import traceback
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from gateway.clock import Clock
from gateway.config.sections import Log
from gateway.ops import lines
from gateway.ops.floods import Floods
from gateway.ops.lines import LEVELS, Level, Told
from gateway.ops.origins import Origins
from gateway.ops.plain import shape_of
from gateway.ops.redaction import Redaction
from gateway.ops.writer import Writer


class Logs:
    """What the process has to say. ``emit`` may be called from any thread and never waits."""

    def __init__(self, section: Log, stream: TextIO, clock: Clock, redaction: Redaction) -> None:
        self._least = LEVELS[section.level]
        self._floods: Floods[tuple[str, Level]] = Floods(clock)
        self._origins = Origins()
        self._redaction = redaction
        chain = _chain(section, clock, redaction)
        dropped = functools.partial(_rendered, chain, "log_dropped")
        self._writer = Writer(stream, dropped, between=self._tell_suppressed)
        self._logger = structlog.wrap_logger(
            _Sink(self._writer.put),
            processors=chain,
            wrapper_class=structlog.make_filtering_bound_logger(self._least),
        ).bind()
        self._bridge = _Bridge(self._library)

    @property
    def dropped(self) -> int:
        """Lines lost because nobody read them."""
        return self._writer.dropped

    @property
    def suppressed(self) -> int:
        """Lines left out of floods."""
        return self._floods.suppressed

    def conceal(self, secrets: Iterable[str]) -> None:
        """Never show these either, from now on; those of before stay hidden."""
        self._redaction.add(secrets)

    def emit(self, event: object) -> None:
        """Tell one event: a frozen dataclass."""
        subject = lines.subject(event)
        name, _ = shape_of(subject)
        begun = lines.origin(subject)
        if begun is not None:
            self._origins.note(*begun)
        level = lines.level(subject)
        if LEVELS[level] < self._least:
            return
        flood = lines.flood(subject)
        suppressed = 0 if flood is None else self._floods.admit((flood, level))
        if suppressed is not None:
            self._tell(level, name, self._traced(lines.told(event)), suppressed)

    def close(self) -> None:
        """Tell what was left out, write what is queued, and give the libraries' lines back."""
        self._bridge.remove()
        self._tell_floods(self._floods.untold())
        self._writer.close()

    def _traced(self, told: Told) -> Told:
        """What is said of a job names the request it is for."""
        job_id = told.get("job_id")
        if "request_id" in told or not isinstance(job_id, str):
            return told
        request_id = self._origins.request_of(job_id)
        return told if request_id is None else {"request_id": request_id, **told}

    def _tell(self, level: Level, name: str, told: Told, suppressed: int) -> None:
        if suppressed:
            told["suppressed"] = suppressed
        self._logger.log(LEVELS[level], name, **told)

    def _tell_suppressed(self) -> None:
        """Called every second: what a flood that is over left out would else stay untold."""
        self._tell_floods(self._floods.over())

    def _tell_floods(self, counts: Iterable[tuple[tuple[str, Level], int]]) -> None:
        """As loudly as the lines that are missing."""
        for (lines_of, level), count in counts:
            self._tell(level, "suppressed", {"lines": lines_of, "count": count}, 0)

    def _library(self, record: logging.LogRecord) -> None:
        level = _level_of(record.levelno)
        if LEVELS[level] < self._least:
            return
        suppressed = (
            0 if level == "error" else self._floods.admit((f"library {record.name}", level))
        )
        if suppressed is None:
            return
        told: dict[str, object] = {"logger": record.name, "message": _message_of(record)}
        if record.exc_info and record.exc_info[0] is not None:
            told["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        self._tell(level, "library", told, suppressed)

    def install(self) -> None:
        """Take over what libraries log: warnings and worse, for below that they log addresses."""
        self._bridge.install()

    def __repr__(self) -> str:
        return f"<Logs dropped={self.dropped} suppressed={self.suppressed}>"


def configure(section: Log, stream: TextIO, *, clock: Clock, secrets: Iterable[str] = ()) -> Logs:
    """Open the log on ``stream`` and lead the libraries' lines into it.

    ``secrets`` are values that must never be shown, wherever they turn up. ``close`` the result.
    """
    logs = Logs(section, stream, clock, Redaction(secrets))
    logs.install()
    return logs


# From plain values to a line


def _chain(section: Log, clock: Clock, redaction: Redaction) -> list[Processor]:
    def stamp(_: WrappedLogger, method: str, event: EventDict) -> EventDict:
        now = datetime.fromtimestamp(clock.wall(), UTC).isoformat(timespec="milliseconds")
        name = event.pop("event")
        return {"timestamp": f"{now[:-6]}Z", "level": method, "event": name, **event}

    def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        return {key: redaction.value(key, value) for key, value in event.items()}

    if section.format == "json":
        return [stamp, redact, structlog.processors.JSONRenderer()]
    console = structlog.dev.ConsoleRenderer(colors=False, pad_event_to=24, sort_keys=False)
    return [stamp, redact, _printable, console]


def _printable(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Escape what would move a terminal's cursor or start a line; JSON does so by itself."""
    return {key: _escaped(value) for key, value in event.items()}


def _escaped(value: object) -> object:
    if not isinstance(value, str):
        return json.dumps(value) if isinstance(value, list | dict) else value
    if value.isprintable():
        return value
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in value
    )


def _rendered(chain: list[Processor], name: str, count: int) -> str:
    event: EventDict = {"event": name, "count": count}
    for processor in chain:
        event = processor(None, "warning", event)  # type: ignore[assignment]
    return str(event)


class _Sink:
    """What structlog takes for a logger: every method puts the line."""

    def __init__(self, put: Callable[[str], None]) -> None:
        self.debug = self.info = self.warning = self.error = put


# The libraries


class _Bridge(logging.Handler):
    """Leads the standard library's logging to ``tell``; stands on the root logger."""

    def __init__(self, tell: Callable[[logging.LogRecord], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell
        self._before: tuple[list[logging.Handler], int] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(record)

    def install(self) -> None:
        root = logging.getLogger()
        self._before = (root.handlers[:], root.level)
        root.handlers[:] = [self]
        root.setLevel(logging.WARNING)

    def remove(self) -> None:
        if self._before is not None:
            root = logging.getLogger()
            root.handlers[:], level = self._before
            root.setLevel(level)
            self._before = None


def _level_of(number: int) -> Level:
    if number >= logging.ERROR:
        return "error"
    return "warning" if number >= logging.WARNING else "info"


def _message_of(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):  # a library's format and arguments disagree
        return str(record.msg)
