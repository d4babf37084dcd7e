"""What callers are told about a parameter, in the words of OpenAI's API.

Owns: messages and codes of refusals (``openai-images-api`` section 6.1), and cutting what the
caller sent so that it may be quoted. Must not know: which parameters there are.
"""

from collections.abc import Sequence

from gateway.errors import InvalidRequest

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""What a JSON document holds; a form's values are strings."""

_LONGEST = 64


def quoted(value: object) -> str:
    """``value`` as it may stand in a message: one line, printable, at most 64 characters."""
    text = str(value)
    shown = "".join(letter if letter.isprintable() else "?" for letter in text[:_LONGEST])
    return shown if len(text) <= _LONGEST else shown[:-3] + "..."


def missing(param: str) -> InvalidRequest:
    """Say that a parameter must be there and is not."""
    message = f"Missing required parameter: '{param}'."
    return InvalidRequest(message, param=param, code="missing_required_parameter")


def unknown(param: str) -> InvalidRequest:
    """Say that nobody knows a parameter of this name."""
    shown = quoted(param)
    return InvalidRequest(f"Unknown parameter: '{shown}'.", param=shown, code="unknown_parameter")


def mistyped(param: str, expected: str, value: Json) -> InvalidRequest:
    """Say that a value is of the wrong type; ``expected`` begins with an article."""
    message = f"Invalid type for '{param}': expected {expected}, but got {_kind(value)} instead."
    return InvalidRequest(message, param=param, code="invalid_type")


def invalid(param: str, message: str) -> InvalidRequest:
    """Say, in ``message``, why a value will not do."""
    return InvalidRequest(message, param=param, code="invalid_value")


def unsupported(param: str, value: str, supported: Sequence[str]) -> InvalidRequest:
    """Say that a word is outside a closed set."""
    words = [f"'{word}'" for word in supported]
    joint = ", and " if words[2:] else " and "
    listed = ", ".join(words[:-1]) + joint + words[-1]
    return invalid(param, f"Invalid value: '{quoted(value)}'. Supported values are: {listed}.")


def empty(param: str) -> InvalidRequest:
    """Say that a string must hold something and does not."""
    message = (
        f"Invalid '{param}': empty string. Expected a string with minimum length 1, "
        "but got an empty string instead."
    )
    return InvalidRequest(message, param=param, code="empty_string")


def too_long(param: str, longest: int, length: int) -> InvalidRequest:
    """Say that a string has more than ``longest`` characters."""
    message = (
        f"Invalid '{param}': string too long. Expected a string with maximum length {longest}, "
        f"but got a string with length {length} instead."
    )
    return InvalidRequest(message, param=param, code="string_above_max_length")


def too_many(param: str, most: int, count: int) -> InvalidRequest:
    """Say that a list has more than ``most`` items."""
    message = (
        f"Invalid '{param}': array too long. Expected an array with maximum length {most}, "
        f"but got an array with length {count} instead."
    )
    return InvalidRequest(message, param=param, code="array_above_max_length")


def out_of_range(param: str, value: int, low: int, high: int) -> InvalidRequest:
    """Say that an integer is outside ``low..high``."""
    above = value > high
    side, sign, bound = ("above maximum", "<=", high) if above else ("below minimum", ">=", low)
    message = (
        f"Invalid '{param}': integer {side} value. Expected a value {sign} {bound}, "
        f"but got {quoted(value)} instead."
    )
    code = "integer_above_max_value" if above else "integer_below_min_value"
    return InvalidRequest(message, param=param, code=code)


def markup() -> InvalidRequest:
    """Refuse what is drawn over a picture: ignored, a picture without it would be paid for."""
    return invalid("markup", "'markup' is not supported for this model.")


def misplaced(param: str) -> InvalidRequest:
    """Refuse a picture where none is taken: ignored, another picture would be paid for."""
    message = f"Unknown parameter: '{param}'. Pictures are taken by the edits endpoint."
    return InvalidRequest(message, param=param, code="unknown_parameter")


def _kind(value: Json) -> str:
    names: tuple[tuple[type, str], ...] = (
        (bool, "a boolean"),  # before int, which it is too
        (int, "an integer"),
        (float, "a decimal number"),
        (str, "a string"),
        (list, "an array"),
        (dict, "an object"),
    )
    return next((name for type_, name in names if isinstance(value, type_)), "null")
