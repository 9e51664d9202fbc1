"""Images of stand-ins: under the vendor's name, with a title that says what they are."""

from __future__ import annotations

import tarfile

import pytest
from testbed.kubernetes import contents, debian, standins
from testbed.kubernetes.images import tar_names

pytestmark = pytest.mark.evidence("stand-in", "pgo", "external-secrets", "source-controller")


@pytest.fixture
def _small_roots(monkeypatch, tmp_path):
    """Debian's packages are a file each: nothing is fetched."""
    archive = tmp_path / "root.tar"
    with tarfile.open(archive, "w"):
        pass
    monkeypatch.setattr(debian.Root, "ensure", lambda _: archive)


@pytest.mark.usefixtures("_small_roots")
@pytest.mark.parametrize("each", standins.STANDINS, ids=lambda each: each.name)
def test_the_title_says_that_it_is_a_stand_in(each):
    image = each.image()
    assert image.labels["org.opencontainers.image.title"].startswith("stand-in for ")
    assert image.name == each.reference
    assert image.user


@pytest.mark.usefixtures("_small_roots")
def test_the_operators_image_holds_its_program_and_what_it_shares():
    names = tar_names(standins.BY_NAME["pgo"].image().layers[-1])
    for path in ("api.py", "execs.py", "work.py", "pgo/__main__.py", "pgo/scripts/restore.sh"):
        assert f"{standins.PACKAGES}/standins/{path}" in names
    assert not [each for each in names if "external_secrets" in each or each.endswith(".pyc")]


def test_no_two_images_lie_under_one_path():
    contents.apart(contents.references())


def test_a_root_without_patterns_keeps_the_name_that_it_had():
    """What other roots leave out makes nobody fetch packages again."""
    plain = debian.Root(("nftables", "conntrack"))
    assert plain.target.name == debian.Root(("nftables", "conntrack"), debian.SUITE, ()).target.name
    assert plain.target.name != debian.Root(("nftables", "conntrack"), "trixie").target.name
    assert plain.target.name != debian.Root(("nftables", "conntrack"), without=("usr/bin/*",)).target.name
