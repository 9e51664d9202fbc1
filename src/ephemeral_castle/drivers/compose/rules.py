"""What castle refuses in a Compose file, and why: before anything is destroyed, never after. Pure."""

from __future__ import annotations

import difflib
import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ephemeral_castle.drivers.compose.finding import Finding, Place
from ephemeral_castle.drivers.compose.nodes import Node
from ephemeral_castle.drivers.compose.project import HEALTHY, SECRETS, Mount, Project, Service
from ephemeral_castle.drivers.compose.vocabulary import HEALTH, SERVICE, TOP

OUTSIDE = "the file lies outside of the project's directory, and only that is brought to the machine"
BUILD = (
    "castle builds images ahead, from Debian packages: name it under `images:` of the layer, or push it to a registry"
)


@dataclass(frozen=True)
class Offer:
    """What the layer gives a project.

    Attributes:
        files: paths of the project's directory, relative to it.
        folder: the project's directory in the repository.
        secrets: names that stand under `secrets:` of the layer.
    """

    files: Collection[str]
    folder: str
    secrets: Collection[str] = ()
    folders: frozenset[str] = field(default=frozenset())

    def holds(self, path: str) -> bool:
        """Whether there is such a file or folder."""
        return path in self.files or any(name.startswith(f"{path}/") for name in self.files) or path == ""


def keys(root: Node) -> Iterator[Finding]:
    """Keys that Compose does not know, and what castle does not follow."""
    if not isinstance(root.value, dict):
        yield Finding(root.place, "a Compose file is a mapping", "it begins with `services:`")
        return
    yield from _unknown(root, TOP, "at the top of a Compose file")
    if not root.get("services"):
        yield Finding(root.place, "there are no services", "add `services:`")
    for name, entry in (root.get("services") or root).entries.items() if root.get("services") else ():
        yield from _unknown(entry.node, SERVICE, f"in service `{name}`")
        check = entry.node.get("healthcheck")
        if check is not None:
            yield from _unknown(check, HEALTH, "in a health check")
        for key in ("build", "extends"):
            found = entry.node.entries.get(key)
            if found and key == "build":
                yield Finding(found.key, f"service `{name}` is built by Compose", BUILD)
            elif found:
                yield Finding(found.key, "`extends` is not followed", "write the service whole, or use a YAML anchor")
    if "include" in root.entries:
        yield Finding(
            root.entries["include"].key, "`include` is not followed", "`docker compose config` makes one file"
        )
    yield from _kept_elsewhere(root)


def _kept_elsewhere(root: Node) -> Iterator[Finding]:
    """Volumes, networks, secrets and configs that somebody else would have to make."""
    for kind in ("volumes", "networks", "secrets", "configs"):
        for name, entry in (root.get(kind) or Node(root.place, {})).entries.items():
            external = entry.node.get("external")
            if external is not None and external.value is not False:
                text = f"{kind[:-1]} `{name}` is external: on a new machine nobody has made it"
                yield Finding(entry.key, text, "remove `external`")
            elif kind in ("secrets", "configs") and "environment" in entry.node.entries:
                text = f"{kind[:-1]} `{name}` comes from the environment"
                yield Finding(entry.key, text, f"write `{name}: {{file: ./{SECRETS}/{name}}}`")
            elif kind in ("secrets", "configs") and not entry.node.get("file"):
                yield Finding(entry.key, f"{kind[:-1]} `{name}` names no file", f"write `{name}: {{file: ...}}`")


def _unknown(node: Node, known: Collection[str], where: str) -> Iterator[Finding]:
    for name, entry in node.entries.items():
        if name not in known and not name.startswith("x-"):
            close = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean `{close[0]}`?" if close else "remove it, or let its name begin with `x-`"
            yield Finding(entry.key, f"there is no `{name}` {where}", hint)


def project(found: Project, offer: Offer) -> Iterator[Finding]:
    """Everything about a project that was read."""
    for service in found.services.values():
        if not service.image and not service.built:
            yield Finding(service.place, f"service `{service.name}` has no image", "add `image:`")
        yield from _waits(service, found)
        yield from _files(service, offer)
        yield from _granted(service, found)
        for mount in service.mounts:
            yield from _mount(mount, service, offer)
    yield from _circles(found)
    yield from _owners(found)
    for kind, declared in (("secret", found.secrets), ("config", found.configs)):
        used = {grant.name for each in found.services.values() for grant in (*each.secrets, *each.configs)}
        for name in sorted(used & set(declared)):
            yield from _declared(kind, name, declared[name], found, offer)


def _waits(service: Service, found: Project) -> Iterator[Finding]:
    for name in service.after:
        if name not in found.services:
            yield Finding(service.place, f"service `{service.name}` waits for `{name}`, which does not run here")


