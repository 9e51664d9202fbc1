"""A rule of `castle check` as `castle explain` tells it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from ephemeral_castle.model.checked import Explanation
from ephemeral_castle.views.paint import PLAIN, Paint
from ephemeral_castle.views.table import columns

_WIDTH = 100


def explained_text(rule: Explanation, paint: Paint = PLAIN) -> str:
    """Everything about a rule."""
    blocks = [f"{paint.strong(rule.id)}: {rule.title}", textwrap.fill(rule.why, _WIDTH)]
    blocks += [f"known from  {rule.source}"] if rule.source else []
    for head, example in (("fails", rule.fails), ("passes", rule.passes)):
        if example:
            blocks.append(f"{paint.strong(head)}\n{textwrap.indent(example.rstrip(), '  ')}")
    blocks.append(f"to live with one finding: `# castle:ignore {rule.id} REASON` on its line or the line above")
    return "\n\n".join(blocks)


def rules_text(rules: Sequence[Explanation]) -> str:
    """All rules, a line each."""
    return "\n".join([*columns([rule.id, rule.title] for rule in rules), "", "next: `castle explain RULE`"])
