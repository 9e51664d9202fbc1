"""Looks into types: which keys a model knows at a place, and which values name other things."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from ephemeral_castle.spi.options import Offers, Refers

if TYPE_CHECKING:
    from ephemeral_castle.definition.nodes import Path


def members(annotation: Any) -> list[Any]:
    """The types of a union (also nested and annotated), without `Annotated` wrappers."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return members(get_args(annotation)[0])
    if origin is Union or origin is types.UnionType:
        return [found for member in get_args(annotation) for found in members(member)]
    return [annotation]


def fields(model: type[BaseModel]) -> dict[str, Any]:
    """Type of each key as it is written in the file (the alias where there is one)."""
    return {(info.alias or name): info.annotation for name, info in model.model_fields.items()}


def is_model(annotation: Any) -> bool:
    """Whether this is a pydantic model."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def models_at(model: type[BaseModel], loc: Iterable[str | int]) -> list[type[BaseModel]]:
    """The models that may stand at a location below `model`."""
    here: list[Any] = [model]
    for step in loc:
        below = [found for annotation in here for found in _children(annotation, step)]
        here = below or here  # a location also names union members: they lead nowhere
    return [annotation for annotation in here if is_model(annotation)]


def _children(annotation: Any, step: str | int) -> list[Any]:
    if is_model(annotation):
        known = fields(annotation)
        return members(known[step]) if isinstance(step, str) and step in known else []
    origin, args = get_origin(annotation), get_args(annotation)
    if not isinstance(origin, type) or not args:
        return []
    if issubclass(origin, Mapping) and isinstance(step, str):
        return members(args[1])
    if issubclass(origin, list | tuple | set | frozenset) and isinstance(step, int):
        return members(args[0])
    return []


@dataclass(frozen=True)
class Naming:
    """A value that names something (`refers`), or a key that others may name. `path`: where, inside the options."""

    path: Path
    kind: str
    name: str
    refers: bool


def namings(options: BaseModel) -> Iterator[Naming]:
    """Everything in validated options that is marked with `Refers` or `Offers`."""
    for name, info in type(options).model_fields.items():
        key = info.alias or name
        yield from _marked(info.annotation, info.metadata, getattr(options, name), (key,))


def _marked(annotation: Any, marks: Iterable[Any], value: Any, path: Path) -> Iterator[Naming]:
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        yield from _marked(inner, [*marks, *more], value, path)
        return
    for mark in marks:
        if isinstance(mark, Refers) and isinstance(value, str):
            yield Naming(path, mark.kind, value, refers=True)
        elif isinstance(mark, Offers) and isinstance(value, Mapping):
            yield from (Naming((*path, key), mark.kind, key, refers=False) for key in value)
    if isinstance(value, BaseModel):
        for naming in namings(value):
            yield Naming((*path, *naming.path), naming.kind, naming.name, naming.refers)
        return
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Union or origin is types.UnionType:
        for member in args:
            yield from _marked(member, (), value, path)
    elif isinstance(value, Mapping) and len(args) == 2:
        for key, item in value.items():
            yield from _marked(args[0], (), key, (*path, key))
            yield from _marked(args[1], (), item, (*path, key))
    elif isinstance(value, list | tuple) and args:
        for index, item in enumerate(value):
            yield from _marked(args[0], (), item, (*path, index))
