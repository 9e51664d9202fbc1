"""castle.yaml to `model.castle.Castle`, or every error in it at once.

Two stages, both always run: the keys of the format itself, then each named driver's own options. Drivers are asked
for by name only, so that a definition never loads a driver that it does not use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from ephemeral_castle.definition.build import CONFIG_HOME, build
from ephemeral_castle.definition.diagnostic import Diagnostic, Severity, Span
from ephemeral_castle.definition.explain import explain, value_span
from ephemeral_castle.definition.models import Definition
from ephemeral_castle.definition.nodes import Mapping, Node, Scalar, follow, plain
from ephemeral_castle.definition.parse import parse
from ephemeral_castle.definition.plain_secrets import plain_secrets
from ephemeral_castle.definition.references import check_names, check_needs, check_sites, entries
from ephemeral_castle.definition.shape import namings
from ephemeral_castle.definition.source import LARGEST, Source, decode
from ephemeral_castle.definition.suggest import did_you_mean
from ephemeral_castle.errors import DefinitionInvalid
from ephemeral_castle.model.excerpt import shown
from ephemeral_castle.spi.options import read_options

if TYPE_CHECKING:
    from ephemeral_castle.model.castle import Castle

OptionsOf = Callable[[str], type[BaseModel] | None]
"""Gives the Options model of a driver by its name, None when there is no such driver."""

_MOST_SHOWN = 100


@dataclass
class _Reading:
    """One file while it is judged."""

    source: Source
    options_of: OptionsOf
    driver_names: Sequence[str]
    findings: list[Diagnostic] = field(default_factory=list)
    definition: Definition | None = None
    root: Node | None = None
    models: dict[str, type[BaseModel] | None] = field(default_factory=dict)
    references: set[Span] = field(default_factory=set)  # values that name a secret


def load(
    path: str | Path,
    *,
    options_of: OptionsOf,
    driver_names: Sequence[str],
    config_home: str | Path = CONFIG_HOME,
    warn: Callable[[Diagnostic], None] | None = None,
) -> Castle:
    """Reads a definition.

    Args:
        path: the file; relative paths inside it are relative to its directory.
        options_of: finds a driver's Options model.
        driver_names: all drivers that exist, for "did you mean".
        config_home: directory of the default key file, `CONFIG_HOME/NAME.key`.
        warn: called with every warning of a definition that is valid.

    Raises:
        DefinitionInvalid: with all errors (and warnings), rendered, in the order of the file.
    """
    file = Path(path)
    reading, found = _judge(_read(file), str(path), options_of, driver_names)
    errors = [finding for finding in found if finding.severity is Severity.ERROR]
    if errors or reading is None or reading.definition is None or reading.root is None:
        count = "an error" if len(errors) == 1 else f"{len(errors)} errors"
        rendered = [finding.render() for finding in found[:_MOST_SHOWN]]
        if len(found) > _MOST_SHOWN:
            rendered.append(f"... and {len(found) - _MOST_SHOWN} more")
        hint = f"correct the file, then `castle plan -f {path}`"
        raise DefinitionInvalid(f"`{path}` has {count}", tuple(rendered), hints=(hint,))
    for finding in found if warn else ():
        warn(finding)  # type: ignore[misc]
    return build(reading.definition, reading.root, file, config_home)


def check_text(text: str | bytes, file: str, *, options_of: OptionsOf, driver_names: Sequence[str]) -> list[Diagnostic]:
    """All findings in a definition, errors and warnings, in the order of the file. Never raises.

    Args:
        text: content of the file.
        file: its name, for positions.
        options_of: finds a driver's Options model.
        driver_names: all drivers that exist, for "did you mean".
    """
    raw = text if isinstance(text, bytes) else text.encode("utf-8", errors="surrogatepass")
    return _judge(raw, file, options_of, driver_names)[1]


def check_file(
    path: str | Path, *, options_of: OptionsOf, driver_names: Sequence[str]
) -> tuple[bytes, list[Diagnostic]]:
    """The content of a definition, and all findings in it as `check_text` gives them.

    Raises:
        DefinitionInvalid: it cannot be read.
    """
    raw = _read(Path(path))
    return raw, check_text(raw, str(path), options_of=options_of, driver_names=driver_names)


def _read(path: Path) -> bytes:
    try:
        if path.exists() and not path.is_file():
            raise DefinitionInvalid(f"`{path}` is not a file", hints=("give the definition with `-f FILE`",))
        with path.open("rb") as stream:
            return stream.read(LARGEST + 1)
    except FileNotFoundError:
        hints = ("give another file with `-f FILE`", "`castle init` writes a definition that works")
        raise DefinitionInvalid(f"there is no definition `{path}`", hints=hints) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DefinitionInvalid(f"cannot read `{shown(path)}`: {reason}", hints=(f"ls -l {shown(path)}",)) from None


def _judge(
    raw: bytes, file: str, options_of: OptionsOf, driver_names: Sequence[str]
) -> tuple[_Reading | None, list[Diagnostic]]:
    source = decode(raw, file)
    if isinstance(source, Diagnostic):
        return None, [source]
    tree = parse(source)
    reading = _Reading(source, options_of, driver_names, tree.findings)
    if tree.usable and tree.root is not None:
        reading.root = tree.root
        _format(reading, tree.root)
        reading.findings += check_needs(source, tree.root)
        reading.findings += check_sites(source, tree.root)
        for site in entries(tree.root, "sites"):
            _site(reading, tree.root, site)
        _secrets(reading, tree.root)
    return reading, sorted(dict.fromkeys(reading.findings), key=lambda finding: (finding.line, finding.col))


def _format(reading: _Reading, root: Node) -> None:
    """Stage one: the keys of the format."""
    try:
        reading.definition = read_options(Definition, plain(root))
        _name_secrets(reading, root, reading.definition, ())
    except ValidationError as error:
        reading.findings += explain(error, reading.source, root, Definition)


def _site(reading: _Reading, root: Node, site: str) -> None:
    """Stage two: the options of each driver on one site, then the names in them."""
    made = entries(root, "sites", site, "layers")
    accepted: dict[str, BaseModel] = {}
    for layer, entry in made.items():
        if not isinstance(entry.node, Mapping) or "driver" not in entry.node.entries:
            continue
        driver = entry.node.entries["driver"].node
        if not isinstance(driver, Scalar) or not isinstance(driver.value, str) or not driver.value:
            continue
        model = _model(reading, driver.value)
        if model is None:
            _unknown_driver(reading, driver.value, driver.span)
            continue
        options = {key: value for key, value in plain(entry.node).items() if key != "driver"}
        try:
            accepted[layer] = read_options(model, options)
            _name_secrets(reading, root, accepted[layer], ("sites", site, "layers", layer))
        except ValidationError as error:
            place = ("sites", site, "layers", layer)
            reading.findings += explain(error, reading.source, root, model, place)
    if accepted:
        reading.findings += check_names(reading.source, root, site, accepted)


def _model(reading: _Reading, driver: str) -> Any:
    if driver not in reading.models:
        reading.models[driver] = reading.options_of(driver)
    return reading.models[driver]


def _unknown_driver(reading: _Reading, driver: str, span: Span) -> None:
    hints = did_you_mean(driver, reading.driver_names, what="drivers")
    reading.findings.append(reading.source.error(span, f"unknown driver `{shown(driver)}`", hints))


def _name_secrets(reading: _Reading, root: Node, model: BaseModel, place: tuple[str, ...]) -> None:
    """Remembers where a valid part of the file names a secret, or an object like one: such a name is none itself."""
    for naming in namings(model):
        if naming.refers and naming.kind in ("secret", "object"):
            reading.references.add(value_span(list(follow(root, (*place, *naming.path))), root))


def _secrets(reading: _Reading, root: Node) -> None:
    for key, leaf in plain_secrets(root):
        if leaf.span in reading.references:
            continue
        hints = ("write `secret:NAME` and store the value under that name",)
        message = f"`{shown(key)}` looks like a secret in plain text"
        reading.findings.append(reading.source.warning(leaf.span, message, hints))
