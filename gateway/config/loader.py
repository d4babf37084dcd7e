"""From a file and the environment to a configuration, or to every fault at once.

Owns: the order of things (file, variables, environment, secret files, models, rules) and where
each value came from. The only reader of ``os.environ`` for settings. Must not know: what a setting
is for.
"""

import os
import pathlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from gateway.config import checks, environment, secret_files
from gateway.config.draft import Draft, find
from gateway.config.faults import ConfigFaults, Fault, Flaw, Origin, sentence, spoken, unknown
from gateway.config.sections import Config
from gateway.config.shape import at, leaves, render
from gateway.config.yaml12 import Path, Table, YamlFault, parse

MAX_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, and per setting where its value came from.

    ``sources`` maps ``server.port`` to ``default``, ``config.yaml:12``, an environment variable's
    name, or ``config.yaml:5, /run/secrets/key`` for a secret's file. ``files`` were read.
    """

    config: Config
    sources: Mapping[str, str]
    files: tuple[str, ...]


def load(path: str | None, environ: Mapping[str, str] | None = None) -> Loaded:
    """Read a configuration; without a path, from the environment alone.

    ``environ`` None is the process's own. Raises ``ConfigFaults`` with every fault found, and the
    files that were read or should have been.
    """
    environ = os.environ if environ is None else environ
    draft = Draft(Origin("environment") if path is None else Origin(path, 1), environ)
    if path is not None:
        draft.files.append(path)
        _read(draft, path)
    environment.apply(draft, environ)
    secret_files.fill(draft)
    _make_room(draft)
    config = _check(draft)
    faults, files = [*draft.faults, *draft.broken.values()], tuple(dict.fromkeys(draft.files))
    if config is None or faults:
        raise ConfigFaults(sorted(faults, key=_place), files)
    sources = {render(leaf.path): _source(draft, leaf.path) for leaf in leaves(config)}
    return Loaded(config, sources, files)


def _place(fault: Fault) -> tuple[bool, str, int]:
    return fault.line is None, "" if fault.line else fault.file, fault.line or 0


def _read(draft: Draft, path: str) -> None:
    text = _text(path)
    try:
        parsed = parse(text)
    except YamlFault as fault:
        found = Fault(path, fault.line, "", fault.message)
    else:
        for remark in parsed.remarks:
            place = Fault(path, remark.line, spoken(remark.path), remark.message)
            draft.faults.append(place)
        if parsed.root is None or isinstance(parsed.root, Table):
            draft.read_file(parsed.root or Table({}, 1))
            return
        found = Fault(path, parsed.root.line, "", "must be a mapping of sections")
    raise ConfigFaults([found], draft.files)


def _text(path: str) -> str:
    try:
        with pathlib.Path(path).open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            message = f"is larger than {MAX_BYTES} bytes"
        else:
            return raw.decode("utf-8-sig")
    except OSError as fault:
        message = f"cannot be read: {fault.strerror}"
    except UnicodeDecodeError as fault:
        line = fault.object[: fault.start].count(b"\n") + 1
        message = f"is not text in UTF-8 (line {line})"
    except ValueError:
        message = "cannot be read: not a path"
    raise ConfigFaults([Fault(path, None, "", message)], [path])


def _make_room(draft: Draft, path: Path = ()) -> None:
    """Take a section that is left empty for one without settings, and a needed one for empty."""
    here, values = at(path), find(draft.values, path)
    if here is not None and here.section is not None and isinstance(values, dict):
        for name, field in here.section.model_fields.items():
            below = here.below(name)
            missing = values.get(name) is None and (name in values or field.is_required())
            if missing and below is not None and below.section is not None:
                values[name] = {}
    for name in values if isinstance(values, dict) else ():
        _make_room(draft, (*path, name))
    for index in range(len(values) if isinstance(values, list) else 0):
        _make_room(draft, (*path, index))


def _check(draft: Draft) -> Config | None:
    config, flaws = _build(draft)
    told = {flaw.path for flaw in flaws} | set(draft.broken)
    for flaw in flaws:
        _tell(draft, flaw, told)
    for path, message in checks.findings(draft.values):
        if not _overlaps(path, told):
            draft.fault(path, message)
    return config


def _build(draft: Draft) -> tuple[Config | None, list[Flaw]]:
    try:
        return Config.model_validate(draft.values), []
    except ValidationError as found:
        return None, [
            Flaw(error["loc"], error["type"], error.get("ctx", {}), error["input"])
            for error in found.errors(include_url=False)
        ]


def _tell(draft: Draft, flaw: Flaw, told: set[Path]) -> None:
    if flaw.path[-1] == "[key]":
        draft.fault(flaw.path[:-2], f"a name {sentence(flaw)}")
        return
    if _overlaps(flaw.path, draft.broken):
        return
    if flaw.kind == "too_short" and any(_under(flaw.path, other) for other in told):
        return  # members that failed were not counted
    if flaw.kind == "extra_forbidden":
        place, message = unknown(flaw.path)
        origin = draft.origin_of(flaw.path)
        draft.faults.append(Fault(origin.file, origin.line, spoken(place), message))
        return
    draft.fault(flaw.path, sentence(flaw))


def _under(path: Path, other: Path) -> bool:
    return len(other) > len(path) and other[: len(path)] == path


def _overlaps(path: Path, others: Collection[Path]) -> bool:
    return any(path[: len(other)] == other or _under(path, other) for other in others)


def _source(draft: Draft, path: Path) -> str:
    origin = draft.origins.get(path)
    return "default" if origin is None else str(origin)
