"""The settings as a table and as a JSON schema, both made from the models.

Owns: what ``docs/configuration.md`` says below its mark, and ``docs/config.schema.json``. Written
anew with ``python -m gateway.config.reference`` from the project's root; a test compares. Must
not know: any setting by name.
"""

import json
import pathlib
import typing
from collections.abc import Iterator

from pydantic import SecretStr
from pydantic.json_schema import JsonSchemaValue

from gateway.config.kinds import Section
from gateway.config.listing import spell, unit_of
from gateway.config.sections import Config
from gateway.config.shape import FILE_SUFFIX, Setting, Slot, is_secret, settings, slot

MARK = "<!-- below: written by python -m gateway.config.reference -->\n"
PAGE = pathlib.Path("docs/configuration.md")
SCHEMA = pathlib.Path("docs/config.schema.json")

_WORDS: dict[object, str] = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    SecretStr: "secret",
}


def render() -> str:
    """Write the tables, one per section, in Markdown."""
    lines: list[str] = []
    section = ""
    for setting in settings():
        name = setting.path.partition(".")[0].removesuffix("[]")
        if name != section:
            section = name
            lines += [f"\n## {name}\n", _about(name), ""]
            lines += ["| setting | value | default | what it is |", "|---|---|---|---|"]
        cells = (f"`{setting.path}`", kind(setting), _default(setting), setting.field.description)
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    return "\n".join(lines) + "\n"


def kind(setting: Setting) -> str:
    """Say in words what a setting's value is: ``whole number, 1 to 10``."""
    unit = unit_of(setting.field)
    if unit is not None:
        return {"seconds": "time", "bytes": "size", "US dollars": "US dollars"}[unit.word]
    word = _word(setting.slot)
    if is_secret(setting.field):
        word += f"; or `{setting.path.rpartition('.')[2]}{FILE_SUFFIX}`, a file's path"
    return f"{word}{_range(setting)}"


def schema() -> str:
    """Write the JSON schema for editors; variables and files of secrets included."""
    root: JsonSchemaValue = Config.model_json_schema()
    root["title"] = "image-gateway configuration"
    for section in _sections(Config):
        drawn = root if section is Config else root["$defs"][section.__name__]
        _loosen(section, drawn)
    return json.dumps(root, indent=2) + "\n"


def write(root: pathlib.Path) -> None:
    """Bring page and schema up to date under ``root``."""
    page = root / PAGE
    head = page.read_text(encoding="utf-8").partition(MARK)[0]
    page.write_text(head + MARK + render(), encoding="utf-8")
    (root / SCHEMA).write_text(schema(), encoding="utf-8")


def _about(name: str) -> str:
    here = Slot(Config).below(name)
    inner = here if here is None or here.section else here.below(0) or here.below("")
    text = inner.section.__doc__ if inner and inner.section else ""
    return (text or "").partition("\n")[0]


def _word(here: Slot) -> str:
    if typing.get_origin(here.kind) is typing.Literal:
        return ", ".join(f"`{word}`" for word in typing.get_args(here.kind))
    member = here.below(0)
    return f"list of {_word(member)}" if member else _WORDS[here.kind]


def _range(setting: Setting) -> str:
    found = {
        sign: getattr(mark, sign)
        for mark in setting.field.metadata
        for sign in ("ge", "gt", "le")
        if hasattr(mark, sign)
    }
    if "ge" in found and "le" in found:
        return f", {found['ge']} to {found['le']}"
    words = {"ge": "{} or more", "gt": "more than {}", "le": "at most {}"}
    return "".join(f", {words[sign].format(bound)}" for sign, bound in found.items())


def _default(setting: Setting) -> str:
    if setting.field.is_required():
        return "required"
    return f"`{spell(setting.field, setting.field.default)}`"


def _sections(section: type[Section]) -> Iterator[type[Section]]:
    yield section
    for field in section.model_fields.values():
        here = slot(field.annotation)
        for inner in (here, here.below(0), here.below("")):
            if inner is not None and inner.section is not None:
                yield from _sections(inner.section)


def _loosen(section: type[Section], drawn: JsonSchemaValue) -> None:
    """Allow what the loader allows: ``${VAR}`` for any value, units, ``…_file`` for secrets."""
    alternatives: list[JsonSchemaValue] = []
    for name, field in section.model_fields.items():
        here = slot(field.annotation)
        if is_secret(field):
            drawn["properties"][f"{name}{FILE_SUFFIX}"] = {
                "type": "string",
                "description": f"path of a file that holds {name}",
            }
            if name in drawn.get("required", []):
                drawn["required"].remove(name)
                alternatives = [{"required": [name]}, {"required": [f"{name}{FILE_SUFFIX}"]}]
        elif not here.container and here.kind is not str:
            drawn["properties"][name] = _or_words(
                drawn["properties"][name], units=unit_of(field) is not None
            )
    if alternatives:
        drawn["anyOf"] = alternatives


def _or_words(drawn: JsonSchemaValue, *, units: bool) -> JsonSchemaValue:
    outer: JsonSchemaValue = {
        name: drawn.pop(name) for name in ("title", "description", "default") if name in drawn
    }
    inner = drawn.get("anyOf", [drawn])
    pattern = r"\$\{|^\s*[0-9.]+\s*[A-Za-z]*\s*$" if units else r"\$\{"
    return {**outer, "anyOf": [*inner, {"type": "string", "pattern": pattern}]}


if __name__ == "__main__":
    write(pathlib.Path())
