"""What one machine is handed: the project, what castle puts beside it, and the order of its services. Pure."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from ephemeral_castle.drivers.compose import rules
from ephemeral_castle.drivers.compose.project import SECRETS, Project, Service
from ephemeral_castle.spi.world import File

LABEL = "castle.files"


@dataclass(frozen=True)
class Parcel:
    """All that a machine needs for one project.

    Attributes:
        sha: commit that it comes from.
        project: as it was read, with the values of this life.
        file: name of the Compose file.
        files: of the project's directory in the repository.
        secrets: file -> content.
        images: image as the Compose file names it -> reference that the machine's store has.
        values: variables for interpolation.
        grace: seconds to end.
    """

    sha: str
    project: Project
    file: str
    files: Mapping[str, File]
    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    images: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    grace: int = 10

    def request(self, tool: str, limit: float = 0.0) -> dict[str, Any]:
        """What the hand on the machine is told; no secret is in it."""
        jobs = self.project.jobs
        return {
            "digest": self.digest(tool),
            "tool": tool,
            "sha": self.sha,
            "file": self.file,
            "project": self.project.name,
            "grace": self.grace,
            "limit": limit,
            "services": {
                name: {
                    "after": service.after,
                    "job": name in jobs,
                    "reads": sorted(f"{SECRETS}/{file}" for file in asked(self.project, service, self.secrets)),
                    "start_interval": service.start_interval,
                }
                for name, service in self.project.services.items()
            },
        }

    def digest(self, tool: str) -> str:
        """Of everything. It covers secrets, so it is kept in memory only, on both sides."""
        body = hashlib.sha256(tool.encode())
        for path, content, mode, uid, gid in sorted(self.contents()):
            body.update(json.dumps([path, mode, uid, gid, len(content)]).encode())
            body.update(content)
        return body.hexdigest()

    def contents(self) -> list[tuple[str, bytes, int, int, int]]:
        """Path, content, mode, owner, group of every file."""
        found = [
            (f"project/{path}", file.content, 0o755 if file.mode & 0o111 else 0o644, 0, 0)
            for path, file in self.files.items()
        ]
        owners = self._owners()
        for name, content in self.secrets.items():
            uid, gid, mode = owners.get(f"{SECRETS}/{name}", (0, 0, 0o400))
            found.append((f"project/{SECRETS}/{name}", content, mode, uid, gid))
        found.append(("beside/override.yaml", self.override(), 0o600, 0, 0))
        found.append(("beside/env", self.environment(), 0o600, 0, 0))
        return found

    def _owners(self) -> dict[str, tuple[int, int, int]]:
        found: dict[str, tuple[int, int, int]] = {}
        for service in self.project.services.values():
            for grant in service.secrets:
                path = rules.inside(self.project.secrets[grant.name]) or ""
                found[path] = rules.owner(service, grant.uid, grant.gid, grant.mode)
        return found

    def override(self) -> bytes:
        """The second Compose file: images by what was built or pulled, and what podman-compose cannot do itself."""
        services: dict[str, Any] = {}
        for name, service in self.project.services.items():
            mine: dict[str, Any] = {"image": self.images.get(service.image, service.image), "pull_policy": "never"}
            label = self._label(service)
            if label:
                mine["labels"] = {LABEL: label}
            binds = [
                f"./{rules.inside(self.project.configs[grant.name])}:{grant.target}:ro" for grant in service.configs
            ]
            if binds:  # podman-compose 1.6 passes over `configs`
                mine["volumes"] = binds
            services[name] = mine
        text = json.dumps({"services": services}, indent=1)  # JSON is YAML
        return self._without_start_interval(text).encode()

    def _without_start_interval(self, text: str) -> str:
        """Podman 4.3 does not know it; castle asks at that pace itself."""
        names = [name for name, service in self.project.services.items() if service.start_interval]
        body: dict[str, Any] = json.loads(text)
        for name in names:
            body["services"][name]["healthcheck"] = {"start_interval": "@reset@"}
        return json.dumps(body, indent=1).replace('"@reset@"', "!reset null")

    def _label(self, service: Service) -> str:
        """A digest of the files that the service reads: another one lets podman-compose make it anew."""
        paths = {rules.inside(path) for path, _, _ in service.env_files}
        paths |= {rules.inside(self.project.configs[grant.name]) for grant in service.configs}
        paths |= {rules.inside(mount.source) for mount in service.mounts if mount.kind == "bind"}
        wanted = sorted(name for name in self.files for path in paths if path is not None and _below(name, path))
        if not wanted:
            return ""
        body = hashlib.sha256()
        for name in dict.fromkeys(wanted):
            body.update(f"{name}\0{len(self.files[name].content)}\0".encode() + self.files[name].content)
        return body.hexdigest()[:16]

    def environment(self) -> bytes:
        """Variables for interpolation, as an `.env` file."""
        return "".join(f"{name}={_quoted(value)}\n" for name, value in sorted(self.values.items())).encode()

    def archive(self, tool: bytes = b"") -> bytes:
        """All of it, and podman-compose where the machine does not have it."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            extra = [("tool", tool, 0o600, 0, 0)] if tool else []
            for path, content, mode, uid, gid in [*self.contents(), *extra]:
                entry = tarfile.TarInfo(path)
                entry.size, entry.mode, entry.uid, entry.gid = len(content), mode, uid, gid
                tar.addfile(entry, io.BytesIO(content))
        return buffer.getvalue()


def _below(name: str, path: str) -> bool:
    return path in ("", name) or name.startswith(f"{path}/")


def _quoted(value: str) -> str:
    """In single quotes nothing is replaced but these two."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def asked(project: Project, service: Service, files: Collection[str]) -> set[str]:
    """Which of the layer's secret files a service sees: declared as its secret or config, or mounted by itself."""
    paths = {rules.inside(project.secrets.get(grant.name, "/")) for grant in service.secrets}
    paths |= {rules.inside(project.configs.get(grant.name, "/")) for grant in service.configs}
    paths |= {rules.inside(mount.source) for mount in service.mounts if mount.kind == "bind"}
    whole = bool({SECRETS, ""} & paths)
    return {file for file in files if whole or f"{SECRETS}/{file}" in paths}
