"""What castle has to know of a Compose file: services, what they wait for, what they mount. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ephemeral_castle.drivers.compose.finding import Finding, Place
from ephemeral_castle.drivers.compose.nodes import Entry, Node

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
STARTED, HEALTHY, COMPLETED = "service_started", "service_healthy", "service_completed_successfully"
CONDITIONS = (STARTED, HEALTHY, COMPLETED)
JOBS = ("no", "on-failure")
SECRETS = "secrets"  # folder of the project into which castle puts them
_UNIT = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Variable:
    """One variable of a service's environment. `value`: None when it is only passed on."""

    name: str
    value: str | None
    place: Place
    written: str = ""


@dataclass(frozen=True)
class Mount:
    """One entry of `volumes`. `kind`: "volume", "bind", or "tmpfs"; `source`: name or path as written."""

    kind: str
    source: str
    target: str
    writable: bool
    place: Place


@dataclass(frozen=True)
class Grant:
    """A secret or config that a service is given. `uid`, `gid`, `mode`: as the long form says, else None."""

    name: str
    target: str
    place: Place
    uid: int | None = None
    gid: int | None = None
    mode: int | None = None


@dataclass(frozen=True)
class Port:
    """A published port: `host` is the one on the machine."""

    host: int
    container: int
    address: str = ""
    protocol: str = "tcp"


@dataclass(frozen=True)
class Service:
    """One service that runs; those behind `profiles:` do not. `built`: it says `build`, and castle does not."""

    name: str
    place: Place
    image: str = ""
    image_place: Place | None = None
    built: bool = False
    after: dict[str, str] = field(default_factory=dict)
    restart: str = ""
    user: str = ""
    variables: tuple[Variable, ...] = ()
    env_files: tuple[tuple[str, bool, Place], ...] = ()
    mounts: tuple[Mount, ...] = ()
    secrets: tuple[Grant, ...] = ()
    configs: tuple[Grant, ...] = ()
    ports: tuple[Port, ...] = ()
    start_interval: float = 0.0


@dataclass(frozen=True)
class Project:
    """One Compose file, read. `secrets` and `configs`: name -> file as written; `volumes`: name -> podman's name."""

    file: str
    name: str
    services: dict[str, Service]
    secrets: dict[str, str] = field(default_factory=dict)
    configs: dict[str, str] = field(default_factory=dict)
    volumes: dict[str, str] = field(default_factory=dict)

    @property
    def jobs(self) -> set[str]:
        """Services that are meant to end: others wait for that, or they say themselves that nobody restarts them."""
        waited = {name for each in self.services.values() for name, how in each.after.items() if how == COMPLETED}
        own = {each.name for each in self.services.values() if each.restart.split(":")[0] in JOBS}
        return waited | own


def build(root: Node, file: str, layer: str) -> tuple[Project, list[Finding]]:
    """The project of an interpolated tree, and what about its form is wrong.

    Args:
        root: the tree.
        file: path in the repository.
        layer: names the project where the file does not.
    """
    findings: list[Finding] = []
    services = {
        name: _service(name, entry.node, entry.key, findings)
        for name, entry in _mapping(root, "services", findings).items()
        if not _items(entry.node.get("profiles"))
    }
    named = root.get("name")
    title = re.sub(r"[^-_a-z0-9]", "", str(named.value if named else layer).lower()) or layer
    project = Project(
        file=file,
        name=title,
        services=services,
        secrets={name: _text(entry.node.get("file")) for name, entry in _mapping(root, "secrets", findings).items()},
        configs={name: _text(entry.node.get("file")) for name, entry in _mapping(root, "configs", findings).items()},
        volumes={
            name: _text(entry.node.get("name")) or f"{title}_{name}"
            for name, entry in _mapping(root, "volumes", findings).items()
        },
    )
    return project, findings


def _mapping(node: Node, key: str, findings: list[Finding]) -> Mapping[str, Entry]:
    found = node.get(key)
    if found is None or found.value is None:
        return {}
    if not isinstance(found.value, dict):
        findings.append(Finding(found.place, f"`{key}` is a mapping of names", f"write `{key}: {{NAME: ...}}`"))
        return {}
    return found.entries


def _service(name: str, node: Node, place: Place, findings: list[Finding]) -> Service:
    if not isinstance(node.value, dict):
        findings.append(Finding(node.place, f"service `{name}` says nothing", "it needs at least `image:`"))
        return Service(name, place)
    image = node.get("image")
    return Service(
        name=name,
        place=place,
        image=_text(image),
        image_place=image.place if image else None,
        built=node.get("build") is not None,
        after=_after(node.get("depends_on"), findings),
        restart=_restart(node.get("restart")),
        user=_text(node.get("user")),
        variables=tuple(_variables(node.get("environment"), findings)),
        env_files=tuple(_env_files(node.get("env_file"))),
        mounts=tuple(_mounts(node.get("volumes"), findings)),
        secrets=tuple(_grants(node.get("secrets"), "/run/secrets/", findings)),
        configs=tuple(_grants(node.get("configs"), "/", findings)),
        ports=tuple(_ports(node.get("ports"), findings)),
        start_interval=duration(_text(node.get("healthcheck", "start_interval"))),
    )


def _text(node: Node | None) -> str:
    return "" if node is None or node.value is None or isinstance(node.value, dict | list) else str(node.value)


