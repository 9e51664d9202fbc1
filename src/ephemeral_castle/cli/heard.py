"""What the world said to `castle check`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ephemeral_castle.spi.driver import Check


@dataclass(frozen=True)
class Heard:
    """Everything at once.

    Attributes:
        checks: a line for each look.
        tree: the files of the repository's revision, by path; None where it was not asked for or cannot be had.
        living: subjects ("PostgresCluster tazlab/db") that stand in the cluster; None: nobody could look.
    """

    checks: Sequence[Check] = ()
    tree: Mapping[str, bytes] | None = None
    living: frozenset[str] | None = None
