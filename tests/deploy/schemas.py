"""Objects of Kubernetes, held to Kubernetes' own published schemas.

Owns: where these come from (the package ``kubernetes-validate`` has them for many versions, made
from each version's OpenAPI description; fetched by its hash into ``.cache``, and read as files),
and the part of JSON Schema that they are written in. A keyword that is not understood is an error.
"""

import fcntl
import functools
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.repo.source import ROOT

_FOLDER = ROOT / ".cache" / "kubernetes-schemas"
_LOCK = Path(__file__).with_name("schemas.lock")
_KNOWN = {
    *("$ref", "type", "enum", "required", "oneOf", "properties", "additionalProperties", "items"),
    *("description", "format", "default", "$schema", "$id"),  # say nothing that could be broken
}
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


class NoSchema(Exception):
    """The schemas cannot be had, or have no such kind of object."""


def folder() -> Path:
    """Where the schemas lie, fetched the first time. Raises: NoSchema."""
    _FOLDER.parent.mkdir(exist_ok=True)
    done = _FOLDER / f".done-{hash_of(_LOCK)}"
    with _FOLDER.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(_FOLDER, ignore_errors=True)
            _fetch(_FOLDER)
            done.touch()
    return _FOLDER / "kubernetes_validate" / "kubernetes-json-schema"


def hash_of(lock: Path) -> str:
    return lock.read_text("utf-8").partition("sha256:")[2].split()[0][:16]


def _fetch(target: Path) -> None:
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps"]
    command += ["--require-hashes", "--target", str(target), "-r", str(_LOCK)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise NoSchema(f"kubernetes-validate cannot be fetched: {done.stderr.strip()[-500:]}")


@functools.cache
def _definitions(version: str) -> Mapping[str, Any]:
    text = (folder() / f"{version}-local-strict" / "_definitions.json").read_text("utf-8")
    found: Mapping[str, Any] = json.loads(text)["$defs"]
    return found


def faults(one: Mapping[str, Any], version: str) -> list[str]:
    """What of an object its schema in a version of Kubernetes does not allow. Raises: NoSchema."""
    group, _, api = one["apiVersion"].rpartition("/")
    parts = (one["kind"].lower(), group.split(".")[0], api)
    path = folder() / f"{version}-local-strict" / f"{'-'.join(filter(None, parts))}.json"
    if not path.exists():
        raise NoSchema(f"{version} has no {one['apiVersion']} {one['kind']}")
    schema = json.loads(path.read_text("utf-8"))
    return list(against(schema, one, one["kind"], _definitions(version)))


def against(
    schema: Mapping[str, Any], value: object, place: str, definitions: Mapping[str, Any]
) -> Iterator[str]:
    """What of a value a schema does not allow, each with its place."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        yield from against(definitions[name], value, place, definitions)
        return
    for keyword, said in schema.items():
        if keyword not in _KNOWN and not keyword.startswith("x-kubernetes-"):
            raise NoSchema(f"the keyword {keyword} is not understood here")
        if keyword == "oneOf":
            tried = [list(against(one, value, place, definitions)) for one in said]
            if sum(not found for found in tried) != 1:
                yield f"{place}: {value!r} fits not just one of {len(said)} forms"
    yield from _itself(schema, value, place)
    yield from _within(schema, value, place, definitions)


def _itself(schema: Mapping[str, Any], value: object, place: str) -> Iterator[str]:
    types = schema.get("type", list(_TYPES))
    if not _is_of(value, [types] if isinstance(types, str) else types):
        yield f"{place}: {type(value).__name__}, not {types}"
    if value not in schema.get("enum", [value]):
        yield f"{place}: {value!r} is not one of {schema['enum']}"
    if isinstance(value, dict):
        missing = set(schema.get("required", ())) - set(value)
        yield from (f"{place}: {name} is missing" for name in sorted(missing))


def _within(
    schema: Mapping[str, Any], value: object, place: str, definitions: Mapping[str, Any]
) -> Iterator[str]:
    if isinstance(value, list) and "items" in schema:
        for number, one in enumerate(value):
            yield from against(schema["items"], one, f"{place}[{number}]", definitions)
    if not isinstance(value, dict):
        return
    known, more = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name, one in value.items():
        where = f"{place}.{name}"
        if name in known:
            yield from against(known[name], one, where, definitions)
        elif more is False:
            yield f"{where}: there is no such field"
        elif isinstance(more, dict):
            yield from against(more, one, where, definitions)


def _is_of(value: object, types: list[str]) -> bool:
    if isinstance(value, bool):
        return "boolean" in types
    return any(isinstance(value, _TYPES[name]) for name in types)
