"""JSON Schema of castle.yaml for editors, with the options of every driver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ephemeral_castle.definition.models import Definition, EntryModel
from ephemeral_castle.spi.units import format_duration, format_size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import BaseModel

_UNITS: dict[str, Callable[[Any], str]] = {"duration-with-unit": format_duration, "size-with-unit": format_size}
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = "#/$defs/"


def json_schema(drivers: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    """The schema (JSON Schema 2020-12): completes keys, shows their meaning and marks mistakes while typing.

    An editor finds it by a first line `# yaml-language-server: $schema=FILE`.

    Args:
        drivers: Options model of each driver by name.
    """
    schema = Definition.model_json_schema()
    definitions = schema["$defs"]
    entry = definitions[EntryModel.__name__]
    entry["properties"]["driver"]["enum"] = sorted(drivers)
    entry["allOf"] = [
        {
            "if": {"properties": {"driver": {"const": name}}, "required": ["driver"]},
            "then": {"$ref": f"{_REFERENCE}driver.{name}"},
        }
        for name in sorted(drivers)
    ]
    for name in sorted(drivers):
        definitions |= _driver(name, drivers[name])
    return {"$schema": DIALECT, "title": "castle.yaml", **_tidied(schema)}


def _driver(name: str, model: type[BaseModel]) -> dict[str, Any]:
    """The definitions that one driver adds, under names of its own."""
    schema = model.model_json_schema(ref_template=f"{_REFERENCE}driver.{name}.{{model}}")
    inner = schema.pop("$defs", {})
    schema["properties"] = {"driver": {"const": name}, **schema.get("properties", {})}
    return {f"driver.{name}": schema, **{f"driver.{name}.{key}": value for key, value in inner.items()}}


def _tidied(node: Any) -> Any:
    """Without the titles that repeat each key, and with defaults as they are written in the file."""
    if isinstance(node, list):
        return [_tidied(item) for item in node]
    if not isinstance(node, dict):
        return node
    tidy = {key: _tidied(value) for key, value in node.items() if key != "title" or not isinstance(value, str)}
    write = _UNITS.get(str(node.get("format")))
    if write is not None and isinstance(node.get("default"), int | float):
        tidy["default"] = write(node["default"])
    return tidy
