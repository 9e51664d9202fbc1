"""The configuration files of a podman that touches nothing of the computer's own.

Sources: containers.conf(5), containers-storage.conf(5) of podman 4.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# A computer without CAP_SYS_RESOURCE cannot raise limits, and podman's defaults are above what it inherits.
ULIMITS = '"nofile=1024:1024", "nproc=4096:4096"'


@dataclass(frozen=True)
class PodmanRoot:
    """Where one podman keeps its things.

    Attributes:
        graph: images, layers, volumes (on disk).
        run: locks, state of running containers (in memory).
        config: where the two configuration files are.
        networks: definitions of its networks; None where it has none. Podman makes the directory all the same, and
            without a place of its own it is the computer's.
        shared: image store of others that it may read, or None.
        events: "file" or "none".
    """

    graph: Path
    run: Path
    config: Path
    networks: Path | None = None
    shared: Path | None = None
    events: str = "file"

    @property
    def _networks(self) -> Path:
        return self.networks or self.run / "networks"

    @property
    def environment(self) -> dict[str, str]:
        """What makes podman read the two files instead of those of the computer."""
        return {
            "CONTAINERS_CONF": str(self.config / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.config / "storage.conf"),
        }

    def command(self, *args: str) -> list[str]:
        """A podman command line; `env` stands in it, so that no caller can hit the computer's own storage."""
        return ["env", *(f"{key}={value}" for key, value in self.environment.items()), "podman", *args]

    def containers_conf(self) -> str:
        """The text of containers.conf.

        The default lock type is one segment of shared memory for all podmans of a computer, and the first start of
        any of them frees everybody's locks; file locks lie below `tmp_dir` and are this podman's own.
        """
        lines = [
            "[containers]",
            f"default_ulimits = [{ULIMITS}]",
            "[engine]",
            'runtime = "runc"',
            'cgroup_manager = "cgroupfs"',
            f'events_logger = "{self.events}"',
            'lock_type = "file"',
            f'static_dir = "{self.graph}/libpod"',
            f'volume_path = "{self.graph}/volumes"',
            f'tmp_dir = "{self.run}/libpod"',
            "[network]",
            'network_backend = "netavark"',
            f'network_config_dir = "{self._networks}"',
        ]
        return "\n".join(lines) + "\n"

    def storage_conf(self) -> str:
        """The text of storage.conf."""
        lines = [
            "[storage]",
            'driver = "overlay"',
            f'graphroot = "{self.graph}"',
            f'runroot = "{self.run}/storage"',
        ]
        if self.shared is not None:
            lines += ["[storage.options]", f'additionalimagestores = ["{self.shared}"]']
        return "\n".join(lines) + "\n"

    def write(self) -> None:
        """Creates the directories and writes the two files."""
        for directory in (self.graph, self.run, self.config, self._networks):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.shared is not None:
            self.shared.mkdir(parents=True, exist_ok=True)
        (self.config / "containers.conf").write_text(self.containers_conf())
        (self.config / "storage.conf").write_text(self.storage_conf())
