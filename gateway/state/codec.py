"""What the ledger keeps as JSON: plans, notes, failures, links, and the details of events.

Owns: the way there and back; what comes back equals what went in. A field that a later version
adds must have a default, which rows written before then get. Must not know: tables, SQL.
"""

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from typing import TypedDict

from gateway.events import JobEvent, TaskEvent
from gateway.state.base import Failure
from gateway.translate.model import (
    Finish,
    Note,
    Picture,
    Plan,
    Reference,
    RemotePicture,
    TaskSpec,
)

# What every event says has columns of its own.
_COLUMNS = frozenset({"job_id", "task_id", "at"})


class _Note(TypedDict):
    name: str
    params: list[tuple[str, str | float]]


def _dump(value: object) -> str:
    """ASCII alone: a prompt may hold half a character, which no encoding has."""
    return json.dumps(value, separators=(",", ":"))


def plan_text(plan: Plan) -> str:
    """A plan as JSON."""
    return _dump(dataclasses.asdict(plan))


def plan_of(text: str) -> Plan:
    """The plan that was written so."""
    said = json.loads(text)
    said["tasks"] = tuple(_task(**task) for task in said["tasks"])
    said["finish"]["pixels"] = _pair(said["finish"]["pixels"])
    said["finish"] = Finish(**said["finish"])
    said["bought"] = _pair(said["bought"])
    said["promised"] = _pair(said["promised"])
    said["notes"] = _notes(said["notes"])
    return Plan(**said)


def _task(
    *,
    references: list[dict[str, str]],
    mask: dict[str, str] | None,
    **others: str,
) -> TaskSpec:
    return TaskSpec(
        references=tuple(_reference(one) for one in references),
        mask=None if mask is None else _reference(mask),
        **others,  # type: ignore[arg-type]  # JSON says what it was told
    )


def _reference(said: dict[str, str]) -> Reference:
    return RemotePicture(**said) if "url" in said else Picture(**said)  # type: ignore[arg-type]  # the same


def _pair(said: list[int] | None) -> tuple[int, int] | None:
    return None if said is None else (said[0], said[1])


def notes_text(notes: Iterable[Note]) -> str:
    """Notes as JSON."""
    return _dump([dataclasses.asdict(note) for note in notes])


def notes_of(text: str) -> tuple[Note, ...]:
    """The notes that were written so."""
    return _notes(json.loads(text))


def _notes(said: Iterable[_Note]) -> tuple[Note, ...]:
    return tuple(
        Note(note["name"], tuple((key, value) for key, value in note["params"])) for note in said
    )


def failure_text(failure: Failure | None) -> str | None:
    """A failure as JSON; None stays None."""
    return None if failure is None else _dump(dataclasses.asdict(failure))


def failure_of(text: str | None) -> Failure | None:
    """The failure that was written so."""
    return None if text is None else Failure(**json.loads(text))


def links_text(links: Mapping[str, str]) -> str:
    """Addresses by digest as JSON."""
    return _dump(dict(links))


def links_of(text: str) -> dict[str, str]:
    """The addresses that were written so."""
    return dict(json.loads(text))


def event_name(event: TaskEvent | JobEvent) -> str:
    """An event's name in the story: ``CreateSent`` is told as ``create_sent``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()


def event_text(event: TaskEvent | JobEvent) -> str:
    """What an event says besides of whom and when, as JSON."""
    names = (field.name for field in dataclasses.fields(event))
    return _dump({name: getattr(event, name) for name in names if name not in _COLUMNS})
