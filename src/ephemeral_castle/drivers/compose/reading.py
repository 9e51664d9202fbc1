"""From the files of a project's directory to a project without errors, or to what is wrong with them. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ephemeral_castle.drivers.compose import exposure, interpolate, lasting, nodes, project, rules
from ephemeral_castle.drivers.compose.finding import Finding, Place
from ephemeral_castle.drivers.compose.project import NAMES, Project
from ephemeral_castle.spi.world import File

OVERRIDES = tuple(name.replace(".y", ".override.y") for name in NAMES)
LATER = "known-later"  # stands for a value that is not known yet, while the rules are checked


@dataclass(frozen=True)
class Wanted:
    """What the layer says about one project.

    Attributes:
        layer: id of the layer.
        machine: on which it runs.
        folder: its directory in the repository.
        secrets: file -> name of the secret.
        accepted: SERVICE.VARIABLE that may carry a secret.
        offered: names that castle gives for interpolation.
        kept: volumes of the machine that a treasure brings back.
        lost: volumes and paths of the machine that may end with the life.
    """

    layer: str
    machine: str
    folder: str
    secrets: Mapping[str, str] = field(default_factory=dict)
    accepted: Sequence[str] = ()
    offered: Sequence[str] = ()
    kept: Sequence[str] = ()
    lost: Sequence[str] = ()


@dataclass(frozen=True)
class Reading:
    """What was read. `names`: variables that the file asks for; `values`: those of its `.env`."""

    project: Project | None
    findings: tuple[Finding, ...]
    names: frozenset[str] = frozenset()
    values: Mapping[str, str] = field(default_factory=dict)
    file: str = ""


def read(wanted: Wanted, files: Mapping[str, File], values: Mapping[str, str] | None = None) -> Reading:
    """Reads and judges one project.

    Args:
        wanted: what the layer says.
        files: of the project's directory, by path relative to it.
        values: of what castle offers; None while they are not known yet.
    """
    name = next((each for each in NAMES if each in files), "")
    if not name:
        text = f"there is no compose.yaml for machine `{wanted.machine}`"
        return Reading(None, (Finding(Place(wanted.folder or "."), text, f"one of {', '.join(NAMES)}"),))
    file = posixpath.join(wanted.folder, name)
    findings = [*_beside(wanted, files)]
    text, undecodable = _text(files[name], file)
    findings += undecodable
    root, said = nodes.read(text, file) if not undecodable else (None, [])
    findings += said
    if root is None:
        return Reading(None, tuple(findings), file=name)
    own = interpolate.dotenv(_text(files[".env"], ".env")[0]) if ".env" in files else {}
    given = dict.fromkeys(wanted.offered, LATER) if values is None else dict(values)
    # A secret in an interpolation has a rule of its own; "it has no value" would only hide it.
    hidden = {secret: LATER for secret in wanted.secrets if interpolate.NAME.fullmatch(secret) and secret not in given}
    root, said, names = interpolate.resolve(root, {**hidden, **own, **given}, _offers(wanted))
    findings += said
    findings += rules.keys(root)
    found, said = project.build(root, file, wanted.layer)
    findings += said
    findings += rules.project(found, rules.Offer(frozenset(files), wanted.folder, tuple(wanted.secrets)))
    findings += lasting.ends(found, wanted.machine, wanted.kept, wanted.lost)
    texts = {path: _text(each, path)[0] for path, each in files.items() if _used_as_env(found, path)}
    findings += exposure.exposed(found, tuple(wanted.secrets), wanted.accepted, texts, wanted.folder)
    return Reading(found, tuple(findings), frozenset(names), own, name)


def _used_as_env(found: Project, path: str) -> bool:
    return any(rules.inside(each) == path for service in found.services.values() for each, _, _ in service.env_files)


def _beside(wanted: Wanted, files: Mapping[str, File]) -> Iterable[Finding]:
    """Files that Compose would merge by itself, and a folder that belongs to castle."""
    for name in OVERRIDES:
        if name in files:
            text = "Compose would merge this file by itself; castle reads one file"
            yield Finding(Place(posixpath.join(wanted.folder, name)), text, "`docker compose config` makes one of both")
    for path in sorted(files):
        if path.startswith(f"{project.SECRETS}/") and path.removeprefix(f"{project.SECRETS}/") in wanted.secrets:
            text = "castle puts a secret here; the repository has a file of this name"
            yield Finding(Place(posixpath.join(wanted.folder, path)), text, "remove it from the repository")


def _text(file: File, name: str) -> tuple[str, list[Finding]]:
    try:
        return file.content.decode(), []
    except UnicodeDecodeError:
        return "", [Finding(Place(name), "the file is not UTF-8")]


def _offers(wanted: Wanted) -> str:
    others = "others stand in `.env` beside the Compose file, or as `${NAME:-default}`"
    return f"castle gives {', '.join(sorted(wanted.offered))}; {others}"
