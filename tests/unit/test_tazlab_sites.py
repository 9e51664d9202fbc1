"""The castle of the posts on both of its sites: what differs between them, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from testbed.standins import components, operators

from ephemeral_castle.cli import wiring
from ephemeral_castle.model.castle import Verb

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/tazlab"
TREE = EXAMPLE / "repository"
KUSTOMIZE = "kustomize.config.k8s.io"
# What the two sites have each for themselves.
OWN = {"ConfigMap flux-system/site"}
SITES = ("lab", "home")
WRITTEN = "components.yaml"  # when the demo is made, from the modules of the vendors


def folder(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a directory, as kustomize reads it."""
    listed = yaml.safe_load((path / "kustomization.yaml").read_text())
    for name in listed.get("resources", ()):
        here = path / name
        if here.is_dir():
            yield from folder(here)
        elif here.name != WRITTEN:
            yield from (each for each in yaml.safe_load_all(here.read_text()) if each)


def named(manifest: dict[str, Any]) -> str:
    meta = manifest["metadata"]
    return f"{manifest['kind']} {'/'.join(filter(None, (meta.get('namespace'), meta['name'])))}"


def rendered(site: str) -> dict[str, dict[str, Any]]:
    """All that Flux applies on a site, by kind and name; each unit's objects with the unit's values filled in."""
    found: dict[str, dict[str, Any]] = {}
    for each in folder(TREE / "clusters" / site):
        found[named(each)] = each
        if each["kind"] == "Kustomization":
            unit = each["metadata"]["name"]
            found |= {f"{unit}: {named(one)}": one for one in folder(TREE / each["spec"]["path"])}
    return found


def test_what_differs_between_the_sites_is_the_operators_and_one_configmap() -> None:
    lab, home = rendered("lab"), rendered("home")
    only = {name for name in set(lab) ^ set(home) if not name.startswith("operators:")}
    assert only == OWN
    different = {name for name in set(lab) & set(home) if lab[name] != home[name]}
    assert {name.partition(" ")[0] for name in different} == {"Kustomization"}  # how they are applied, not what
    assert not [name for name in different if name.startswith(("configs:", "blog:", "pages:"))]


def test_units_of_both_sites_apply_the_same_directories_but_for_the_operators() -> None:
    applied = {site: [each.get("spec", {}) for each in folder(TREE / "clusters" / site)] for site in SITES}
    paths = {site: {spec["path"] for spec in specs if "path" in spec} for site, specs in applied.items()}
    assert paths["lab"] ^ paths["home"] == {"./operators/lab", "./operators/home"}


def test_every_value_that_the_shared_directories_want_has_a_home() -> None:
    """Flux takes the later of two ConfigMaps: what castle cannot know of a site stands in `site`."""
    site = next(each for each in folder(TREE / "clusters/home") if each["kind"] == "ConfigMap")
    text = "".join(path.read_text() for name in ("configs", "apps") for path in (TREE / name).rglob("*.yaml"))
    wanted = {part.partition("}")[0] for part in text.split("${")[1:]}
    assert wanted == set(site["data"])
    for each in folder(TREE / "clusters/home"):
        sources = each["spec"].get("postBuild", {}).get("substituteFrom", []) if each["kind"] == "Kustomization" else []
        assert [one["name"] for one in sources] in ([], ["castle-values", "site"])


@pytest.mark.parametrize("verb", [Verb.RAISE, Verb.REBIRTH, Verb.WIPE])
@pytest.mark.parametrize("site", SITES)
def test_each_site_can_be_planned(site: str, verb: Verb) -> None:
    castle = wiring.load_castle(str(EXAMPLE / "castle.yaml"))
    steps = wiring.offline_plan(castle, verb, site, {}).steps
    assert {"cluster", "database"} <= {step.layer for step in steps}
    assert ("machines" in {step.layer for step in steps}) == (site == "lab")


def test_at_home_no_step_raises_or_wipes_the_cluster() -> None:
    castle = wiring.load_castle(str(EXAMPLE / "castle.yaml"))
    for verb in (Verb.RAISE, Verb.REBIRTH, Verb.WIPE):
        mine = [step for step in wiring.offline_plan(castle, verb, "home", {}).steps if step.layer == "cluster"]
        assert [step.action for step in mine] == ["check"]


def test_platform_lists_each_file_that_the_demo_writes_there() -> None:
    """kustomize takes no directory without a kustomization of its own."""
    listed = yaml.safe_load((TREE / "platform/kustomization.yaml").read_text())["resources"]
    crds = sorted(f"crds/{name}.yaml" for name in operators.OPERATORS)
    assert listed == [f"flux/{components.FILE}", *crds]
