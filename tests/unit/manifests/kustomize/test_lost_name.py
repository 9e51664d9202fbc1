"""A patch that takes an object's name away is refused: kustomize panics there."""

from __future__ import annotations

import pytest

from ephemeral_castle.manifests.kustomize.faults import Broken
from tests.unit.manifests.kustomize import trees
from tests.unit.manifests.kustomize.oracle import Refused, needed, ours, real

TREE = trees.tree(
    "namePrefix: a-\npatches:\n- path: p.yaml\n  target: {kind: Service}\n", p="- {op: remove, path: /metadata/name}\n"
)


@needed
def test_kustomize_panics() -> None:
    with pytest.raises(Refused, match="number of previous names"):
        real(TREE)


def test_an_object_that_lost_its_name_is_refused() -> None:
    with pytest.raises(Broken, match="lost its name"):
        ours(TREE)
