"""To move an object between Kustomizations can delete it: with `prune: true` the one that loses it does so."""

from __future__ import annotations

import re

from ephemeral_castle.manifests.rules import RULES, find
from ephemeral_castle.manifests.rules.living import MOVED
from tests.rules import bed

MOVES = re.compile(r"\bmove\b.* into a Kustomization|goes into a Kustomization|let one Kustomization have it")


def test_advice_to_move_an_object_says_first_how_it_survives() -> None:
    """A PostgresCluster that moves out of its operator's Kustomization would be deleted with its volumes."""
    advised = set()
    for rule in RULES:
        tree = bed.HERE / rule.id / "fails"
        for each in find(bed.repository(bed.texts(tree)), bed.setting(tree), [rule]):
            if any(MOVES.search(hint) for hint in each.hints):
                assert MOVED in each.hints, f"{rule.id}: {each.hints}"
                advised.add(rule.id)
    assert {"crd-beside-operator", "needs-cycle", "two-owners", "wait-heavy"} <= advised
