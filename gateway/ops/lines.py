"""What the gateway's facts say in the log, where that is not simply their fields.

Owns: the line of a request and of a task's step; that shares of time stand there in milliseconds
and money in dollars; which facts say what request a job is for; which lines may be left out of a
flood. Must not know: how a line is written, or when.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Literal

from gateway.events import About, JobReopened, Polled, PollFailed, Stepped
from gateway.facts import RequestEnded
from gateway.notices import (
    Asked,
    CallRepeated,
    HintCame,
    JobBegun,
    LedgerCommitted,
    LedgerFailed,
    PictureFetched,
    PurchaseUnclaimed,
    TurnTaken,
)
from gateway.ops.acts import SignInRefused
from gateway.ops.plain import is_nothing, plain, shape_of

Level = Literal["debug", "info", "warning", "error"]
Told = dict[str, object]

LEVELS: Mapping[Level, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

# Told for those who look into something; there are several for each task, or many a second.
_CHATTER = (
    Asked,
    CallRepeated,
    LedgerCommitted,
    LedgerFailed,
    PictureFetched,
    Polled,
    PollFailed,
    TurnTaken,
)

# Told by what anybody may send.
_KNOCKS = (SignInRefused, HintCame)

_LOOKING = frozenset({"GET", "HEAD"})

# The order in which a request's line is read: who, what, what came of it, how long it took.
_REQUEST = (
    *("request_id", "client_request_id", "key_name", "key_fault", "method", "route"),
    *(
        "model",
        "n",
        "tier",
        "quality",
        "manner",
        "status",
        "late_status",
        "error_code",
        "rejection",
        "left_early",
    ),
    *("waiting", "images", "delivery", "joined", "retry", "job_id", "upstream_ids", "notes"),
    *("received", "sent"),
)


def subject(fact: object) -> object:
    """What a line is named for: the fact itself, or the event that it says the consequences of."""
    return fact.event if isinstance(fact, Stepped) else fact


def level(event: object) -> Level:
    """How loudly an event is told."""
    found: Level = getattr(event, "level", "info")
    return found


def flood(event: object) -> str | None:
    """The flood that an event's line may be left out of; ``None`` if it is always told.

    That is a request, by its status, for which nothing could be bought and nothing is wrong here;
    what only those want who look into something; and a refused token or webhook, for who has many
    addresses may show as many.
    """
    if isinstance(event, RequestEnded):
        harmless = event.rejection is not None or event.level == "info"
        moneyless = event.job_id is None or event.method in _LOOKING
        return f"request_ended {event.status}" if harmless and moneyless else None
    return shape_of(event)[0] if isinstance(event, (*_CHATTER, *_KNOCKS)) else None


def origin(event: object) -> tuple[str, str] | None:
    """The ids of a job and of the request it is for, if that is what an event says."""
    if isinstance(event, JobBegun | JobReopened) and event.request_id is not None:
        return event.job_id, event.request_id
    return None


def told(fact: object) -> Told:
    """What a fact's line says, as plain values."""
    match fact:
        case RequestEnded():
            return _request(fact)
        case Stepped():
            return _step(fact)
        case PurchaseUnclaimed():
            return _shown(fact, but=("cost",)) | _dollars("cost_usd", fact.cost)
        case _:
            return _shown(fact)


def _request(ended: RequestEnded) -> Told:
    values = _shown(ended)
    if not ended.left_early:
        del values["left_early"]
    line = {name: values[name] for name in _REQUEST if name in values}
    line["duration_ms"] = _ms(ended.duration)
    line |= {f"{phase}_ms": _ms(seconds) for phase, seconds in ended.phases.items()}
    line["ours_ms"] = _ms(max(0.0, ended.duration - sum(ended.phases.values())))
    return line | _dollars("cost_usd", ended.cost)


def _step(stepped: Stepped) -> Told:
    """An event's own fields, and behind them whose and what the task is."""
    line = _shown(stepped.event) | {"state": plain(stepped.state)}
    line["state_ms"] = _ms(stepped.seconds)  # in the one before
    about = {one.name: getattr(stepped.about, one.name) for one in fields(About)}
    line |= {name: value for name, value in about.items() if value and name not in line}
    return line | _dollars("charged_usd", stepped.charged or None)


def _shown(event: object, but: Iterable[str] = ()) -> Told:
    """Fields worth a key, under it."""
    values = {key: getattr(event, field) for field, key in shape_of(event)[1]}
    return {
        key: plain(value)
        for key, value in values.items()
        if key not in but and not is_nothing(value)
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


def _dollars(name: str, micro: int | None) -> Told:
    return {} if micro is None else {name: round(micro / 1_000_000, 6)}
