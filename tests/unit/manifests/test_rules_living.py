"""No advice may destroy: what is said of a cluster that lives, of one that does not, and where nobody looked."""

from __future__ import annotations

import pytest

from ephemeral_castle.manifests.rules import RULES, find
from ephemeral_castle.manifests.rules.rule import Setting
from ephemeral_castle.model.finding import Finding, Severity
from tests.rules import bed

BIRTHS = {"pgo-born-empty": "PostgresCluster data/db", "cnpg-born-empty": "Cluster web/db"}
MENDED = {"pgo-user-name", "pgo-s3-credentials"}


def told(rule: str, setting: Setting) -> Finding:
    files = bed.texts(bed.HERE / rule / "fails")
    return next(each for each in find(bed.repository(files), setting) if each.rule == rule)


@pytest.mark.parametrize(("rule", "subject"), BIRTHS.items())
class TestBirth:
    """Of a cluster beside an archive that is not empty."""

    def test_is_an_error_only_where_it_is_known_to_be_dead(self, rule, subject):
        severities = [
            told(rule, Setting(living=living)).severity for living in (None, frozenset([subject]), frozenset())
        ]
        assert severities == [Severity.WARNING, Severity.NOTE, Severity.ERROR]

    def test_of_one_that_lives_is_left_alone(self, rule, subject):
        (hint,) = told(rule, Setting(living=frozenset([subject]))).hints
        assert hint.startswith("leave")

    def test_where_nobody_looked_has_the_careful_advice_first(self, rule, subject):
        careful, other = told(rule, Setting()).hints
        assert careful.startswith("if it lives: leave")
        assert other.startswith("only if it was never born, or is dead: ")


@pytest.mark.parametrize("rule", [rule.id for rule in RULES])
def test_only_two_rules_ever_change_a_file(rule):
    files = bed.texts(bed.HERE / rule / "fails")
    changing = {each.rule for each in find(bed.repository(files), bed.setting(bed.HERE / rule / "fails")) if each.edits}
    assert changing == ({rule} & MENDED)
