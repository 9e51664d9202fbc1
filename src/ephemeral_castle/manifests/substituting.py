"""What stops Flux from filling in a value, as a finding. Pure."""

from __future__ import annotations

import re

from ephemeral_castle.manifests.repository import Object
from ephemeral_castle.manifests.substitution import SWITCH, Trouble
from ephemeral_castle.manifests.tree import Map, Seq, text
from ephemeral_castle.model.finding import Finding, Mark, Severity


def told(trouble: Trouble, found: Object, unit: Object) -> Finding:
    """The finding of a text that cannot be filled in.

    Args:
        trouble: what is wrong.
        found: the object it stands in.
        unit: the Kustomization of Flux that applies it.
    """
    rule = "substitution-undefined" if trouble.name else "substitution"
    says = f"post build failed for '{found.kind}/{found.name}': {trouble.says}"
    own = f"$${{{trouble.name or 'NAME'}}}"
    off = f"a shell's own variable is written `{own}`, or the object has the label `{SWITCH}: disabled`"
    hints: tuple[str, ...] = (off,)
    if trouble.name:
        give = f"give `{trouble.name}` a value in {_source(unit)} of {unit.subject} ({unit.mark})"
        hints = (give, f"or a default: `${{{trouble.name}:=value}}`", off)
    return Finding(
        rule, Severity.ERROR, trouble.message, trouble.mark, hints, says, found.subject, trouble.path, found.chain
    )


def line_of(trouble: Trouble, written: str) -> Mark:
    """The line of a variable inside of a text of many lines, which itself begins where it is introduced.

    Args:
        trouble: with the place of the whole value.
        written: the text of its file; "" where it is not known.
    """
    mark, call = trouble.mark, re.compile(rf"\$\{{{re.escape(trouble.name)}(?!\w)")
    lines = written.splitlines()[mark.line - 1 :] if trouble.name and mark.line else []
    for number, line in enumerate(lines, mark.line):
        if number > mark.line and line.strip() and _indent(line) <= _indent(lines[0]):
            break
        if found := call.search(line):
            begin, end = found.span()
            return mark if number == mark.line else Mark(mark.file, number, begin + 1, end - begin + 1, mark.via)
    return mark


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _source(unit: Object) -> str:
    """Where a unit takes its values from: the first ConfigMap that it names, else its own field."""
    spec = unit.manifest.get("spec")
    build = spec.get("postBuild") if isinstance(spec, Map) else None
    sources = build.get("substituteFrom") if isinstance(build, Map) else None
    for each in sources if isinstance(sources, Seq) else ():
        if isinstance(each, Map) and each.get("kind") == "ConfigMap":
            return f"ConfigMap {text(each.get('name'))}, or in `postBuild`"
    return "`postBuild`"
