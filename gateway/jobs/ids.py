"""Names for jobs and tasks: ULIDs, so that they sort by time.

Owns: the alphabet and the layout (https://github.com/ulid/spec): 48 bits of milliseconds, 80 of
chance, in Crockford's base 32. Must not know: what is named.
"""

import re
import secrets

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LETTERS = 26
_CHANCE_BITS = 80
_TASK = re.compile(rf"task_[{_ALPHABET}]{{{_LETTERS}}}")


def ulid(wall: float) -> str:
    """26 letters for this moment (Unix seconds)."""
    number = (int(wall * 1000) << _CHANCE_BITS) | secrets.randbits(_CHANCE_BITS)
    return "".join(_ALPHABET[(number >> 5 * place) & 31] for place in reversed(range(_LETTERS)))


def job_id(wall: float) -> str:
    """A new job's name."""
    return f"job_{ulid(wall)}"


def task_id(wall: float) -> str:
    """A new task's name; sent to the vendor as our business id."""
    return f"task_{ulid(wall)}"


def is_task_id(name: str) -> bool:
    """Whether a name may be one that ``task_id`` made."""
    return _TASK.fullmatch(name) is not None