def _restart(node: Node | None) -> str:
    """`restart: no` without quotes is a boolean to YAML, and what everybody means."""
    return "no" if node is not None and node.value is False else _text(node)


def _items(node: Node | None) -> list[Node]:
    if node is None or node.value is None:
        return []
    return node.items if isinstance(node.value, list) else [node]


def duration(text: str) -> float:
    """Seconds of Compose's `1m30s`; 0 for what is none."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(us|ms|s|m|h)", text)
    return sum(float(number) * _UNIT[unit] for number, unit in parts)


def _after(node: Node | None, findings: list[Finding]) -> dict[str, str]:
    if node is None:
        return {}
    if not isinstance(node.value, dict):
        return {_text(item): STARTED for item in _items(node)}
    found = {}
    for name, entry in node.entries.items():
        said = entry.node.get("condition")
        condition = _text(said) or STARTED
        if condition not in CONDITIONS:
            where = said.place if said else entry.key
            findings.append(Finding(where, f"`{condition}` is no condition", "one of " + ", ".join(CONDITIONS)))
        found[name] = condition
    return found


def _variables(node: Node | None, findings: list[Finding]) -> Iterator[Variable]:
    if node is None:
        return
    if isinstance(node.value, dict):
        for name, entry in node.entries.items():
            value = entry.node
            if isinstance(value.value, bool):
                text = f"`{name}: {value.text}` is a boolean to YAML, not a text"
                findings.append(Finding(value.place, text, f'write `{name}: "{value.text}"`'))
            none = value.value is None
            yield Variable(name, None if none else str(value.value), entry.key, value.text)
        return
    for item in _items(node):
        name, equals, text = _text(item).partition("=")
        yield Variable(name, text if equals else None, item.place, item.text.partition("=")[2])


def _env_files(node: Node | None) -> Iterator[tuple[str, bool, Place]]:
    for item in _items(node):
        if isinstance(item.value, dict):
            required = item.get("required")
            yield _text(item.get("path")), required is None or required.value is not False, item.place
        else:
            yield _text(item), True, item.place


def _mounts(node: Node | None, findings: list[Finding]) -> Iterator[Mount]:
    for item in _items(node):
        if isinstance(item.value, dict):
            read_only = item.get("read_only")
            writable = read_only is None or read_only.value is not True
            kind = _text(item.get("type")) or "volume"
            yield Mount(kind, _text(item.get("source")), _text(item.get("target")), writable, item.place)
            continue
        parts = _text(item).split(":")
        if len(parts) > 3 or not parts[-1]:
            findings.append(Finding(item.place, f"`{_text(item)}` is no volume", "write `SOURCE:TARGET[:ro]`"))
            continue
        if len(parts) == 1:
            yield Mount("volume", "", parts[0], True, item.place)
            continue
        kind = "bind" if parts[0][:1] in (".", "/", "~") else "volume"
        options = parts[2].split(",") if len(parts) == 3 else []
        yield Mount(kind, parts[0], parts[1], "ro" not in options, item.place)


def _grants(node: Node | None, folder: str, findings: list[Finding]) -> Iterator[Grant]:
    for item in _items(node):
        if not isinstance(item.value, dict):
            yield Grant(_text(item), folder + _text(item), item.place)
            continue
        name = _text(item.get("source"))
        target = _text(item.get("target")) or name
        uid, gid = (_number(item.get(key), 10, findings) for key in ("uid", "gid"))
        mode = item.get("mode")
        # 0440 is octal to YAML already; the text "0440" is meant so, too.
        bits = mode.value if mode and isinstance(mode.value, int) else _number(mode, 8, findings)
        place = target if target.startswith("/") else folder + target
        yield Grant(name, place, item.place, uid, gid, bits)


def _number(node: Node | None, base: int, findings: list[Finding]) -> int | None:
    if node is None:
        return None
    try:
        return int(str(node.value), base)
    except ValueError:
        findings.append(Finding(node.place, f"`{_text(node)}` is no number"))
        return None


def _ports(node: Node | None, findings: list[Finding]) -> Iterator[Port]:
    for item in _items(node):
        if isinstance(item.value, dict):
            host, container = _text(item.get("published")), _text(item.get("target"))
            if host.isdecimal() and container.isdecimal():
                protocol = _text(item.get("protocol")) or "tcp"
                yield Port(int(host), int(container), _text(item.get("host_ip")), protocol)
            continue
        if isinstance(item.value, int) and ":" in item.text:
            findings.append(Finding(item.place, f"`{item.text}` is a number to YAML", f'write `"{item.text}"`'))
            continue
        yield from _short_port(_text(item), item.place, findings)


def _short_port(text: str, place: Place, findings: list[Finding]) -> Iterator[Port]:
    """`[ADDRESS:][HOST:]CONTAINER[/PROTOCOL]`; ranges are left to podman and open no door."""
    body, _, protocol = text.partition("/")
    parts = body.rsplit(":", 2)
    if "-" in body:
        return
    if not parts[-1].isdecimal() or (len(parts) > 1 and parts[-2] and not parts[-2].isdecimal()):
        findings.append(Finding(place, f"`{text}` is no port", 'write `"HOST:CONTAINER"`'))
        return
    if len(parts) > 1 and parts[-2]:
        address = parts[0].strip("[]") if len(parts) == 3 else ""
        yield Port(int(parts[-2]), int(parts[-1]), address, protocol or "tcp")
