"""Secrets that a container would get through its environment, where podman keeps them on disk. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from ephemeral_castle.drivers.compose.finding import Finding, Place
from ephemeral_castle.drivers.compose.interpolate import NAME, dotenv
from ephemeral_castle.drivers.compose.project import Project, Service, Variable
from ephemeral_castle.drivers.compose.rules import inside

TELLING = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|PRIVATE_?KEY|API_?KEY", re.IGNORECASE)
IN_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s@]+@", re.IGNORECASE)
SWITCHES = frozenset({"", "yes", "no", "true", "false", "on", "off", "0", "1", "optional", "required"})
WHY = "podman would write it to the machine's disk, and `podman inspect` show it"
REFERENCE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")


def exposed(
    found: Project, secrets: Collection[str], accepted: Collection[str], files: Mapping[str, str], folder: str
) -> Iterator[Finding]:
    """Every variable that carries a secret: an error, or a warning where the layer accepts it.

    Args:
        found: the project.
        secrets: names under `secrets:` of the layer.
        accepted: SERVICE.VARIABLE that the layer accepts.
        files: texts of the project's directory, for `env_file`.
        folder: the project's directory in the repository.
    """
    used: set[str] = set()
    for service in found.services.values():
        for variable in [*service.variables, *_of_files(service, files, folder)]:
            why = reason(variable, secrets)
            if not why:
                continue
            name = f"{service.name}.{variable.name}"
            if name in accepted:
                used.add(name)
                text = f"{why}; accepted by `accept_environment`: {WHY}"
                yield Finding(variable.place, text, error=False)
            else:
                yield Finding(variable.place, f"{why}: {WHY}", _hint(variable, name))
    for name in sorted(set(accepted) - used):
        service_name = name.split(".")[0]
        if service_name in found.services:
            text = f"`accept_environment` names {name}, which carries no secret any more"
            yield Finding(found.services[service_name].place, text, "remove it there", error=False)


def reason(variable: Variable, secrets: Collection[str]) -> str:
    """Why this variable carries a secret, or ""."""
    asked = [name for name in REFERENCE.findall(variable.written) if name in secrets]
    if asked:
        return f"`{variable.name}` would carry the secret `{asked[0]}`"
    if variable.value is None or variable.value.lower() in SWITCHES:
        return ""
    if TELLING.search(variable.name) and not variable.name.upper().endswith("_FILE"):
        return f"`{variable.name}` carries a secret, by its name"
    if IN_ADDRESS.search(variable.value):
        return f"`{variable.name}` carries a password in an address"
    return ""


def _hint(variable: Variable, name: str) -> str:
    secret = next(iter(REFERENCE.findall(variable.written)), variable.name.lower())
    form = f"write `{variable.name}_FILE: /run/secrets/{secret}` and `secrets: [{secret}]`"
    return f"{form}; or, if the program cannot read a file, `accept_environment: [{name}]` in the layer"


def _of_files(service: Service, files: Mapping[str, str], folder: str) -> Iterator[Variable]:
    for path, _, _ in service.env_files:
        clean = inside(path)
        if clean is None or clean not in files:
            continue
        for number, line in enumerate(files[clean].splitlines(), 1):
            for name, value in dotenv(line).items():
                if NAME.fullmatch(name):
                    yield Variable(name, value, Place(f"{folder}/{clean}", number, 1), value)
