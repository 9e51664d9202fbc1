"""An API server of a few objects for the stand-in of source-controller, which refuses what Flux' own CRD would."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ephemeral_castle.world.simulated_objects import patched

CRDS = Path(__file__).resolve().parents[3] / "shared/crds/flux/source-controller.crds.yaml"
API, KIND = "source.toolkit.fluxcd.io/v1", "GitRepository"
Object = dict[str, Any]


@cache
def schema() -> Object:
    """Of GitRepository v1, as the vendor has it."""
    for document in yaml.load_all(CRDS.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        if document and document["spec"]["names"]["kind"] == KIND:
            found = next(each for each in document["spec"]["versions"] if each["name"] == "v1")
            return dict(found["schema"]["openAPIV3Schema"])
    raise AssertionError("the vendor's file has no GitRepository v1")


def faults(value: Any, said: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """What the API server would refuse or drop."""
    kinds: dict[str, Any] = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
    kind = kinds.get(str(said.get("type")))
    if kind and not isinstance(value, kind):
        yield f"{path}: {type(value).__name__} is no {said['type']}"
        return
    if "enum" in said and value not in said["enum"]:
        yield f"{path}: {value!r} is none of {said['enum']}"
    if "pattern" in said and not re.search(said["pattern"], value):
        yield f"{path}: {value!r} does not match {said['pattern']}"
    if isinstance(value, dict) and "properties" in said:
        for key in said.get("required", ()):
            if key not in value:
                yield f"{path}.{key} is missing"
        for key, below in value.items():
            if key in said["properties"]:
                yield from faults(below, said["properties"][key], f"{path}.{key}")
            elif not said.get("x-kubernetes-preserve-unknown-fields"):
                yield f"{path}.{key} is not known"
    if isinstance(value, list):
        for number, below in enumerate(value):
            yield from faults(below, said.get("items", {}), f"{path}[{number}]")


class FakeApi:
    """Plays `standins.api.Api` for one namespace. `told`: every status that was written; `events`: reason, message."""

    def __init__(self) -> None:
        self.things: dict[tuple[str, str], Object] = {}
        self.told: list[Object] = []
        self.events: list[tuple[str, str, str]] = []

    def repository(self, spec: Mapping[str, Any], name: str = "castle") -> None:
        """Somebody applies a GitRepository; a change of it makes a new generation."""
        old = self.things.get((KIND, name))
        meta = dict(old["metadata"]) if old else {"name": name, "namespace": "flux-system", "uid": f"uid-{name}"}
        changed = old is None or old["spec"] != spec
        meta["generation"] = int(meta.get("generation", 0)) + int(changed)
        made = {"apiVersion": API, "kind": KIND, "metadata": meta, "spec": dict(spec)}
        assert list(faults(made["spec"], schema()["properties"]["spec"], "spec")) == []
        self.things[KIND, name] = {**made, "status": (old or {}).get("status", {"observedGeneration": -1})}

    def secret(self, name: str, data: Mapping[str, str]) -> None:
        """Somebody applies a Secret; data as the API has it."""
        self.things["Secret", name] = {"metadata": {"name": name}, "data": dict(data)}

    def annotate(self, name: str = "castle", **notes: str) -> None:
        self.things[KIND, name]["metadata"].setdefault("annotations", {}).update(notes)

    def get(self, api: str, kind: str, name: str, namespace: str = "") -> Object | None:
        return copy.deepcopy(self.things.get((kind, name)))

    def patch(self, about: Object, body: Object) -> Object:
        key = (about["kind"], about["metadata"]["name"])
        self.things[key] = patched(self.things[key], body)
        meta = self.things[key]["metadata"]
        if meta.get("deletionTimestamp") and not meta.get("finalizers"):
            return self.things.pop(key)
        return copy.deepcopy(self.things[key])

    def patch_status(self, about: Object, status: Object) -> Object:
        key = (about["kind"], about["metadata"]["name"])
        self.things[key] = patched(self.things[key], {"status": status})
        found = list(faults(self.things[key]["status"], schema()["properties"]["status"], "status"))
        assert found == []
        self.told.append(copy.deepcopy(self.things[key]["status"]))
        return copy.deepcopy(self.things[key])

    def event(self, about: Object, type_: str, reason: str, message: str, component: str = "") -> None:
        self.events.append((type_, reason, message))
