"""The image of restic: what works on a machine's volume, and on proofs outside the machines."""

from __future__ import annotations

from ephemeral_castle.spi.world import Recipe

# restic 0.14 of Debian 12 knows neither the exit codes 10 to 12 nor `restore --json`; 0.18 of Debian 13 does.
RESTIC = Recipe(
    name="restic",
    suite="trixie",
    packages=("restic", "ca-certificates", "python3"),
    commands=("mkdir -p /data /castle /proof",),
)
