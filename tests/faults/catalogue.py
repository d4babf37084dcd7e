"""All proofs there are: whatever the modules of ``proofs/`` expose as ``PROOFS``.

Owns: finding and choosing them. Must not know: any of them.
"""

import importlib
import pkgutil
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from tests.faults.proving import Proof

_FOLDER = Path(__file__).with_name("proofs")


@cache
def catalogue() -> tuple[Proof, ...]:
    """Every proof, by promise and then by name; imports all modules of proofs."""
    found: list[Proof] = []
    for module in pkgutil.iter_modules([str(_FOLDER)]):
        found += importlib.import_module(f"tests.faults.proofs.{module.name}").PROOFS
    names = [proof.name for proof in found]
    if len(set(names)) < len(names):
        raise ValueError(f"two proofs of one name among {sorted(names)}")
    return tuple(sorted(found, key=_order))


def _order(proof: Proof) -> tuple[int, str]:
    return int(promises(proof)[0].removeprefix("R")), proof.name


def promises(proof: Proof) -> list[str]:
    """What it proves: one promise, or several as in ``R3/R4``."""
    return proof.promise.split("/")


def chosen(proofs: Sequence[Proof], only: Iterable[str]) -> tuple[Proof, ...]:
    """Those of certain promises, or of certain names; all if none is given.

    Raises: ValueError for what there is no proof of.
    """
    wanted = list(only)
    if not wanted:
        return tuple(proofs)
    for word in wanted:
        if not any(word in _words(proof) for proof in proofs):
            known = dict.fromkeys(name for proof in proofs for name in _words(proof))
            raise ValueError(f"there is no proof of {word!r}; there are {', '.join(known)}")
    return tuple(proof for proof in proofs if set(_words(proof)).intersection(wanted))


def _words(proof: Proof) -> list[str]:
    """By which it is asked for."""
    return [*promises(proof), proof.name]
