"""The stages that look through a repository, one after the other. Each is a function of what was read."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, replace

from ephemeral_castle.cli.checking.reading import Seen
from ephemeral_castle.manifests import rules
from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules.rule import Setting
from ephemeral_castle.manifests.schemas.kubernetes import package, pinned
from ephemeral_castle.model.finding import Finding, Mark, Severity

_LINE = re.compile(r":\d")
_WORD = re.compile(r"(?:^|(?<=[\s(`]))")


@dataclass(frozen=True)
class Situation:
    """What stages may know beside the repository.

    Attributes:
        setting: what rules may know.
        asks: whether a rule of that id is to look.
        seen: the repository as it was read: the schemas that it pins are found by it.
    """

    setting: Setting
    asks: Callable[[str], bool]
    seen: Seen


Stage = Callable[[Repository, Situation], Iterable[Finding]]


def files(repository: Repository, _situation: Situation) -> Iterable[Finding]:
    """What is wrong with the files themselves, found while they were read, and what could not be looked at."""
    return (*repository.faults, *repository.unseen)


def experience(repository: Repository, situation: Situation) -> Iterable[Finding]:
    """What somebody met before: the rules that are asked for."""
    return rules.find(repository, situation.setting, [each for each in rules.RULES if situation.asks(each.id)])


def schemas(repository: Repository, situation: Situation) -> Iterable[Finding]:
    """What the API server would refuse."""
    from ephemeral_castle.cli.checking.schemas import lock_for, schemas_of
    from ephemeral_castle.manifests.schemas.judge import judge

    version, lock = situation.setting.kubernetes, lock_for(situation.seen)
    return (
        *_other_version(version, pinned(lock)),
        *judge(repository.objects, schemas_of(repository, lock, version), version),
    )


def _other_version(wanted: tuple[int, int], held: tuple[int, int] | None) -> Iterator[Finding]:
    """Tells that built-in kinds are judged by another version than that of the manifests."""
    if held not in (None, wanted):
        message = f"built-in kinds are judged as Kubernetes {_dotted(held)} has them, and not {_dotted(wanted)}"
        hints = (f"castle schemas pull {package(wanted)}, which pins that version in place of the other",)
        yield Finding("schema-other-version", Severity.UNDECIDED, message, Mark(""), hints)


def _dotted(version: tuple[int, int] | None) -> str:
    return ".".join(map(str, version or ()))


STAGES: tuple[Stage, ...] = (files, schemas, experience)


def look(seen: Seen, situation: Situation) -> Iterator[Finding]:
    """All findings of all stages, told from where the person stands; a mistake that two stages find is told once."""
    found = [each for stage in STAGES for each in stage(seen.repository, situation) if situation.asks(each.rule)]
    known = {_fault(each) for each in found if not _by_schema(each) and each.severity is Severity.ERROR and each.path}
    for finding in dict.fromkeys(found):
        if not _by_schema(finding) or _fault(finding) not in known:
            yield from_here(finding, seen.prefix, seen.repository.texts)


def _by_schema(finding: Finding) -> bool:
    """Whether it says no more than the API server would."""
    return finding.rule.startswith("schema-")


def _fault(finding: Finding) -> tuple[Mark, str, str]:
    return finding.mark, finding.subject, finding.path


def from_here(finding: Finding, prefix: str, files: Container[str]) -> Finding:
    """A finding whose paths begin where the person stands, those in its words too. `files`: of the repository."""
    if not prefix and finding.mark.file.isprintable():
        return finding
    edits = tuple(replace(each, mark=_below(each.mark, prefix)) for each in finding.edits)
    chain = tuple(_below(each, prefix) for each in finding.chain)
    message, *hints = (_told(text, prefix, files) for text in (finding.message, *finding.hints))
    mark = _below(finding.mark, prefix)
    return replace(finding, message=message, mark=mark, hints=tuple(hints), chain=chain, edits=edits)


def _told(text: str, prefix: str, files: Container[str]) -> str:
    """Words in which each place, `file:line`, begins where the person stands."""
    for colon in reversed([each.start() for each in _LINE.finditer(text)]):
        begins = (each.start() for each in _WORD.finditer(text) if each.start() < colon)
        begin = next((each for each in begins if text[each:colon] in files), None)
        if begin is not None:
            text = text[:begin] + named(text[begin:colon], prefix) + text[colon:]
    return text


def _below(mark: Mark, prefix: str) -> Mark:
    via = _below(mark.via, prefix) if mark.via else None
    return mark._replace(file=named(mark.file, prefix) if mark.file else "", via=via)


def named(path: str, prefix: str) -> str:
    """A path of a repository as the person would name it; bytes in it that are no text become `?`."""
    return (f"{prefix.rstrip('/')}/{path}" if prefix else path).encode(errors="replace").decode()
