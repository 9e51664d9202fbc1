"""The reference of castle.yaml as Markdown, from the models themselves: every key, type, default and meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, WithJsonSchema

from ephemeral_castle.definition.models import Definition, EntryModel
from ephemeral_castle.definition.shape import is_model, members
from ephemeral_castle.spi.options import Refers
from ephemeral_castle.spi.units import format_duration, format_size

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

_FORMATS = {"duration-with-unit": "duration", "size-with-unit": "size", "dns-label": "name"}
_INTRODUCTION = """\
# The definition file

One YAML file, `castle.yaml`, says what a castle is (`layers`) and how it is made on each site (`sites`). This page is
generated from the code.

- Plain values follow YAML 1.2: `no`, `on` and `12:30` are texts. Anchors, aliases, tags, duplicate keys and several
  documents in one file are refused.
- A *duration* has units from large to small (`d`, `h`, `m`, `s`, `ms`): `60s`, `10m`, `1h30m`.
- A *size* has a unit: `512MiB` (1024 × 1024 bytes each), `2GB` (1000³ bytes). A number without a unit is refused.
- A *name* is a DNS label (RFC 1123): lower-case letters, digits and inner hyphens, at most 63.
- Secrets stand in it by reference only: `secret:NAME`. A value that looks like a secret draws a warning.
- `castle plan` shows the definition with every default filled in.
- All errors are shown at once, each with file, line, column and a hint.
"""


def reference(drivers: Mapping[str, type[BaseModel]]) -> str:
    """The whole page.

    Args:
        drivers: Options model of each driver by name.
    """
    parts = [_INTRODUCTION, "## Keys\n", *_sections(Definition, (), level=3)]
    parts.append("## Options of the drivers\n")
    parts.append(f"They stand beside `driver` in `{_written(('sites', '*', 'layers', '*'))}`.\n")
    for name in sorted(drivers):
        parts += _sections(drivers[name], (), level=3, title=f"Driver `{name}`")
    return "\n".join(parts).rstrip() + "\n"


def _sections(model: type[BaseModel], path: tuple[str, ...], *, level: int, title: str = "") -> Iterator[str]:
    """A table for the model, then one for each model below it."""
    yield f"{'#' * level} {title or (f'`{_written(path)}`' if path else 'The file')}\n"
    if model.__doc__:
        yield model.__doc__.strip().split("\n\n")[0] + "\n"
    yield _table(model)
    for name, info in model.model_fields.items():
        for inner, way in _models(info.annotation, (*path, info.alias or name)):
            yield from _sections(inner, way, level=max(level, 3) + (0 if not title else 1))


def _models(annotation: Any, path: tuple[str, ...]) -> Iterator[tuple[type[BaseModel], tuple[str, ...]]]:
    for member in members(annotation):
        origin, args = get_origin(member), get_args(member)
        if is_model(member):
            yield member, path
        elif isinstance(origin, type) and issubclass(origin, Mapping):
            yield from _models(args[1], (*path, "*"))
        elif isinstance(origin, type) and issubclass(origin, list | tuple):
            yield from _models(args[0], (*path, "-"))


def _table(model: type[BaseModel]) -> str:
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for name, info in model.model_fields.items():
        example = f"; for example `{_flow(info.examples[0])}`" if info.examples else ""
        cells = [
            f"`{info.alias or name}`",
            _type(info.annotation, info.metadata),
            _default(info),
            f"{info.description or ''}{example}{_bounds(info)}",
        ]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    if model is EntryModel:
        rows.append("| … | | | options of the driver, see below |")
    return "\n".join(rows) + "\n"


def _type(annotation: Any, marks: list[Any] | tuple[Any, ...] = ()) -> str:
    if get_origin(annotation) is Annotated:
        inner, *more = get_args(annotation)
        return _type(inner, [*marks, *more])
    for mark in marks:
        if isinstance(mark, WithJsonSchema) and mark.json_schema:
            return _FORMATS.get(str(mark.json_schema.get("format")), "text")
        if isinstance(mark, Refers):
            return f"{mark.kind} name"
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in args)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"{_type(args[1])}, by name"
    if isinstance(origin, type) and issubclass(origin, list | tuple):
        each = _type(args[0])
        return f"list of {each}" if each.endswith("s") else f"list of {each}s"
    if args:
        return " or ".join(_type(member) for member in args if member is not type(None))
    if is_model(annotation):
        return "keys"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ", ".join(f"`{member.value}`" for member in annotation)
    return {str: "text", bool: "`true` or `false`", int: "whole number", float: "number"}.get(annotation, "any value")


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "**required**"
    value = info.get_default(call_default_factory=False)
    if value is None or isinstance(value, BaseModel) or info.default_factory:
        return "–"
    kind = _type(info.annotation, info.metadata)
    if kind == "duration":
        return f"`{format_duration(value)}`"
    if kind == "size":
        return f"`{format_size(value)}`"
    return f"`{_flow(value)}`" if value != "" else "empty"


def _bounds(info: FieldInfo) -> str:
    """The limits of a number, as far as they are declared."""
    low = next((mark.ge for mark in info.metadata if hasattr(mark, "ge")), None)
    high = next((mark.le for mark in info.metadata if hasattr(mark, "le")), None)
    if low is None and high is None:
        return ""
    if low is None or high is None:
        return f" (at least {low})" if high is None else f" (at most {high})"
    return f" ({low} to {high})"


def _flow(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_flow, value))}]"
    return str(value.value) if isinstance(value, Enum) else str(value)


def _written(path: tuple[str, ...]) -> str:
    return ".".join("NAME" if step == "*" else step for step in path)
