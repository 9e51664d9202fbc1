"""The programs of this computer that render what castle does not. They are looked for, and run only when needed."""

from __future__ import annotations

import shutil
from pathlib import Path

from ephemeral_castle.cli.wired import wiring
from ephemeral_castle.manifests.ports import Chart, Ports


def ports(root: str) -> Ports:
    """The programs that are installed. `root`: the directory that is read."""

    def kubectl(directory: str) -> str:
        return wiring().rendered(str(Path(root, directory)), None)

    def helm(chart: Chart) -> str:
        return wiring().rendered(root, chart)

    return Ports(kubectl if shutil.which("kubectl") else None, helm if shutil.which("helm") else None)
