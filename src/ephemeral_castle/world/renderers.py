"""`kubectl kustomize` and `helm template` of this computer: they read files, ask no cluster, and print."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence

from ephemeral_castle.manifests.ports import Chart, PortFailed

SECONDS = 60.0
LARGEST = 64 * 1024 * 1024  # characters of what a program prints


def rendered(directory: str, chart: Chart | None) -> str:
    """What kubectl prints of a kustomization, which may fetch remote bases, or helm of a chart below the directory.

    Raises:
        PortFailed: the program refuses, takes longer than a minute, or is not there.
    """
    if chart is None:
        return _printed(["kubectl", "kustomize", directory])
    place = ["--namespace", chart.namespace or "default", "--include-crds", "--values", "-"]
    return _printed(["helm", "template", chart.release, f"{directory}/{chart.path}", *place], json.dumps(chart.values))


def _printed(command: Sequence[str], given: str = "") -> str:
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, timeout=SECONDS, check=False, errors="replace"
        )
    except subprocess.TimeoutExpired:
        raise PortFailed(f"`{' '.join(command[:2])}` took longer than {SECONDS:.0f} s") from None
    except OSError as error:
        raise PortFailed(f"`{command[0]}` cannot be run: {error.strerror}") from None
    if done.returncode:
        raise PortFailed(done.stderr.strip() or f"exit status {done.returncode}")
    if len(done.stdout) > LARGEST:
        raise PortFailed(f"`{' '.join(command[:2])}` printed more than {LARGEST >> 20} MiB")
    return done.stdout
