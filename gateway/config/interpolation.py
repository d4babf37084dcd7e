"""``${VAR}`` in values, by Compose's rules.

Owns: ``${NAME}``, ``${NAME:-default}``, ``${NAME:?message}``, ``$$``; nothing else may follow a
dollar sign. A variable's content is taken as it is, never read for further variables. Must not
know: YAML, or where the environment comes from. Messages name variables, never their content.
"""

import re
from collections.abc import Mapping

_DOLLAR = re.compile(r"\$(?:(?P<escape>\$)|\{(?P<body>[^}]*)\})?", re.DOTALL)
_BODY = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::(?P<mode>[-?])(?P<rest>.*))?", re.DOTALL)


class InterpolationFault(Exception):
    """A value's variables cannot be put in; the text says why."""


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Put variables into a text; raises ``InterpolationFault``."""

    def put(match: re.Match[str]) -> str:
        if match["escape"]:
            return "$"
        if match["body"] is None:
            raise InterpolationFault(
                "a dollar sign alone; write $$ for the sign itself, ${NAME} for a variable"
            )
        return _variable(match["body"], environ)

    return _DOLLAR.sub(put, text)


def _variable(body: str, environ: Mapping[str, str]) -> str:
    if "${" in body:
        raise InterpolationFault("a variable within a variable; they cannot be nested")
    match = _BODY.fullmatch(body)
    if match is None:
        raise InterpolationFault(
            "a malformed variable; use ${NAME}, ${NAME:-default} or ${NAME:?message}"
        )
    name, mode, rest = match["name"], match["mode"], match["rest"]
    value = environ.get(name)
    if mode == "-":
        return value or expand(rest, environ)
    if mode == "?" and not value:
        raise InterpolationFault(f"environment variable {name} is not set: {rest or 'required'}")
    if value is None:
        raise InterpolationFault(f"environment variable {name} is not set")
    return value
