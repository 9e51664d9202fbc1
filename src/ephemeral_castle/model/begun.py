"""What a run began with: the definition as it was then, and the files whose content its steps will still need.

It is stored with the run's plan, so that a resume does what was planned, whatever became of the files since. The
definition holds references to secrets only, and of files only their digest is kept.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from ephemeral_castle.model.castle import Castle


@dataclass(frozen=True)
class NeededFile:
    """A file that a step reads while the run goes on. `sha256`: of its content; `step`: id of the step."""

    sha256: str
    step: str


@dataclass(frozen=True)
class Begun:
    """Definition and needed files of one run. `files`: by absolute path; `version`: of the castle that planned it."""

    castle: Castle
    files: Mapping[str, NeededFile] = field(default_factory=dict)
    version: str = ""

    @cached_property
    def digest(self) -> str:
        """Twelve hex digits over what the definition means; see `meaning`."""
        return hashlib.sha256(meaning(self.castle).encode()).hexdigest()[:12]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data; `from_json` is its inverse."""
        files = {path: dataclasses.asdict(file) for path, file in self.files.items()}
        return {"v": 1, "castle": dataclasses.asdict(self.castle), "files": files, "version": self.version}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Begun:
        """Reads what was stored, also by a newer castle: unknown keys are ignored."""
        files = _built(Mapping[str, NeededFile], data.get("files", {}))
        return cls(_built(Castle, data["castle"]), files, str(data.get("version", "")))


def meaning(castle: Castle) -> str:
    """A text that is equal for two definitions that mean the same: comments, line numbers and the file's name apart."""
    data = dataclasses.asdict(dataclasses.replace(castle, path=""))
    for site in data["sites"].values():
        for layer in site["layers"]:
            layer["position"] = ""
    return json.dumps(data, sort_keys=True)


def _built(kind: Any, raw: Any) -> Any:
    """Plain data as the dataclass, tuple or mapping that a field is declared to be; keys it does not know are left."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (UnionType, Union):
        return None if raw is None else _built(next(part for part in parts if part is not type(None)), raw)
    if origin is tuple:
        return tuple(_built(parts[0], each) for each in raw)
    if origin is Mapping:
        return {key: _built(parts[1], value) for key, value in raw.items()}
    if not dataclasses.is_dataclass(kind) or not isinstance(kind, type):
        return kind(raw) if isinstance(kind, type) and issubclass(kind, Enum) else raw
    hints = get_type_hints(kind)
    known = {each.name for each in dataclasses.fields(kind)} & set(raw)
    return kind(**{name: _built(hints[name], raw[name]) for name in known})