def _circles(found: Project) -> Iterator[Finding]:
    """The first way back that a depth-first walk finds from each service that was not seen before."""
    finished: set[str] = set()

    def walk(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in finished or name not in found.services:
            return []
        for below in found.services[name].after:
            circle = walk(below, [*way, name])
            if circle:
                return circle
        finished.add(name)
        return []

    for name, service in found.services.items():
        circle = walk(name, [])
        if circle:
            text = " waits for ".join(f"`{each}`" for each in circle)
            yield Finding(service.place, f"services wait for each other: {text}", "remove one of these")
            return


def _files(service: Service, offer: Offer) -> Iterator[Finding]:
    for path, required, place in service.env_files:
        clean = inside(path)
        if clean is None:
            yield Finding(place, OUTSIDE)
        elif clean not in offer.files and required:
            yield Finding(place, f"`{path}` is not in `{offer.folder}` of the repository")


def inside(path: str) -> str | None:
    """A path of a Compose file relative to the project's directory; None when it leaves it."""
    if path.startswith(("/", "~")):
        return None
    clean = posixpath.normpath(path or ".")
    return None if clean == ".." or clean.startswith("../") else "" if clean == "." else clean


def _declared(kind: str, name: str, path: str, found: Project, offer: Offer) -> Iterator[Finding]:
    place = next(
        grant.place
        for each in found.services.values()
        for grant in (*each.secrets, *each.configs)
        if grant.name == name
    )
    clean = inside(path)
    if clean is None:
        yield Finding(place, f"{kind} `{name}`: {OUTSIDE}")
    elif clean.startswith(f"{SECRETS}/"):
        wanted = clean.removeprefix(f"{SECRETS}/")
        if wanted not in offer.secrets:
            hint = f"add `{wanted}: LAYER/NAME` to `secrets:` of the layer in castle.yaml"
            yield Finding(place, f"{kind} `{name}`: nobody gives `{path}`", hint)
    elif clean not in offer.files:
        hint = f"castle puts what stands under `secrets:` of the layer into ./{SECRETS}/"
        yield Finding(place, f"{kind} `{name}`: `{path}` is not in `{offer.folder}` of the repository", hint)
    elif kind == "secret":
        text = f"secret `{name}` lies in the repository, where everybody who has it can read it"
        yield Finding(place, text, f"give it to castle and name ./{SECRETS}/{name}")


def _granted(service: Service, found: Project) -> Iterator[Finding]:
    for kind, grants, declared in (
        ("secret", service.secrets, found.secrets),
        ("config", service.configs, found.configs),
    ):
        for grant in grants:
            if grant.name not in declared:
                text = f"service `{service.name}` is given {kind} `{grant.name}`, which is not declared"
                yield Finding(grant.place, text, f"add it under `{kind}s:` at the top")


def _mount(mount: Mount, service: Service, offer: Offer) -> Iterator[Finding]:
    if mount.kind != "bind":
        return
    if mount.source.startswith(("/", "~")):
        return  # of the machine: `lasting` judges it
    clean = inside(mount.source)
    if clean is None:
        yield Finding(mount.place, OUTSIDE)
    elif clean == SECRETS or clean.startswith(f"{SECRETS}/"):
        return
    elif clean not in offer.files and offer.holds(clean) and mount.writable:
        text = f"`{mount.source}` comes from the repository, into memory: what `{service.name}` writes there is lost"
        yield Finding(mount.place, text, "add `:ro`, or use a named volume")
    elif not offer.holds(clean):
        text = f"`{mount.source}` is not in `{offer.folder}` of the repository"
        yield Finding(mount.place, text, "for data use a named volume, which can be backed up")
    elif mount.writable:
        text = f"`{mount.source}` comes from the repository: what `{service.name}` writes there is lost"
        yield Finding(mount.place, text, "add `:ro`", error=False)


def _owners(found: Project) -> Iterator[Finding]:
    """One file has one owner and mode: two services that want it otherwise need two files."""
    seen: dict[str, tuple[object, str]] = {}
    for service in found.services.values():
        for grant in service.secrets:
            path = found.secrets.get(grant.name, "")
            wanted = owner(service, grant.uid, grant.gid, grant.mode)
            known = seen.setdefault(path, (wanted, service.name))
            if path and known[0] != wanted:
                text = f"`{known[1]}` and `{service.name}` want another owner or mode of secret `{grant.name}`"
                hint = "give it under two names in `secrets:` of the layer, one for each"
                yield Finding(grant.place, text, hint)


def owner(service: Service, uid: int | None, gid: int | None, mode: int | None) -> tuple[int, int, int]:
    """Owner, group and mode of a secret's file: the long form's, else the service's numeric `user:`, else root's."""
    numbers = re.fullmatch(r"(\d+)(?::(\d+))?", service.user)
    own = int(numbers[1]) if numbers else 0
    group = int(numbers[2] or 0) if numbers else 0
    return (own if uid is None else uid, group if gid is None else gid, 0o400 if mode is None else mode)


def waits_for_health(found: Project) -> set[str]:
    """Services that somebody waits for until they are healthy."""
    return {name for each in found.services.values() for name, how in each.after.items() if how == HEALTHY}


def places(findings: Iterable[Finding]) -> Mapping[Place, str]:
    """Messages by place, for tests."""
    return {found.place: found.message for found in findings}
