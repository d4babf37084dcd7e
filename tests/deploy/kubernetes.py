"""The manifests of ``deploy/kubernetes``, read; and what kustomize makes of them.

Owns: the few things of kustomize that are used (a namespace, resources, components, images, maps
made from files). Anything else in a kustomization is an error here, not passed over.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.repo.source import ROOT

FOLDER = ROOT / "deploy/kubernetes"
Manifest = dict[str, Any]
_KNOWN = {
    *("apiVersion", "kind", "namespace", "resources", "components", "configMapGenerator"),
    "images",
}


@dataclass(frozen=True, slots=True)
class Rendered:
    """All objects, and the files they came from."""

    objects: tuple[Manifest, ...]
    files: frozenset[Path]

    def one(self, kind: str, name: str | None = None) -> Manifest:
        """The only object of a kind, or of a kind and name."""
        (found,) = [
            one for one in self.objects
            if one["kind"] == kind and name in {None, one["metadata"]["name"]}
        ]  # fmt: skip
        return found

    def all(self, kind: str) -> list[Manifest]:
        return [one for one in self.objects if one["kind"] == kind]

    @property
    def pod(self) -> Manifest:
        """What the deployment makes."""
        template: Manifest = self.one("Deployment")["spec"]["template"]
        return template

    @property
    def container(self) -> Manifest:
        """Its only container."""
        (found,) = self.pod["spec"]["containers"]
        made: Manifest = found
        return made


def documents(path: Path) -> Iterator[Manifest]:
    """The objects of a file. Raises: ValueError for what is none."""
    for document in yaml.safe_load_all(path.read_text("utf-8")):
        if not isinstance(document, dict) or not {"apiVersion", "kind"} <= set(document):
            raise ValueError(f"{path.name}: no object of Kubernetes: {document}")
        yield document


def kustomization(folder: Path) -> Manifest:
    """What is to be made. Raises: ValueError for words that are not understood here."""
    (said,) = documents(folder / "kustomization.yaml")
    if unknown := set(said) - _KNOWN:
        raise ValueError(f"{folder.name}: not understood: {', '.join(sorted(unknown))}")
    return said


def rendered(folder: Path = FOLDER, *, components: tuple[str, ...] = ()) -> Rendered:
    """The objects of a folder; with ``components`` as if its comment's lines were none."""
    said = kustomization(folder)
    files = {folder / "kustomization.yaml"}
    objects: list[Manifest] = []
    for name in said.get("resources", ()):
        files.add(folder / name)
        objects += documents(folder / name)
    for name in (*said.get("components", ()), *components):
        part = rendered(folder / name)
        files |= part.files
        objects += part.objects
    for generator in said.get("configMapGenerator", ()):
        objects.append(_map(folder, generator))
        files |= {folder / name for name in generator["files"]}
    made = [_named(one, said) for one in copy.deepcopy(objects)]
    return Rendered(tuple(made), frozenset(files))


def _map(folder: Path, generator: Mapping[str, Any]) -> Manifest:
    data = {Path(name).name: (folder / name).read_text("utf-8") for name in generator["files"]}
    if not generator["options"]["disableNameSuffixHash"]:
        raise ValueError(f"{generator['name']}: the gateway reads what changes by itself")
    labels = generator["options"].get("labels", {})
    metadata = {"name": generator["name"], **({"labels": labels} if labels else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _named(one: Manifest, said: Mapping[str, Any]) -> Manifest:
    """In its namespace, with its image."""
    if "namespace" in said and one["kind"] != "Namespace":
        one["metadata"]["namespace"] = said["namespace"]
    for image in said.get("images", ()) if one["kind"] == "Deployment" else ():
        for container in one["spec"]["template"]["spec"]["containers"]:
            if container["image"] == image["name"]:
                container["image"] = f"{image['newName']}:{image['newTag']}"
    return one
