"""A home lab with 30 mistakes and 30 look-alikes of them (homelab/): each mistake is found on its line, no more.

The definitions of the vendors' kinds, and those of Kubernetes, are no part of this repository: without them some of the
mistakes cannot be seen, and their tests are skipped.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ephemeral_castle.model.finding import Finding, Severity
from tests.check.checked import CRDS, OPERATORS, Looked, kubernetes, looked, pull
from tests.check.marks import marks

HERE = Path(__file__).parent / "homelab"
LOUD = (Severity.ERROR, Severity.WARNING)
PLANTED = marks(HERE, "planted")
FINE = marks(HERE, "fine")
BY_CRDS = {3, 5}  # nobody but the vendors' schemas sees these
BY_KUBERNETES = {4, 14}  # nor these but the schemas of Kubernetes
UNDECIDED = {
    "chart-not-rendered": 7,
    "secret-missing": 3,  # of Flux' bootstrap, and the key of sops
    "storage-class-missing": 4,  # the chart of Longhorn makes it
    "volume-replicas": 2,  # how many nodes there are
}
VALUES = {"schema-invalid": 1}  # where the built-in kinds are known: what a Secret holds is encrypted


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looked]:
    """What is found in a copy, with every schema that there is on this computer."""
    tree = tmp_path_factory.mktemp("lab") / "homelab"
    shutil.copytree(HERE, tree)
    openapi = kubernetes()
    sources = [CRDS / each for each in OPERATORS if CRDS.is_dir()] + ([openapi] if openapi else [])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CASTLE_SCHEMAS", str(tmp_path_factory.mktemp("schemas")))
        if sources:
            pull(tree, sources)
        yield looked(tree)


def test_there_are_thirty_of_each() -> None:
    assert sorted(PLANTED) == list(range(1, 31))
    assert sorted(FINE) == list(range(1, 31))


@pytest.mark.parametrize("number", sorted(PLANTED))
def test_a_planted_mistake_is_found_on_its_line(home: Looked, number: int) -> None:
    if number in BY_CRDS and not CRDS.is_dir():
        pytest.skip(f"the definitions of the vendors' kinds are not in {CRDS}")
    if number in BY_KUBERNETES and kubernetes() is None:
        pytest.skip("the OpenAPI of Kubernetes 1.36 is not among the Go modules here")
    loud = {(each.mark.file, each.mark.line) for each in home.findings if each.severity in LOUD}
    assert loud & PLANTED[number], f"nothing is said of {sorted(PLANTED[number])}"


def test_nothing_else_is_found(home: Looked) -> None:
    known = set[tuple[str, int]]().union(*PLANTED.values())
    others = [each for each in home.findings if each.severity in LOUD and (each.mark.file, each.mark.line) not in known]
    assert [_told(each) for each in others] == []


def test_each_mistake_is_told_once(home: Looked) -> None:
    places = Counter((each.mark.file, each.mark.line) for each in home.findings if each.severity in LOUD)
    assert [place for place, count in places.items() if count > 1] == []


def test_what_was_not_looked_into_is_counted(home: Looked) -> None:
    counted = Counter(each.rule for each in home.undecided)
    if not CRDS.is_dir():
        assert counted["schema-unknown-kind"]
        return
    if kubernetes() is None:
        assert counted.pop("schema-unknown-kind")
        assert counted == UNDECIDED
    else:
        assert counted == {**UNDECIDED, **VALUES}


def _told(each: Finding) -> str:
    return f"{each.mark}: {each.severity}: {each.message} [{each.rule}]"
