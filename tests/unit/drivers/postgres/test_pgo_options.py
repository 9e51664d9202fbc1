"""Options of the driver `pgo`: what the operator would refuse later is refused in the definition, with its place."""

from __future__ import annotations

import pytest

from ephemeral_castle.cli import catalog
from ephemeral_castle.definition.load import check_text

TEXT = """\
castle: lab
treasury: {url: "s3://castle/lab", server: here, keys: ./castle.key}
layers:
  machines: {role: ground}
  cluster: {role: foundations, needs: [machines]}
  database: {role: treasures, needs: [cluster]}
sites:
  here:
    layers:
      machines: {driver: podman, machines: {control: {id: 421}, data: {id: 431}}}
      cluster: {driver: kubeadm, control: [control], workers: [data], programs: /opt/kubernetes}
      database:
        driver: pgo
        MORE
"""


def found(**changes: str) -> list[str]:
    """Each finding as `LINE:COLUMN MESSAGE`."""
    options = {"namespace": "data", "databases": "{app: {owner: app}}", "users": "{app: {}}", **changes}
    more = "\n        ".join(f"{key}: {value}" for key, value in options.items() if value)
    findings = check_text(
        TEXT.replace("MORE", more), "castle.yaml", options_of=catalog.options_of, driver_names=catalog.driver_names()
    )
    return [f"{each.line}:{each.col} {each.message}" for each in findings]


def test_the_smallest_is_sound() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"users": "{app: {}, my_user: {}}"}, "12:7 `database`: the operator makes no user `my_user`"),
        ({"users": "{app: {}, postgres: {}}"}, "12:7 `database`: the operator makes no user `postgres`"),
        ({"databases": "{app: {owner: boss}}"}, "12:7 `database`: database `app` is owned by `boss`, which is no user"),
        ({"cluster": "a" * 40}, "a` is too long"),
        ({"life": "flux-system/castle-life"}, "12:7 `database`: `life` is for a tree in Git"),
        ({"by": "git", "life": "castle-life"}, "18:15 `life`: a ConfigMap is named NAMESPACE/NAME"),
        ({"by": "helm"}, "17:13 `by`: unknown value `helm`"),
        ({"namespace": ""}, "12:7 `database` lacks the key `namespace`"),
        ({"node": "data"}, "17:9 unknown key `node`"),
    ],
)
def test_what_cannot_be_is_named_with_its_place(changes: dict[str, str], words: str) -> None:
    said = found(**changes)
    assert len(said) == 1
    assert words in said[0]
