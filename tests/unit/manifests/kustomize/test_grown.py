"""Any tree is rendered as kubectl renders it, or refused where kubectl refuses it; any bytes are answered."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings

from ephemeral_castle.manifests.kustomize.faults import Broken
from tests.unit.manifests.kustomize.grown import trees
from tests.unit.manifests.kustomize.oracle import Refused, needed, ours, real
from tests.unit.manifests.kustomize.trees import Tree

EXAMPLES = int(os.environ.get("CASTLE_EXAMPLES", "25"))  # each starts kubectl


@needed
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(trees())
def test_a_grown_tree_is_rendered_as_kubectl_renders_it(tree: Tree) -> None:
    try:
        wanted = real(tree)
    except Refused:
        with pytest.raises(Broken):
            ours(tree)
    else:
        assert ours(tree) == wanted
