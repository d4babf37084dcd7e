"""The log: one line per event, on standard output.

Owns: how an event becomes a line, what is told how loudly and how often, and that the lines of
libraries go the same way. The one home of structlog. Must not know: what any event means: every
frozen dataclass will do. Its class's name is the line's name, its fields are the line's keys; an
attribute ``level`` says how loud it is, ``chatty = True`` that it may be thinned out. One that
carries another in its field ``event`` is told as that other, its own fields behind.
"""

import functools
import json
import logging
import threading
import traceback
from collections.abc import Callable, Iterable
from dataclasses import is_dataclass
from datetime import UTC, datetime
from typing import Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from gateway.clock import Clock
from gateway.config.sections import Log
from gateway.ops.plain import is_nothing, plain, shape
from gateway.ops.redaction import Redaction
from gateway.ops.writer import Writer

Level = Literal["debug", "info", "warning", "error"]

_LEVELS: dict[str, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_RATE = 20.0  # lines per second and name, for chatty events
_BURST = 40.0


class Logs:
    """What the process has to say. ``emit`` may be called from any thread and never waits."""

    def __init__(self, section: Log, stream: TextIO, clock: Clock, redaction: Redaction) -> None:
        self._least = _LEVELS[section.level]
        self._buckets = _Buckets(clock)
        self._redaction = redaction
        chain = _chain(section, clock, redaction)
        self._writer = Writer(stream, functools.partial(_rendered, chain, "log_dropped"))
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

    def conceal(self, secrets: Iterable[str]) -> None:
        """Never show these either, from now on; those of before stay hidden."""
        self._redaction.add(secrets)

    def emit(self, event: object) -> None:
        """Tell one event: a frozen dataclass."""
        carried = getattr(event, "event", None)
        subject = carried if is_dataclass(carried) else event
        name, fields = shape(type(subject))  # type: ignore[arg-type]  # a class has a hash
        level: Level = getattr(subject, "level", "info")
        if _LEVELS[level] < self._least:
            return
        quiet = getattr(subject, "chatty", False) and _LEVELS[level] <= logging.INFO
        suppressed = self._buckets.admit(name) if quiet else 0
        if suppressed is None:
            return
        told = _told(subject, fields)
        if subject is not event:
            told |= _told(event, shape(type(event))[1])  # type: ignore[arg-type]  # the same
        self._tell(level, name, told, suppressed)

    def close(self) -> None:
        """Tell what was left out, write what is queued, and give the libraries' lines back."""
        self._bridge.remove()
        for name, count in self._buckets.empty():
            self._logger.info(name, suppressed=count)
        self._writer.close()

    def _tell(self, level: Level, name: str, told: dict[str, object], suppressed: int) -> None:
        if suppressed:
            told["suppressed"] = suppressed
        self._logger.log(_LEVELS[level], name, **told)

    def _library(self, record: logging.LogRecord) -> None:
        level = _level_of(record.levelno)
        if _LEVELS[level] < self._least:
            return
        suppressed = 0 if level == "error" else self._buckets.admit(f"library {record.name}")
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
        return f"<Logs dropped={self.dropped}>"


def configure(section: Log, stream: TextIO, *, clock: Clock, secrets: Iterable[str] = ()) -> Logs:
    """Open the log on ``stream`` and lead the libraries' lines into it.

    ``secrets`` are values that must never be shown, wherever they turn up. ``close`` the result.
    """
    logs = Logs(section, stream, clock, Redaction(secrets))
    logs.install()
    return logs


# From plain values to a line


def _told(event: object, fields: Iterable[tuple[str, str]]) -> dict[str, object]:
    """Fields worth a key, as plain values; what a carrier carries has been told already."""
    values = {key: getattr(event, field) for field, key in fields}
    return {
        key: plain(value)
        for key, value in values.items()
        if not is_nothing(value) and not (key == "event_" and is_dataclass(value))
    }


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


# Not too often


class _Buckets:
    """A token bucket per name."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._state: dict[str, tuple[float, float, int]] = {}  # tokens, as of, suppressed

    def admit(self, name: str) -> int | None:
        """Return how many were suppressed since the last one admitted; ``None`` for "not now"."""
        now = self._clock.monotonic()
        with self._lock:
            tokens, since, suppressed = self._state.get(name, (_BURST, now, 0))
            tokens = min(_BURST, tokens + (now - since) * _RATE)
            admitted = tokens >= 1
            self._state[name] = (tokens - 1, now, 0) if admitted else (tokens, now, suppressed + 1)
        return suppressed if admitted else None

    def empty(self) -> list[tuple[str, int]]:
        """Return what was suppressed and not yet told."""
        with self._lock:
            left = [(name, count) for name, (_, _, count) in self._state.items() if count]
            self._state.clear()
        return left


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
