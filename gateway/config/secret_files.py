"""``api_key_file`` beside ``api_key``: secrets that lie in files of their own.

Owns: finding such names in a draft, reading the files, putting their content in place. Must not
know: which secrets exist (the models say so). A file's content never appears in a fault.
"""

import pathlib

from gateway.config.draft import Draft, Tree, find
from gateway.config.faults import Origin
from gateway.config.shape import FILE_SUFFIX, at, is_secret
from gateway.config.yaml12 import Path

MAX_BYTES = 65_536


def fill(draft: Draft, path: Path = ()) -> None:
    """Replace every ``…_file`` of a secret by the file's content, stripped; notes faults."""
    here, values = at(path), find(draft.values, path)
    if here is None or not here.container:
        return
    if here.section is not None and isinstance(values, dict):
        for name, field in here.section.model_fields.items():
            if is_secret(field) and f"{name}{FILE_SUFFIX}" in values:
                _fill_one(draft, values, (*path, name))
    if isinstance(values, dict):
        for name in list(values):
            fill(draft, (*path, name))
    elif isinstance(values, list):
        for index in range(len(values)):
            fill(draft, (*path, index))


def _fill_one(draft: Draft, values: Tree, path: Path) -> None:
    name = str(path[-1])
    twin = (*path[:-1], f"{name}{FILE_SUFFIX}")
    file, origin = values.pop(f"{name}{FILE_SUFFIX}"), draft.origin_of(twin)
    if values.get(name) is not None or path in draft.broken:
        draft.broken[twin] = draft.fault_at(twin, f"given beside {name}; keep one of the two")
        return
    draft.origins[path] = origin
    values[name] = None
    if twin in draft.broken:
        draft.broken[path] = draft.broken.pop(twin)
        return
    if isinstance(file, str):
        draft.files.append(file)
    try:
        values[name] = _read(file)
    except _Unusable as reason:
        draft.broken[path] = draft.fault_at(twin, str(reason))
    draft.origins[path] = Origin(origin.file, origin.line, str(file))


class _Unusable(Exception):
    """Why no secret comes out of a file."""


def _read(file: object) -> str:
    if not isinstance(file, str) or not file or "\0" in file:
        raise _Unusable("must be the path of a file")
    try:
        with pathlib.Path(file).open("rb") as source:
            raw = source.read(MAX_BYTES + 1)
        text = raw.decode().strip()
    except OSError as fault:
        raise _Unusable(f"the file cannot be read: {fault.strerror}") from None
    except UnicodeEncodeError:
        raise _Unusable("must be the path of a file") from None
    except UnicodeDecodeError:
        raise _Unusable("the file does not hold text in UTF-8") from None
    if len(raw) > MAX_BYTES:
        raise _Unusable("the file is too large")
    if not text:
        raise _Unusable("the file is empty")
    return text
