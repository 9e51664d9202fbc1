"""The manifests that the posts print, as printed, and as they were before their author found both errors."""

from __future__ import annotations

import pytest

from ephemeral_castle.manifests.rules import find
from ephemeral_castle.manifests.rules.rule import Setting
from ephemeral_castle.model.finding import Finding, Severity
from tests.rules import bed
from tests.rules.mending import mended

SUBJECT = "PostgresCluster tazlab-db/tazlab-db"
FILES = bed.texts(bed.HERE / "posts")
UNKNOWN, ALIVE, DEAD = Setting(), Setting(living=frozenset([SUBJECT])), Setting(living=frozenset())


def found(*names: str, setting: Setting = UNKNOWN) -> list[Finding]:
    return list(find(bed.repository({name: FILES[name] for name in names}), setting))


def one(rule: str, *names: str, setting: Setting = UNKNOWN) -> Finding:
    (only,) = (each for each in found(*names, setting=setting) if each.rule == rule)
    return only


def test_the_first_error_as_the_server_says_it():
    error = one("pgo-user-name", "first_attempt.yaml")
    assert error.severity is Severity.ERROR
    assert FILES["first_attempt.yaml"].splitlines()[error.mark.line - 1] == "    - name: tazlab_admin"
    assert (error.mark.column, error.path) == (13, "spec.users[1].name")
    assert error.says == (
        'spec.users[1].name: Invalid value: "tazlab_admin": spec.users[1].name in body '
        "should match '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'"
    )


def test_the_second_error_as_flux_says_it():
    error = one("pgo-s3-credentials", "first_attempt.yaml", "secret.yaml")
    assert FILES["first_attempt.yaml"].splitlines()[error.mark.line - 1] == "        s3Credentials:"
    assert error.says == (
        'PostgresCluster dry-run failed: .spec.backups.pgbackrest.repos[name="repo1"].s3Credentials: '
        "field not declared in schema"
    )


def test_both_errors_mend_to_what_the_post_ends_with():
    files = {"first_attempt.yaml": FILES["first_attempt.yaml"], "secret.yaml": FILES["secret.yaml"]}
    wrong = [each for each in found(*files) if each.edits]
    assert {each.rule for each in wrong} == {"pgo-user-name", "pgo-s3-credentials"}
    assert mended(files, wrong)["first_attempt.yaml"] == FILES["cluster.yaml"]


@pytest.mark.parametrize(
    ("setting", "severity"), [(UNKNOWN, Severity.WARNING), (ALIVE, Severity.NOTE), (DEAD, Severity.ERROR)]
)
def test_the_birth_beside_a_repository(setting, severity):
    birth = one("pgo-born-empty", "cluster.yaml", "secret.yaml", setting=setting)
    assert (birth.severity, birth.mark.line) == (severity, 28)
    assert FILES["cluster.yaml"].splitlines()[27].strip() == "s3:"
    assert birth.edits == ()


def test_no_advice_destroys_a_living_cluster():
    for each in found("cluster.yaml", "secret.yaml", setting=ALIVE):
        assert not any(hint.startswith(("write `spec.dataSource", "if the repository holds")) for hint in each.hints)
        if each.rule in ("pgo-born-empty", "pgo-encryption"):
            assert each.hints[0].startswith("leave")
            assert len(each.hints) == 1
            assert each.edits == ()


def test_where_nobody_looked_the_careful_advice_comes_first():
    for rule in ("pgo-born-empty", "pgo-encryption"):
        careful, other = one(rule, "cluster.yaml", "secret.yaml").hints
        assert careful.startswith("if it lives: leave")
        assert other.startswith("only if it was never born, or is dead: ")


def test_the_missing_encryption():
    missing = one("pgo-encryption", "cluster.yaml", "secret.yaml")
    assert (missing.severity, missing.mark.line) == (Severity.WARNING, 28)


def test_encryption_that_may_hide_in_a_secret_is_not_denied():
    assert one("pgo-encryption", "cluster.yaml").severity is Severity.UNDECIDED
