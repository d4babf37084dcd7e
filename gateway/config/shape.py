"""Walks over the configuration's models: what may stand at a path, and what does.

Owns: paths (``("keys", 0, "name")``, written ``keys[0].name``), the type at a path, the list of
all settings. Must not know: where values come from, or what a setting does.
"""

import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from gateway.config.kinds import Section
from gateway.config.sections import Config
from gateway.config.yaml12 import Path

FILE_SUFFIX = "_file"


@dataclass(frozen=True, slots=True)
class Slot:
    """What may stand at a path: a type without its wrappings, and whether null may."""

    kind: object
    optional: bool = False

    @property
    def section(self) -> type[Section] | None:
        """The model, where this is a section."""
        return self.kind if isinstance(self.kind, type) and issubclass(self.kind, Section) else None

    @property
    def container(self) -> bool:
        """Whether a list or mapping belongs here."""
        return self.section is not None or typing.get_origin(self.kind) in {tuple, dict}

    @property
    def text(self) -> bool:
        """Whether only text belongs here, so that text from outside is not to be typed."""
        if typing.get_origin(self.kind) is typing.Literal:
            return all(isinstance(word, str) for word in typing.get_args(self.kind))
        return self.kind in {str, SecretStr}

    def names(self) -> tuple[str, ...]:
        """Names that may stand below, where this is a section; files of secrets included."""
        if self.section is None:
            return ()
        fields = self.section.model_fields
        return (*fields, *(f"{name}{FILE_SUFFIX}" for name in fields if is_secret(fields[name])))

    def below(self, part: str | int) -> "Slot | None":
        """Say what may stand under a name or index; None if nothing may."""
        if self.section is not None:
            if part in self.section.model_fields:
                return slot(self.section.model_fields[str(part)].annotation)
            return Slot(str) if part in self.names() else None
        origin, arguments = typing.get_origin(self.kind), typing.get_args(self.kind)
        if origin is dict and isinstance(part, str):
            return slot(arguments[1])
        return slot(arguments[0]) if origin is tuple and isinstance(part, int) else None


def slot(annotation: object) -> Slot:
    """Take ``Annotated`` and ``| None`` off a type."""
    while typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    if typing.get_origin(annotation) not in {typing.Union, types.UnionType}:
        return Slot(annotation)
    (inner,) = (arm for arm in typing.get_args(annotation) if arm is not types.NoneType)
    return Slot(slot(inner).kind, optional=True)


ROOT = Slot(Config)


def at(path: Path) -> Slot | None:
    """Say what may stand at a path; None if nothing may."""
    here: Slot | None = ROOT
    for part in path:
        here = here.below(part) if here is not None else None
    return here


def is_secret(field: FieldInfo) -> bool:
    """Whether a field's value must never be shown."""
    return slot(field.annotation).kind is SecretStr


def render(path: Path) -> str:
    """Write a path: ``keys[0].name``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting; ``path`` has ``<name>`` and ``[]`` where an operator's own names stand."""

    path: str
    field: FieldInfo
    slot: Slot


def settings(section: type[Section] = Config, prefix: str = "") -> Iterator[Setting]:
    """List every setting that is not itself a section, in the order of the models."""
    for name, field in section.model_fields.items():
        path, here = f"{prefix}{name}", slot(field.annotation)
        inner = here.section
        if inner is None and here.container:
            joint = "[]" if typing.get_origin(here.kind) is tuple else ".<name>"
            member = here.below(0) or here.below("")
            inner = member.section if member else None
            path = f"{path}{joint}" if inner else path
        if inner is None:
            yield Setting(path, field, here)
        else:
            yield from settings(inner, f"{path}.")


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a configuration holds at a path: a value or a list of values, and its field."""

    path: Path
    field: FieldInfo
    value: object


def leaves(section: Section, path: Path = ()) -> Iterator[Leaf]:
    """List what a configuration holds, in the order of the models."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        inner = [((*path, name, *below), member) for below, member in _sections(value)]
        for place, member in inner:
            yield from leaves(member, place)
        if not inner:
            yield Leaf((*path, name), field, value)


def _sections(value: object) -> list[tuple[Path, Section]]:
    """Find the sections in a field's value, with what leads to each."""
    if isinstance(value, Section):
        return [((), value)]
    if isinstance(value, dict):
        return [((name,), member) for name, member in value.items() if isinstance(member, Section)]
    members = value if isinstance(value, tuple) else ()
    return [
        ((index,), member) for index, member in enumerate(members) if isinstance(member, Section)
    ]
