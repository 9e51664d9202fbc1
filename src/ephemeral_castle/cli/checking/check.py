"""`castle check` as a whole: reads, looks stage by stage, leaves out what has a reason, and answers."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ephemeral_castle.cli.checking import baseline, stages
from ephemeral_castle.cli.checking.asked import Asked
from ephemeral_castle.cli.checking.catalogue import catalogue, require
from ephemeral_castle.cli.checking.ignoring import without_ignored
from ephemeral_castle.cli.checking.masks import Masks, redacted, secrets_of
from ephemeral_castle.cli.checking.nothing import nothing_below, nothing_in
from ephemeral_castle.cli.checking.reading import INPUT, Seen, committed, single, tree
from ephemeral_castle.cli.checking.schemas import lock_for
from ephemeral_castle.cli.checking.targets import DEFINITION, Targets, targets
from ephemeral_castle.manifests.rules.rule import Setting
from ephemeral_castle.manifests.schemas.kubernetes import NAME as PACKAGE
from ephemeral_castle.manifests.schemas.kubernetes import pinned
from ephemeral_castle.model.checked import Checked, ordered
from ephemeral_castle.model.finding import Finding, Mark, Severity

if TYPE_CHECKING:
    from ephemeral_castle.model.castle import Castle


NEWEST = Setting().kubernetes  # version that castle knows
_PULL = f"castle schemas pull {PACKAGE}"


@dataclass(frozen=True)
class Answer:
    """What was found.

    Attributes:
        checked: for the screen.
        texts: of the files, by the name that findings give them.
        kept: all findings, those of the baseline too.
        looked: the paths that were named or found.
    """

    checked: Checked
    texts: Mapping[str, str]
    kept: tuple[Finding, ...]
    looked: tuple[str, ...]


@dataclass
class _Looking:
    """One check while it goes on."""

    asked: Asked
    findings: list[Finding] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    looked: list[str] = field(default_factory=list)
    objects: int = 0
    world: bool | None = None
    looks: int = 0
    setting: Setting | None = None

    def asks(self, rule: str) -> bool:
        """Whether a rule is to look."""
        return rule not in self.asked.without and (not self.asked.only or rule in self.asked.only)

    def manifests(self, seen: Seen, name: str) -> None:
        """Runs all stages over a repository."""
        setting = self.setting or Setting(self.asked.kubernetes or pinned(lock_for(seen)) or NEWEST)
        situation = stages.Situation(setting, self.asks, seen)
        self.findings += stages.look(seen, situation)
        self.texts.update({stages.named(path, seen.prefix): text for path, text in seen.repository.texts.items()})
        self.objects += len(seen.repository.objects)
        self.looked.append(name)

    def castles(self, seen: Seen, name: str) -> None:
        """The same over the manifests of a castle's repository."""
        self.manifests(seen, name)
        self.findings += nothing_below(seen.repository, name, named=False)


def check(asked: Asked) -> Answer:
    """Looks at all that was asked for.

    Raises:
        UsageError: a path, a rule or the baseline is none. DefinitionInvalid: castle.yaml cannot be read at all.
    """
    require([*asked.only, *asked.without])
    entries = baseline.read(asked.baseline) if asked.baseline else []
    looking, wanted = _Looking(asked), targets(asked.paths, asked.file)
    _look(looking, wanted)
    ran = [rule for rule in catalogue() if looking.asks(rule)]
    found, ignored = without_ignored(looking.findings, looking.texts, catalogue(), ran)
    kept = tuple(each for each in found if looking.asks(each.rule))
    left, known = baseline.without_known(kept, entries, asked.baseline, ran, looking.texts, wanted.paths)
    checked = _checked(looking, [each for each in left if looking.asks(each.rule)])
    return Answer(_with(checked, ignored=ignored, known=known), looking.texts, kept, wanted.paths)


