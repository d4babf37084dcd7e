"""A key's entry as YAML, to be pasted into the configuration, and tried before it is shown.

Owns: its spelling, and the words for what is wrong with it (the configuration's own). Must not
know: how a key is made.
"""

import datetime as dt
import json
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.config.credentials import NewKey, digest_of
from gateway.config.faults import ConfigFaults
from gateway.config.loader import load

_DAYS = re.compile(r"(\d{1,5})d", re.ASCII)
_PLAIN = re.compile(r"[a-z][\w-]*", re.ASCII | re.IGNORECASE)
_RESERVED = {"null", "true", "false", "nan", "inf"}
_PRICES = "{low: 1, medium: 1, high: 1}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an entry is to say besides its credential."""

    name: str
    limits: Mapping[str, str]
    models: Sequence[str] = ()
    max_n: int | None = None
    expires: str | None = None


def expiry_word(text: str, now: float) -> str:
    """``90d`` as the date so many days from now; anything else as it is. Raises: OverflowError."""
    days = _DAYS.fullmatch(text)
    if days is None:
        return text
    moment = dt.datetime.fromtimestamp(now, dt.UTC) + dt.timedelta(days=int(days[1]))
    return moment.date().isoformat()


def entry(wanted: Wanted, made: NewKey) -> str:
    """An entry of ``keys``."""
    lines = [f"name: {_word(wanted.name)}", *_credential(wanted, made)]
    if wanted.models:
        lines.append(f"models: [{', '.join(map(_word, wanted.models))}]")
    if wanted.max_n is not None:
        lines.append(f"max_n: {wanted.max_n}")
    if wanted.limits:
        lines += ["limits:", *(f"  {name}: {value}" for name, value in wanted.limits.items())]
    return _item(lines, "  ")


def further(wanted: Wanted, made: NewKey) -> str:
    """An entry of a key's ``also``."""
    return _item(_credential(wanted, made), "      ")


def faults_of(wanted: Wanted, text: str, *, rotate: bool) -> list[str]:
    """What the configuration would find wrong with an entry; it is loaded to see."""
    models = wanted.models or ("gpt-image-2",)
    prices = ", ".join(f"tier_{tier}: {_PRICES}" for tier in ("1k", "2k", "4k"))
    around = [
        "upstream: {api_key: of-a-trial}",
        f"requests: {{default_model: {_quoted(models[0])}}}",
        "models:",
        *(f"  {_quoted(name)}: {{prices: {{{prices}}}}}" for name in dict.fromkeys(models)),
        "keys:",
    ]
    if rotate:
        around += [f"  - name: {_word(wanted.name)}", "    key: of-a-trial", "    also:"]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.yaml"
        file.write_text("\n".join([*around, text, ""]), encoding="utf-8")
        try:
            load(str(file), {})
        except ConfigFaults as faults:
            return [f"{fault.path}: {fault.message}".lstrip(": ") for fault in faults.faults]
    return []


def _credential(wanted: Wanted, made: NewKey) -> list[str]:
    expires = [] if wanted.expires is None else [f"expires: {_quoted(wanted.expires)}"]
    return [f"id: {_word(made.id)}", f"sha256: {_word(digest_of(made.key))}", *expires]


def _item(lines: Iterable[str], margin: str) -> str:
    first, *rest = lines
    return "\n".join([f"{margin}- {first}", *(f"{margin}  {line}" for line in rest)])


def _word(text: str) -> str:
    plain = _PLAIN.fullmatch(text) and text.lower() not in _RESERVED
    return text if plain else _quoted(text)


def _quoted(text: str) -> str:
    """In double quotes: what JSON writes, YAML reads; a dollar sign is doubled for variables."""
    return json.dumps(text, ensure_ascii=False).replace("$", "$$")
