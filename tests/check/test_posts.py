"""The manifests of the posts: as printed in the end (posts/printed), and with both errors put back (posts/before)."""

from __future__ import annotations

from pathlib import Path

import pytest

from ephemeral_castle.model.finding import Finding, Severity
from tests.check.checked import Looked, looked

HERE = Path(__file__).parent / "posts"
VERSION = ("api-version-gone", "external-secret.yaml", 1)
# The S3 repository begins at another line where its credentials stand beside it.
PRINTED = {("pgo-born-empty", "cluster.yaml", 28), ("pgo-encryption", "cluster.yaml", 28), VERSION}
BEFORE = {
    ("pgo-user-name", "cluster.yaml", 47),
    ("pgo-s3-credentials", "cluster.yaml", 29),
    ("pgo-born-empty", "cluster.yaml", 25),
    ("pgo-encryption", "cluster.yaml", 25),
    VERSION,
}


@pytest.mark.parametrize(("tree", "expected"), [("printed", PRINTED), ("before", BEFORE)])
def test_each_mistake_of_the_posts_is_told_at_its_line(tree: str, expected: set[tuple[str, str, int]]) -> None:
    found = looked(HERE / tree)
    loud = [each for each in found.findings if each.severity in (Severity.ERROR, Severity.WARNING)]
    assert expected <= {(each.rule, each.mark.file, each.mark.line) for each in loud}


@pytest.mark.parametrize("tree", ["printed", "before"])
def test_no_advice_destroys(tree: str) -> None:
    """dataSource deletes a living cluster's data; encryption cannot come later; retention deletes older backups."""
    found = looked(HERE / tree)
    assert "leave" in _first_hint(found, "pgo-born-empty")
    assert "leave" in _first_hint(found, "pgo-encryption")
    assert "delete" in " ".join(_of(found, "pgo-retention").hints)
    for rule in ("pgo-born-empty", "pgo-encryption", "pgo-retention"):
        assert not _of(found, rule).edits


def _of(found: Looked, rule: str) -> Finding:
    return next(each for each in found.findings if each.rule == rule)


def _first_hint(found: Looked, rule: str) -> str:
    return _of(found, rule).hints[0]
