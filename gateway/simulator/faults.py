"""Scripts of trouble: what goes wrong, where, for whom, and how often.

Owns: the names of faults, reading a script, and choosing the fault for a call. Must not know: how
a fault is acted out (``trouble.py``, ``fates.py``). A script is a JSON list of objects such as
``{"where": "status", "kind": "bad_gateway", "times": 5}``; ``"times": null`` means always.
"""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Literal, cast, get_args

from gateway.simulator.envelopes import REFUSALS
from gateway.simulator.fates import FATES

Where = Literal["create", "status", "upload", "file", "webhook"]
PLACES: tuple[Where, ...] = get_args(Where)

_DELIVERY = {"stall", "cut", "drip"}

KINDS: Mapping[Where, frozenset[str]] = {
    "create": frozenset({*REFUSALS, *_DELIVERY, *FATES, "stall_before", "cut_before"}),
    "status": frozenset({*REFUSALS, *_DELIVERY, "word"}),
    "upload": frozenset({*REFUSALS, *_DELIVERY}),
    "file": frozenset(
        {
            *_DELIVERY,
            "forbidden",
            "missing",
            "expired",
            "html",
            "html_as_picture",
            "empty",
            "truncated",
            "wrong_type",
            "wrong_length",
            "wrong_picture",
            "redirect",
            "huge",
            "throttled",
            "internal_error",
            "bad_gateway",
        }
    ),
    "webhook": frozenset({"duplicate", "late", "out_of_order", "forged", "stale", "never"}),
}
"""What can go wrong at each place.

Every place but webhooks: ``stall`` answers ``seconds`` late, ``cut`` sends half an answer and
closes, ``drip`` sends it in ten pieces over ``seconds``. A create is bought before any of these;
``stall_before`` and ``cut_before`` come before the purchase (a cut one never is). A refusal buys
nothing unless ``bought`` is true. Fates are accepted creates that end in a particular way. What
goes wrong with a webhook goes wrong with one attempt to deliver it, but for ``never``, after which
there is none.
"""


@dataclass(frozen=True, slots=True)
class Fault:
    """One line of a script; it strikes ``times`` times after letting ``after`` calls pass.

    ``match`` must be part of the prompt (of the task, for status and file). ``share`` is the
    chance that it strikes at all. The rest says details of the kind, where it has any.
    """

    where: Where
    kind: str
    times: int | None = 1
    after: int = 0
    match: str = ""
    share: float = 1.0
    seconds: float = 5.0
    status: int | None = None
    code: str | None = None
    message: str | None = None
    retry_after: str | None = None
    bought: bool = False
    word: str = ""
    location: str = ""

    def __post_init__(self) -> None:
        if self.where not in PLACES:
            raise ValueError(f"where is one of {', '.join(PLACES)}, not {self.where!r}")
        if self.kind not in KINDS[self.where]:
            known = ", ".join(sorted(KINDS[self.where]))
            raise ValueError(f"no fault {self.kind!r} at {self.where}; there are {known}")


def read_faults(script: object) -> tuple[Fault, ...]:
    """Read a decoded JSON script. Raises ``ValueError`` that says which line is wrong, and why."""
    if not isinstance(script, list):
        raise ValueError("a script of faults is a list of objects")  # noqa: TRY004 - bad input, not a slip
    return tuple(_fault(line, f"fault {number}") for number, line in enumerate(script, 1))


class Script:
    """Faults still to come; asked once per call. Not safe for several threads."""

    def __init__(self, faults: Iterable[Fault] = (), seed: object = None) -> None:
        self.faults = tuple(faults)
        self._seen = [0] * len(self.faults)
        self._struck = [0] * len(self.faults)
        self._dice = random.Random(str(seed))  # noqa: S311 - repeatable on purpose

    def next(self, where: Where, prompt: str = "") -> Fault | None:
        """Choose the fault that strikes this call, if any: the first of the script that is due."""
        for index, fault in enumerate(self.faults):
            if fault.where != where or fault.match not in prompt:
                continue
            if fault.times is not None and self._struck[index] >= fault.times:
                continue
            self._seen[index] += 1
            if self._seen[index] <= fault.after:
                continue
            if fault.share < 1 and self._dice.random() >= fault.share:
                continue
            self._struck[index] += 1
            return fault
        return None

    def report(self) -> list[dict[str, object]]:
        """Say what each fault did so far, in the script's order."""
        return [
            {"where": fault.where, "kind": fault.kind, "times": fault.times, "struck": struck}
            for fault, struck in zip(self.faults, self._struck, strict=True)
        ]


_TYPES: Mapping[str, tuple[type, ...]] = {
    "times": (int, type(None)),
    "after": (int,),
    "share": (int, float),
    "seconds": (int, float),
    "status": (int, type(None)),
    "code": (str, type(None)),
    "message": (str, type(None)),
    "retry_after": (str, type(None)),
    "bought": (bool,),
}


def _fault(line: object, name: str) -> Fault:
    if not isinstance(line, dict):
        raise ValueError(f"{name}: expected an object")  # noqa: TRY004 - bad input, not a slip
    known = [item.name for item in fields(Fault)]
    for key, value in line.items():
        if key not in known:
            raise ValueError(f"{name}: no such word {key!r}; there are {', '.join(known)}")
        if type(value) not in _TYPES.get(key, (str,)):
            raise ValueError(f"{name}: {key} cannot be {value!r}")
    if missing := {"where", "kind"} - line.keys():
        raise ValueError(f"{name}: {' and '.join(sorted(missing))} missing")
    try:
        return Fault(**cast("dict[str, str]", line))  # type: ignore[arg-type]
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