def _look(looking: _Looking, wanted: Targets) -> None:
    if wanted.definition:
        _definition(looking, wanted)
    for path in wanted.trees:
        seen = tree(path, offline=looking.asked.offline)
        looking.manifests(seen, path)
        named = wanted.named and wanted.definition != str(Path(path, DEFINITION))
        looking.findings += nothing_below(seen.repository, path, named=named)
    if wanted.files or wanted.stdin:
        names = [*wanted.files, *(["standard input"] if wanted.stdin else [])]
        given = sys.stdin.buffer.read() if wanted.stdin else None
        seen = single(wanted.files, given)
        looking.manifests(seen, ", ".join(names[:3]) + (" ..." if len(names) > 3 else ""))
        looking.findings += nothing_in(seen.repository, (*wanted.files, *([INPUT] if wanted.stdin else [])))


def _definition(looking: _Looking, wanted: Targets) -> None:
    from ephemeral_castle.cli.checking.defined import RULE, defined

    found = defined(wanted.definition)
    looking.looked.append(wanted.definition)
    looking.texts[wanted.definition] = found.text
    if looking.asks(RULE):
        looking.findings += found.findings
    if found.castle is not None:
        _castle(looking, found.castle, wanted)


def _castle(looking: _Looking, castle: Castle, wanted: Targets) -> None:
    """The manifests of its repository, unless others were named, and the world."""
    from ephemeral_castle.cli.checking.defined import local_tree, remote, site_of
    from ephemeral_castle.cli.checking.surroundings import setting_of

    site, beside = site_of(castle, looking.asked.site), str(Path(wanted.definition).parent)
    alone = not wanted.trees and not wanted.files and not wanted.stdin
    lies = local_tree(castle) if alone else ""
    away = remote(castle) if alone and not lies else ""
    looking.world = not looking.asked.offline and looking.asks("world")
    heard = None
    if looking.world:
        from ephemeral_castle.cli.checking.world import listen

        found, heard = listen(castle, site, wanted.definition, tree=bool(away))
        looking.findings += found
        looking.looks = len(heard.checks)
    looking.setting = setting_of(site, heard.living if heard else None, looking.asked.kubernetes)
    if lies:
        looking.castles(tree(lies, offline=looking.asked.offline), lies)
    elif heard is not None and heard.tree is not None:
        looking.castles(committed(heard.tree, away, beside), away)
    elif away and looking.asks("repository-unread"):
        message = f"the manifests of {away}: nobody fetched them"
        hints = ("castle check, without --offline",) if looking.asked.offline else ()
        looking.findings.append(Finding("repository-unread", Severity.UNDECIDED, message, Mark(""), hints))


def _checked(looking: _Looking, findings: Iterable[Finding]) -> Checked:
    masks = {}
    for each in findings:
        file = each.mark.file
        if file in looking.texts and file not in masks:
            masks[file] = Masks(looking.texts[file], definition=file in looking.looked)
    secrets = secrets_of(looking.texts.values())
    told = ordered([redacted(each, secrets) for each in findings])
    sure = tuple(each for each in told if each.severity is not Severity.UNDECIDED)
    undecided = tuple(each for each in told if each.severity is Severity.UNDECIDED)
    return Checked(
        looked=tuple(looking.looked),
        findings=sure,
        undecided=undecided,
        lines=dict(_lines(sure, masks)),
        counts={"file": len(looking.texts), "object": looking.objects, "look": looking.looks},
        rules={each.rule: catalogue()[each.rule] for each in told if each.rule in catalogue()},
        world=looking.world,
        next=_next(sure, undecided),
    )


def _next(findings: Iterable[Finding], undecided: Iterable[Finding]) -> str:
    """The command that leads on: what lets built-in kinds be judged, then the mend, else what explains the worst."""
    pulls = (hint.partition(", ")[0] for each in undecided for hint in each.hints if hint.startswith(_PULL))
    if pull := next(pulls, ""):
        return pull
    found = list(findings)
    if any(each.edits for each in found):
        return "castle check --fix, with the same paths"
    return f"castle explain {found[0].rule}" if found else ""


def _lines(findings: Iterable[Finding], masks: Mapping[str, Masks]) -> Iterator[tuple[tuple[str, int], str]]:
    for each in findings:
        if each.mark.file in masks and each.mark.line:
            yield (each.mark.file, each.mark.line), masks[each.mark.file].line(each.mark.line)


def _with(checked: Checked, *, ignored: int, known: int) -> Checked:
    from dataclasses import replace

    return replace(checked, ignored=ignored, known=known)
