"""Rules of client keys: what a credential must look like, and what may stand only once.

Owns: one way per credential; names, ids and digests that are nobody else's; models that exist, and
have the prices that limits of cost need. Works on plain values, as ``checks.py`` does. Must not
know: where values come from. No message holds a secret, an id or a digest.
"""

import difflib
import itertools
from collections.abc import Iterator, Mapping

from gateway.config.credentials import digest_of, id_of
from gateway.config.draft import Tree, find
from gateway.config.shape import render
from gateway.config.yaml12 import Path

LEAST_KEY = 8
TIERS = ("1k", "2k", "4k")
QUALITIES = ("low", "medium", "high")

_COSTS = ("cost_per_day", "cost_per_month")

Finding = tuple[Path, str]


def key_findings(values: Tree, models: Mapping[str, tuple[str, ...]]) -> Iterator[Finding]:
    """List what is wrong with the keys; ``models`` are the configured ones with their aliases."""
    names: dict[str, int] = {}
    once = _Once()
    keys = values.get("keys")
    for index in range(len(keys) if isinstance(keys, list) else 0):
        path: Path = ("keys", index)
        name = _text(values, (*path, "name"))
        if name is not None and names.setdefault(name, index) != index:
            yield (*path, "name"), f"is the name of keys[{names[name]}] too"
        for place in _credentials(values, path):
            yield from _credential(values, place, once)
        yield from _models(values, path, models)
    yield from _prices(values, models)


def unfit(secret: str, least: int) -> str:
    """Say why a secret cannot travel in a header; empty if it can."""
    if not secret.strip():
        return "must not be empty"
    if not (secret.isascii() and secret.isprintable()) or " " in secret:
        return "must be ASCII without spaces and control characters"
    return f"must be {least} characters or longer" if len(secret) < least else ""


class _Once:
    """Where each id and each digest was first seen."""

    def __init__(self) -> None:
        self._ids: dict[str, Path] = {}
        self._digests: dict[str, Path] = {}

    def digest(self, place: Path, digest: str) -> str:
        """Say whose key it is already; empty if it is new."""
        first = self._digests.setdefault(digest.lower(), place)
        return "" if first == place else f"is the key of {render(first)} too"

    def id(self, place: Path, key_id: str) -> str:
        """Say whose id it is already; empty if it is new."""
        first = self._ids.setdefault(key_id, place)
        return "" if first == place else f"the id is that of {render(first)} too"


def _credentials(values: Tree, path: Path) -> Iterator[Path]:
    """The places of a key's credentials; those that are no mappings are told by the models."""
    if not isinstance(find(values, path), dict):
        return
    yield path
    also = find(values, (*path, "also"))
    for index, credential in enumerate(also if isinstance(also, list) else ()):
        if isinstance(credential, dict):
            yield (*path, "also", index)


def _credential(values: Tree, place: Path, once: _Once) -> Iterator[Finding]:
    given = {name: find(values, (*place, name)) for name in ("key", "id", "sha256")}
    present = [name for name, value in given.items() if value is not None]
    if not present:
        yield (*place, "key"), "is required (or key_file, or id and sha256)"
    elif "key" in present:
        for name in present[1:]:
            yield (*place, name), "given beside key; a credential is key, or id and sha256"
        yield from _key(given["key"], place, once)
    else:
        for name, other in (("id", "sha256"), ("sha256", "id")):
            if given[name] is None:
                yield (*place, name), f"is required beside {other}"
        yield from _kept(given, place, once)


def _key(key: object, place: Path, once: _Once) -> Iterator[Finding]:
    """A key as it is."""
    if not isinstance(key, str):
        return
    fault = unfit(key, LEAST_KEY) or once.digest(place, digest_of(key))
    key_id = id_of(key)
    if not fault and key_id is not None:
        fault = once.id(place, key_id)
    if fault:
        yield (*place, "key"), fault


def _kept(given: Mapping[str, object], place: Path, once: _Once) -> Iterator[Finding]:
    """A key of which id and digest are kept; one that is there twice is told by its digest."""
    key_id, digest = given["id"], given["sha256"]
    fault = once.digest(place, digest) if isinstance(digest, str) else ""
    if fault:
        yield (*place, "sha256"), fault
    elif isinstance(key_id, str) and (fault := once.id(place, key_id)):
        yield (*place, "id"), fault


def _models(values: Tree, path: Path, models: Mapping[str, tuple[str, ...]]) -> Iterator[Finding]:
    allowed = find(values, (*path, "models"))
    for index, name in enumerate(allowed if isinstance(allowed, list) else ()):
        if not isinstance(name, str) or not name or not models or name in models:
            continue
        owner = next((model for model, aliases in models.items() if name in aliases), None)
        near = difflib.get_close_matches(name, models, n=1)
        if owner is not None:
            message = f"is an alias; write the model's own name, {owner}"
        elif near:
            message = f"is no configured model; did you mean {near[0]}?"
        else:
            message = f"is no configured model; known: {', '.join(models)}"
        yield (*path, "models", index), message


def _prices(values: Tree, models: Mapping[str, tuple[str, ...]]) -> Iterator[Finding]:
    """Prices that a limit of cost needs, each told once: what has no price would be free."""
    missing: dict[Path, int] = {}
    keys = values.get("keys")
    for index in range(len(keys) if isinstance(keys, list) else 0):
        path: Path = ("keys", index)
        if all(find(values, (*path, "limits", name)) is None for name in _COSTS):
            continue
        allowed = find(values, (*path, "models"))
        chosen = [name for name in models if not allowed or name in _listed(allowed)]
        tiers = _up_to(TIERS, find(values, (*path, "max_tier")))
        qualities = _up_to(QUALITIES, find(values, (*path, "max_quality")))
        for name, tier, quality in itertools.product(chosen, tiers, qualities):
            price: Path = ("models", name, "prices", f"tier_{tier}", quality)
            if find(values, price) is None:
                missing.setdefault(price, index)
    for price, index in missing.items():
        yield price, f"is required, for keys[{index}] has a limit of cost"


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _up_to(words: tuple[str, ...], most: object) -> tuple[str, ...]:
    """The words up to ``most``; all of them where that is none of them."""
    return words[: words.index(most) + 1] if isinstance(most, str) and most in words else words


def _text(values: Tree, path: Path) -> str | None:
    value = find(values, path)
    return value if isinstance(value, str) else None
