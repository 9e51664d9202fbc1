"""Flux's `postBuild`: values that are filled into manifests after they were rendered. Pure.

Flux does it in the text of each object, keys and values alike, so that a value may change the type of what it is filled
into. A value that nobody can know here (it comes from a Secret that is encrypted, or from an object that is not in the
repository) makes the whole text `Undecided`: whoever judges values leaves it alone and counts it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ephemeral_castle.manifests import emitted, envsubst
from ephemeral_castle.manifests.tree import Map, Seq, placed
from ephemeral_castle.model.finding import Mark

SWITCH = "kustomize.toolkit.fluxcd.io/substitute"
NAME = re.compile(r"[_A-Za-z][_A-Za-z0-9]*")
LONGEST = 1_000_000  # characters that one text may grow to


class Undecided(str):
    """A text whose value nobody can know here; it reads as it was written."""

    __slots__ = ()


@dataclass(frozen=True)
class Variables:
    """What is filled in.

    Attributes:
        values: with the place of each; one that is Undecided is there, but nobody knows what it is.
        open: whether there are others: from an object that is not in the repository.
        perhaps: whether there may be: that object is optional. Then defaults are taken.
    """

    values: Mapping[str, tuple[str, Mark]] = field(default_factory=dict)
    open: bool = False
    perhaps: bool = False


@dataclass(frozen=True)
class Trouble:
    """A text that Flux cannot fill in.

    Attributes:
        mark: where it stands.
        message: what is wrong with it.
        says: Flux's words.
        name: of the variable that has no value; "" where it is something else.
        path: of the field.
    """

    mark: Mark
    message: str
    says: str
    name: str = ""
    path: str = ""


def disabled(manifest: Map) -> bool:
    """Whether a label or annotation of an object forbids it."""
    meta = manifest.get("metadata")
    maps = (meta.get(key) for key in ("labels", "annotations")) if isinstance(meta, Map) else ()
    return any(isinstance(each, Map) and each.get(SWITCH) == "disabled" for each in maps)


def substitute(manifest: Map, variables: Variables) -> tuple[Map, list[Trouble]]:
    """The object with all values filled in, and what stops Flux; texts that cannot be filled in are Undecided.

    Args:
        manifest: it stays as it is.
        variables: of the Kustomization that applies it.
    """
    filler = _Filler(variables)
    return filler.map(manifest, ""), filler.troubles


class _Filler:
    def __init__(self, variables: Variables) -> None:
        self.variables = variables
        self.troubles: list[Trouble] = []

    def map(self, value: Map, path: str) -> Map:
        """A mapping, its keys included."""
        made = Map(value.begin)
        for key, each in value.items():
            below = f"{path}.{key}" if path else key
            name, named = key, value.named[key]
            if "$" in key:
                name, named = self._filled(key, named, below, key=True)
            found, at = self._value(each, value.at[key], below)
            made.put(name, found, named, at)
        return made

    def _value(self, value: Any, at: Mark, path: str) -> tuple[Any, Mark]:
        if isinstance(value, str):
            return self._filled(value, at, path) if "$" in value and not isinstance(value, Undecided) else (value, at)
        if isinstance(value, Map):
            return self.map(value, path), at
        if isinstance(value, Seq):
            made = Seq(value.begin)
            for number, (each, where) in enumerate(zip(value, value.at, strict=True)):
                made.add(*self._value(each, where, f"{path}[{number}]"))
            return made, at
        return value, at

    def _filled(self, written: str, at: Mark, path: str, *, key: bool = False) -> tuple[Any, Mark]:
        style, text_ = emitted.emitted(written)
        try:
            parts = envsubst.parse(text_)
        except envsubst.BadSubstitution as error:
            says = f"envsubst error: variable substitution failed: {error}"
            self.troubles.append(Trouble(at, "this is no variable that Flux can fill in", says, path=path))
            return Undecided(written), at
        calls = list(envsubst.names(parts))
        if not calls:
            return self._reread(written, (envsubst.evaluate(parts, self._lookup), style, key), at, path)
        missing = [each.name for each in calls if self._is_missing(each)]
        if missing:
            self._missing(missing, at, path)
            return Undecided(written), at
        if any(self._is_unknown(each) for each in calls):
            return Undecided(written), at
        found = envsubst.evaluate(parts, self._lookup)
        via = next((mark for each in calls for mark in self._marks(each)), None)
        return self._reread(written, (found[:LONGEST], style, key), at._replace(via=via or at.via), path)

    def _reread(self, written: str, filled: tuple[str, str, bool], at: Mark, path: str) -> tuple[Any, Mark]:
        found, style, key = filled
        try:
            if key:
                return emitted.rekeyed(found, style), at
            return placed(emitted.reread(found, style, item=path.endswith("]")), at), at
        except emitted.Broken as error:
            message = f"with its values filled in this is no YAML any more: {error}"
            self.troubles.append(Trouble(at, message, f"envsubst error: YAMLToJSON: {error}", path=path))
            return Undecided(written), at

    def _is_missing(self, call: envsubst.Call) -> bool:
        known = call.name in self.variables.values
        others = self.variables.open or self.variables.perhaps
        return not known and not others and call.op not in envsubst.DEFAULTS

    def _is_unknown(self, call: envsubst.Call) -> bool:
        found = self.variables.values.get(call.name)
        if found is None:
            return self.variables.open or (self.variables.perhaps and call.op not in envsubst.DEFAULTS)
        return isinstance(found[0], Undecided)

    def _missing(self, names: list[str], at: Mark, path: str) -> None:
        for name in dict.fromkeys(names):
            says = f'envsubst error: variable substitution failed: variable not set (strict mode): "{name}"'
            self.troubles.append(Trouble(at, f"`{name}` has no value and no default", says, name, path))

    def _lookup(self, name: str) -> str | None:
        found = self.variables.values.get(name)
        return found[0] if found else None

    def _marks(self, call: envsubst.Call) -> Iterator[Mark]:
        if call.name in self.variables.values:
            yield self.variables.values[call.name][1]
