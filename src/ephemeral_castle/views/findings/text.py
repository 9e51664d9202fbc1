"""The answer of `castle check` for people: by file, the worst first, what to do last."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from textwrap import wrap

from ephemeral_castle.model.checked import Checked
from ephemeral_castle.model.excerpt import excerpt
from ephemeral_castle.model.finding import Finding, Mark, Severity
from ephemeral_castle.views.paint import PLAIN, Paint
from ephemeral_castle.views.words import Sign, clean, count, hint

_SIGNS = {Severity.ERROR: Sign.FAILED, Severity.WARNING: Sign.WARNING, Severity.NOTE: Sign.INFO}
_INDENT = "    "
_NAMED = 3  # of what was not looked into, by rule
_LABEL = re.compile(r" +(hint: |says +|in +|from +|included by )")
_NARROWEST = 40  # columns


def checked_text(checked: Checked, paint: Paint = PLAIN, width: int = 0) -> str:
    """The whole screen.

    Args:
        checked: the answer.
        paint: colour, or none.
        width: columns of the terminal, in which words and hints are broken; 0: lines stay whole, for who searches them.
    """
    blocks = []
    for file, findings in groupby(checked.findings, key=lambda each: each.mark.file):
        blocks.append(paint.strong(clean(file) or "the world"))
        blocks += ["\n".join(_broken(_finding(each, checked, paint), width)) for each in findings]
    blocks += ["\n".join(_broken(_undecided(checked, paint), width))] if checked.undecided else []
    return "\n\n".join([*blocks, "\n".join(_summary(checked, paint))])


def _broken(lines: Iterator[str], width: int) -> Iterator[str]:
    """Long lines below a finding, broken at words under their own beginning; what can be clicked stays whole."""
    for line in lines:
        label = _LABEL.match(line)
        if label is None or not width or len(line) <= width:
            yield line
        else:
            yield from wrap(
                line,
                max(width, _NARROWEST),
                subsequent_indent=" " * len(label.group()),
                break_long_words=False,
                break_on_hyphens=False,
            )


def _finding(each: Finding, checked: Checked, paint: Paint) -> Iterator[str]:
    place = f"{clean(each.mark)}: " if each.mark.line else ""
    word = paint.bad("error") if each.severity is Severity.ERROR else each.severity.value
    yield f"{paint.sign(_SIGNS[each.severity])} {place}{word}: {clean(each.message)}  {paint.faint(f'[{each.rule}]')}"
    source = checked.lines.get((each.mark.file, each.mark.line), "")
    if source.strip() and each.mark.column:
        yield from excerpt(source, each.mark.line, each.mark.column, each.mark.width)
    elif source.strip():
        yield f"{each.mark.line:>5} | {clean(source)}"
    about = "  ".join(filter(None, (clean(each.subject), clean(each.path))))
    if about:
        yield f"{_INDENT}in    {about}"
    if each.mark.via:
        yield f"{_INDENT}from  {clean(each.mark.via)}"
    if each.chain:
        yield f"{_INDENT}included by {' > '.join(clean(mark) for mark in each.chain)}"
    if each.says:
        yield f"{_INDENT}says  {clean(each.says)}"
    for text in each.hints:
        yield f"{_INDENT}hint: {hint(text)}"


def _undecided(checked: Checked, paint: Paint) -> Iterator[str]:
    """What nobody looked into, by rule and reason: one line each, a few of the names."""
    yield paint.strong("not looked into")
    for rule, message, found in _reasons(checked):
        names = list(dict.fromkeys(clean(each.subject or _place(each.mark)) for each in found))
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        named = f" ({', '.join(names[:_NAMED])}{more})" if any(names) else ""
        times = f"{len(found)} x " if len(found) > 1 else ""
        yield f"  {paint.sign(Sign.WARNING)} {times}{clean(message)}{named}  {paint.faint(f'[{rule}]')}"
        for text in dict.fromkeys(text for each in found for text in each.hints):
            yield f"{_INDENT}  hint: {hint(text)}"


def _reasons(checked: Checked) -> Iterator[tuple[str, str, list[Finding]]]:
    """Rule, reason and findings; many reasons of one rule are told by its title, apart by what mends them."""
    by_rule: dict[str, list[Finding]] = {}
    for each in checked.undecided:
        by_rule.setdefault(each.rule, []).append(each)
    for rule, found in by_rule.items():
        by_message = _grouped(found, lambda each: each.message)
        if len(by_message) <= _NAMED or rule not in checked.rules:
            yield from ((rule, message, few) for message, few in by_message.items())
            continue
        by_hints = _grouped(found, lambda each: "\n".join(each.hints))
        groups = list(by_hints.values()) if len(by_hints) <= _NAMED else [found]
        yield from ((rule, checked.rules[rule].title, many) for many in groups)


def _grouped(found: Iterable[Finding], key: Callable[[Finding], str]) -> dict[str, list[Finding]]:
    groups: dict[str, list[Finding]] = {}
    for each in found:
        groups.setdefault(key(each), []).append(each)
    return groups


def _place(mark: Mark) -> str:
    return str(mark) if mark.file else ""


def _summary(checked: Checked, paint: Paint) -> Iterator[str]:
    parts = [
        count(number, severity.value)
        for severity in (Severity.ERROR, Severity.WARNING, Severity.NOTE)
        if (number := checked.number(severity))
    ]
    seen = ", ".join(count(number, word) for word, number in checked.counts.items() if number)
    verdict = ", ".join(parts) or ("no fault was found" if checked.undecided else "nothing wrong")
    warns = parts or checked.undecided
    sign = Sign.FAILED if checked.number(Severity.ERROR) else Sign.WARNING if warns else Sign.DONE
    left_out = [
        f"{checked.ignored} left out by comments" if checked.ignored else "",
        f"{checked.known} in the baseline" if checked.known else "",
        f"{len(checked.undecided)} not looked into" if checked.undecided else "",
        "the world was not asked" if checked.world is False else "",
    ]
    rest = "; ".join(filter(None, [verdict, f"looked at {seen}" if seen else "", *left_out]))
    yield f"{paint.sign(sign)} {rest}"
    if checked.next:
        yield f"next: {hint(checked.next)}"
