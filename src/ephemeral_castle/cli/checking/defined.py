"""The definition: its mistakes as findings, and where its manifests lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ephemeral_castle.errors import UsageError
from ephemeral_castle.model.finding import Finding, Mark, Severity

if TYPE_CHECKING:
    from ephemeral_castle.definition.diagnostic import Diagnostic
    from ephemeral_castle.model.castle import Castle, Site

RULE = "definition"


@dataclass(frozen=True)
class Defined:
    """A definition that was read. `castle`: None where it has errors. `text`: of the file, for excerpts."""

    findings: tuple[Finding, ...]
    castle: Castle | None = None
    text: str = ""


def defined(file: str) -> Defined:
    """Judges a definition.

    Raises:
        DefinitionInvalid: it cannot be read at all.
    """
    from ephemeral_castle.cli import catalog
    from ephemeral_castle.cli.wired import wiring
    from ephemeral_castle.definition.load import check_file

    raw, found = check_file(file, options_of=catalog.options_of, driver_names=catalog.driver_names())
    findings = tuple(_finding(each) for each in found)
    text = raw.decode("utf-8", errors="replace")
    if any(each.severity is Severity.ERROR for each in findings):
        return Defined(findings, None, text)
    return Defined(findings, wiring().load_castle(file), text)


def _finding(each: Diagnostic) -> Finding:
    severity = Severity.ERROR if each.severity.value == "error" else Severity.WARNING
    return Finding(RULE, severity, each.message, Mark(each.file, each.line, each.col, each.width), each.hints)


def site_of(castle: Castle, name: str | None) -> Site:
    """The chosen site, or the first.

    Raises:
        UsageError: the definition has none of that name.
    """
    if name is not None and name not in castle.sites:
        raise UsageError(f"castle {castle.name} has no site `{name}`", hints=[f"its sites: {', '.join(castle.sites)}"])
    return castle.site(name)


def remote(castle: Castle) -> str:
    """How the castle's repository is called, where it is no working tree here; "" where there is none."""
    return f"{castle.repository.url} at {castle.repository.ref}" if castle.repository else ""


def local_tree(castle: Castle) -> str:
    """The directory of the castle's repository where it is a working tree of this computer; else ""."""
    if castle.repository is None or not castle.repository.url.startswith("/"):
        return ""
    path = Path(castle.repository.url)
    bare = (path / "HEAD").is_file() and (path / "objects").is_dir()
    return str(path) if path.is_dir() and not bare else ""
