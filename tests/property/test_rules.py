"""No manifest makes a rule fall: wherever a value is of another kind than it should be, the rule looks past it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ephemeral_castle.manifests.repository import Object, Repository, Unit
from ephemeral_castle.manifests.rules import RULES, find
from ephemeral_castle.manifests.rules.rule import Setting
from ephemeral_castle.manifests.tree import Map, Seq, copied
from tests.rules import bed

TREES = [
    bed.repository(bed.texts(bed.HERE / rule.id / side)) for rule in RULES for side in ("fails", "passes")
]  # whole repositories, each with what its rule looks for
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 1.5, "", "x", "${X}", "a/b:c", "\n", "192.0.2.1-", [], {}, [None], [[]], ["x", 1]]
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values."""
    inner = value.items() if isinstance(value, Map) else enumerate(value) if isinstance(value, Seq) else ()
    for key, below in inner:
        yield (*path, key)
        yield from places(below, (*path, key))


def odd(value: Any) -> Any:
    """A value as the reader would give it."""
    if isinstance(value, list):
        made = Seq()
        for each in value:
            made.add(odd(each), made.begin)
        return made
    return Map() if isinstance(value, dict) else value


@given(st.sampled_from(TREES), st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_no_manifest_makes_a_rule_fall(tree, data):
    changed = []
    for thing in tree.objects:
        manifest = copied(thing.manifest)
        for _ in range(data.draw(st.integers(0, 3))):
            paths = [path for path in places(manifest) if path not in (("apiVersion",), ("kind",))]
            path = data.draw(st.sampled_from(paths or [("metadata",)]))
            parent: Any = manifest
            for step in path[:-1]:
                parent = parent[step]
            parent[path[-1]] = odd(data.draw(ODD))
        changed.append(Object(manifest, thing.chain, thing.root, thing.unit))
    units = tuple(
        Unit(one, next((unit.path for unit in tree.units if unit.object.mark == one.mark), ""))
        for one in changed
        if one.kind == "Kustomization"
    )
    charts = tuple(one for one in changed if one.kind == "HelmRelease")
    repository = Repository(tuple(changed), units, tree.faults, charts, tree.texts, tree.orphans)
    for found in find(repository, Setting(nodes=2)):
        assert found.message
        assert "\n" not in found.mark.file
