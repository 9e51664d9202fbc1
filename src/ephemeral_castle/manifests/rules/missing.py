"""Findings about names that nothing answers to; what the rules of that sort share. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules.contents import target
from ephemeral_castle.manifests.rules.fields import ERROR, UNDECIDED, WARNING, fault
from ephemeral_castle.manifests.rules.references import Reference, references
from ephemeral_castle.manifests.rules.resolving import Answer, Index, Verdict
from ephemeral_castle.manifests.rules.rule import Setting
from ephemeral_castle.model.finding import Finding


def missing(rule: str, kinds: tuple[str, ...], says: str = "") -> Callable[[Repository, Setting], Iterator[Finding]]:
    """A search for references to objects of some kinds that nothing makes.

    Args:
        rule: id of the rule.
        kinds: of the objects that are named.
        says: the real system's words, with `{name}`, `{namespace}` and `{kind}`.
    """

    def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
        index: Index | None = None
        for wanted in references(repository):
            if wanted.kind not in kinds or wanted.optional:
                continue
            index = index or Index(repository, setting)
            answer = index.answer(wanted)
            if answer.verdict is not Verdict.MADE:
                yield _fault(rule, wanted, answer, says, _orphan(repository, wanted))

    return find


def _orphan(repository: Repository, wanted: Reference) -> tuple[str, ...]:
    """What to do where a file that no kustomization holds would make it."""
    for one in repository.orphans:
        made = target(one) if one.kind == "ExternalSecret" and wanted.kind == "Secret" else one.name
        if made == wanted.name and one.kind in (wanted.kind, "ExternalSecret"):
            return (
                f"{one.subject} lies in {one.mark}, which no kustomization holds: add that file to its `resources`",
            )
    return ()


def _fault(rule: str, wanted: Reference, answer: Answer, says: str, orphan: tuple[str, ...]) -> Finding:
    where = f" in namespace {wanted.namespace}" if wanted.namespace else ""
    what = f"{wanted.kind} `{wanted.name}`{where}"
    near = (f"did you mean `{answer.near}`?",) if answer.near else ()
    said = says.format(name=wanted.name, namespace=wanted.namespace, kind=wanted.kind)
    if answer.verdict is Verdict.MISSING:
        hints = (*orphan, *near, f"write a {wanted.kind} of that name, or name one that is there")
        return fault(rule, ERROR, wanted.thing, wanted.path, f"nothing makes {what}", hints=hints, says=said)
    if orphan:
        message = f"nothing that is applied makes {what}, and a file that no kustomization holds would"
        return fault(rule, WARNING, wanted.thing, wanted.path, message, hints=orphan)
    if near:
        message = f"nothing here makes {what}, and `{answer.near}` is there"
        return fault(rule, WARNING, wanted.thing, wanted.path, message, hints=(*near, f"if not: {answer.why}"))
    return fault(rule, UNDECIDED, wanted.thing, wanted.path, f"whether anything makes {what}: {answer.why}")
