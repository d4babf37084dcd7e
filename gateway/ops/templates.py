"""The console's templates, and how their elements are bound to values.

Owns: reading the templates, and the attributes by which the page's script finds what to keep in
step. The one home of jinja2, which escapes whatever it is given. Must not know: what is shown.

The markup of a row stands once in the templates: filled in for each row there is, and empty within
a ``<template>``, from which the script makes those that come later.
"""

from collections.abc import Mapping

import jinja2
from markupsafe import Markup, escape

from gateway.ops.assets import FOLDER, Assets
from gateway.ops.bars import Value

_FILES = ("console.html", "drained.html", "login.html", "rows.html")


def templates(assets: Assets) -> jinja2.Environment:
    """The templates by their files' names."""
    environment = jinja2.Environment(
        loader=jinja2.DictLoader({name: (FOLDER / name).read_text("utf-8") for name in _FILES}),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"bind": bind, "el": element, "asset": assets.url}
    return environment


def bind(values: Mapping[str, Value], **fields: str) -> Markup:
    """Attributes of an element whose text and attributes are those ``fields`` of ``values``.

    They are filled in here, and named in ``data-bind``, by which the script keeps them in step.
    ``text`` is only named. ``hidden`` is there or not, ``tone`` becomes ``data-tone``.
    """
    told = " ".join(f"{name}:{path}" for name, path in fields.items())
    parts = [f'data-bind="{escape(told)}"']
    for name, path in fields.items():
        value = _at(values, path)
        if name == "hidden":
            parts += ["hidden"] if value else []
        elif name == "tone":
            parts.append(f'data-tone="{escape(value)}"')
        elif name != "text" and value != "":
            parts.append(f'{name}="{escape(value)}"')
    return Markup(" ".join(parts))  # noqa: S704 - every value was escaped


def element(tag: str, values: Mapping[str, Value], cls: str = "", **fields: str) -> Markup:
    """A whole element that is bound to its text; ``cls`` is its class."""
    chosen = f' class="{escape(cls)}"' if cls else ""
    text = escape(_at(values, fields["text"]))
    return Markup(f"<{tag}{chosen} {bind(values, **fields)}>{text}</{tag}>")  # noqa: S704 - the same


def _at(values: Mapping[str, Value], path: str) -> Value:
    """What is at a dotted path; nothing where there is nothing, as in a row that is a pattern."""
    found: Value = values
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return "" if found is None else found
