"""``GATEWAY__SECTION__KEY``: settings from environment variables.

Owns: which variable means which setting, and reading its content: as it is where text belongs,
else as a YAML scalar, list or mapping. Must not know: ``os.environ`` (it is given), defaults'
meaning, checks. Nothing is put in for ``${VAR}`` here: a variable's content is final.
"""

import difflib
import re
from collections.abc import Iterator, Mapping

from gateway.config.draft import Draft, find
from gateway.config.faults import Fault, Origin, spoken
from gateway.config.sections import Config
from gateway.config.shape import FILE_SUFFIX, ROOT, Slot, at, settings
from gateway.config.yaml12 import Node, Path, Scalar, YamlFault, parse

PREFIX = "GATEWAY__"
_INDEX = re.compile(r"\d{1,4}", re.ASCII)


def apply(draft: Draft, environ: Mapping[str, str]) -> None:
    """Put every ``GATEWAY__…`` variable into the draft, outer settings first; notes faults."""
    if any(name.startswith(f"{PREFIX}MODELS__") for name in environ):
        _stand_in_models(draft)
    given: dict[Path, str] = {}
    for name in sorted((name for name in environ if name.startswith(PREFIX)), key=_order):
        path = _path(draft, name)
        if path is None:
            draft.faults.append(Fault(name, None, "", f"names no setting{_nearest(draft, name)}"))
            continue
        node = _node(draft, path, name, environ[name])
        if node is not None:
            _yield_twin(draft, path, given)
            draft.override(path, node, Origin(name))
            given[path] = name


def _order(name: str) -> list[tuple[int, str]]:
    parts = name.removeprefix(PREFIX).split("__")
    return [(int(part) if _INDEX.fullmatch(part) else -1, part) for part in parts]


def _stand_in_models(draft: Draft) -> None:
    if draft.values.get("models") is None:
        models = Config.model_fields["models"].default
        draft.values["models"] = {
            name: model.model_dump(mode="json") for name, model in models.items()
        }


def _path(draft: Draft, name: str) -> Path | None:
    path: Path = ()
    here = ROOT
    for word in name.removeprefix(PREFIX).split("__"):
        part = _part(draft, path, here, word)
        below = here.below(part) if part is not None else None
        if part is None or below is None:
            return None
        path, here = (*path, part), below
    return path


def _part(draft: Draft, path: Path, here: Slot, word: str) -> str | int | None:
    if here.section is not None:
        return word.lower()
    present = find(draft.values, path)
    if isinstance(present, dict):
        return next((str(name) for name in present if _worded(str(name)) == _worded(word)), None)
    count = len(present) if isinstance(present, list) else 0
    return int(word) if _INDEX.fullmatch(word) and int(word) <= count else None


def _worded(name: str) -> str:
    """Spell a model's name as an environment variable can: GPT_IMAGE_2."""
    return re.sub(r"[^A-Z0-9]", "_", name.upper())


def _node(draft: Draft, path: Path, name: str, text: str) -> Node | None:
    here = at(path)
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in {'"', "'"}
    if here is not None and not here.container and not quoted:
        return Scalar(text if here.text else text.strip(), plain=True, line=1)
    try:
        parsed = parse(text)
    except YamlFault as fault:
        draft.faults.append(Fault(name, None, spoken(path), fault.message))
        return None
    for remark in parsed.remarks:
        draft.faults.append(Fault(name, None, spoken((*path, *remark.path)), remark.message))
    return parsed.root or Scalar("", plain=True, line=1)


def _yield_twin(draft: Draft, path: Path, given: Mapping[Path, str]) -> None:
    """Let a variable for ``key`` win over a file's ``key_file``, and the other way round."""
    name = str(path[-1])
    twin = name.removesuffix(FILE_SUFFIX) if name.endswith(FILE_SUFFIX) else f"{name}{FILE_SUFFIX}"
    above = find(draft.values, path[:-1])
    if isinstance(above, dict) and twin in above and (*path[:-1], twin) not in given:
        del above[twin]
        draft.forget((*path[:-1], twin))


def _nearest(draft: Draft, name: str) -> str:
    known = [PREFIX + words for words in _known(draft)]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    return f"; did you mean {near[0]}?" if near else ""


def _known(draft: Draft) -> Iterator[str]:
    models = draft.values.get("models")
    names = list(models) if isinstance(models, dict) else ["gpt-image-2"]
    for setting in settings():
        words = setting.path.replace("[]", ".0").replace(".", "__").upper()
        for name in names if "<NAME>" in words else ("",):
            yield words.replace("<NAME>", _worded(str(name)))
        yield words.partition("__")[0]
