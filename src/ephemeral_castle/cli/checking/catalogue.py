"""Every rule that `castle check` knows, as `castle explain` tells it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from ephemeral_castle.cli.checking.own_rules import OWN
from ephemeral_castle.cli.checking.schema_rules import SCHEMAS
from ephemeral_castle.errors import UsageError
from ephemeral_castle.manifests.rules import RULES
from ephemeral_castle.manifests.rules.examples import EXAMPLES
from ephemeral_castle.model.checked import Explanation


@cache
def catalogue() -> Mapping[str, Explanation]:
    """By id, in the order in which they are listed."""
    met = (Explanation(each.id, each.title, each.why, each.source, *EXAMPLES[each.id]) for each in RULES)
    return {each.id: each for each in (*OWN, *SCHEMAS, *met)}


def explanation(rule: str) -> Explanation:
    """What is known of a rule.

    Raises:
        UsageError: there is none of that id.
    """
    require([rule])
    return catalogue()[rule]


def require(rules: list[str] | tuple[str, ...]) -> None:
    """Raises UsageError where one of the ids is none."""
    from difflib import get_close_matches

    for rule in rules:
        if rule in catalogue():
            continue
        near = get_close_matches(rule, catalogue(), n=1)
        hints = [f"did you mean `{near[0]}`?"] if near else []
        raise UsageError(f"there is no rule `{rule}`", hints=[*hints, "castle explain"])
