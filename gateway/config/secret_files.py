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
    file = values.pop(f"{name}{FILE_SUFFIX}")
    both = values.get(name) is not None or path in draft.broken
    origin = draft.origin_of(twin)
    content = None
    if twin in draft.broken:
        pass
    elif both:
        draft.fault(twin, f"given beside {name}; keep one of the two")
    elif not isinstance(file, str) or not file or "\0" in file:
        draft.fault(twin, "must be the path of a file")
    else:
        content = _read(draft, twin, file)
    values[name] = content
    draft.origins[path] = Origin(origin.file, origin.line, str(file)) if content else origin
    if content is None:
        draft.broken.add(path)


def _read(draft: Draft, path: Path, file: str) -> str | None:
    try:
        with pathlib.Path(file).open("rb") as source:
            raw = source.read(MAX_BYTES + 1)
        text = raw.decode().strip()
    except OSError as fault:
        draft.fault(path, f"the file cannot be read: {fault.strerror}")
        return None
    except UnicodeDecodeError:
        draft.fault(path, "the file does not hold text in UTF-8")
        return None
    if len(raw) > MAX_BYTES or not text:
        draft.fault(path, "the file is too large" if text else "the file is empty")
        return None
    return text
