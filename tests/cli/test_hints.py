"""Every command that a message, a page or an example names exists, with its options and as many words as it takes."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from ephemeral_castle.cli.main import castle

ROOT = Path(__file__).parents[2]
HOLE = "XX"  # stands for what an f-string fills in
QUOTED = re.compile(r"`((?:sudo )?castle [^`]+)`")
BARE = re.compile(r"^(?:.*: )?((?:sudo )?castle .+)$", re.DOTALL)
FENCED = re.compile(r"^\s*(?:\$ )?((?:sudo )?castle [a-z].*)$")
END = re.compile(r"[,;|#…]| \(| &&| > | < |\n| \.\.\.| -- ")  # what follows a command in a sentence or a script
HINTS = {"hints", "mend", "hint", "back"}  # names under which code keeps next commands


def flat(node: ast.AST) -> str | None:
    """The text of a string or f-string, with `HOLE` for what is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else HOLE for part in node.values)
    return None


def texts(node: ast.AST, *, hint: bool = False) -> Iterator[tuple[int, str, bool]]:
    """Every string below a node: its line, its text, and whether it stands where next commands do."""
    text = flat(node)
    if text is not None:
        yield getattr(node, "lineno", 0), text, hint
        return
    for child in ast.iter_child_nodes(node):
        named = ""
        if isinstance(child, ast.keyword):
            named = child.arg or ""
        elif isinstance(child, ast.Assign) and isinstance(child.targets[0], ast.Name):
            named = child.targets[0].id
        yield from texts(child, hint=hint or named in HINTS)


def of_code() -> Iterator[tuple[str, str, bool]]:
    for path in sorted((ROOT / "src").rglob("*.py")):
        for line, text, hint in texts(ast.parse(path.read_text())):
            where = f"{path.relative_to(ROOT)}:{line}"
            yield from ((where, found, True) for found in QUOTED.findall(text))
            bare = BARE.match(text) if "`" not in text else None
            if bare:
                yield where, bare[1], hint


def of_pages() -> Iterator[tuple[str, str, bool]]:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "tests/cli/golden").rglob("*.txt")]
    for path in sorted(pages):
        fenced = False
        for number, line in enumerate(path.read_text().splitlines(), 1):
            where = f"{path.relative_to(ROOT)}:{number}"
            fenced = fenced != line.strip().startswith("```")
            commands = FENCED.findall(line) if fenced else QUOTED.findall(line)
            yield from ((where, command, path.suffix == ".md" and not fenced) for command in commands)


def words_of(command: str) -> list[str]:
    """The words of a command as a sentence shows it, without `sudo castle`."""
    text = END.split(command.removeprefix("sudo ").removeprefix("castle "), maxsplit=1)[0]
    return [re.sub(r"[.:]$", "", word) for word in shlex.split(text.replace("'", " "))]


def wrong(command: str) -> str:
    """Why castle would refuse this command line, or ""."""
    context = click.Context(castle, info_name="castle")
    verb, *rest = words_of(command) or [""]
    if verb.startswith("-") or verb in (HOLE, "VERB"):
        return ""
    found = castle.get_command(context, verb)
    if found is None:
        return f"there is no verb `{verb}`"
    known = {spelled: option for option in found.params for spelled in option.opts}
    given = 0
    for word in (words := iter(rest)):
        option = known.get(word.split("=")[0])
        if word.startswith("-") and word != HOLE and option is None and word != "--help":
            return f"`{verb}` has no option `{word}`"
        if option is None:
            given += not word.startswith("-")
        elif isinstance(option, click.Option) and not option.is_flag and "=" not in word:
            next(words, None)
    room = sum(1 for each in found.params if isinstance(each, click.Argument))
    return f"`{verb}` takes {room} words, not {given}: {rest}" if given > room else ""


def verbs() -> list[str]:
    return castle.list_commands(click.Context(castle))


def test_hints_named_commands_that_do_not_exist() -> None:
    """`castle wipe` stood under a changed subnet, which it cannot mend; others had words that no verb takes."""
    seen, faults = 0, []
    for where, command, meant in [*of_code(), *of_pages()]:
        words = words_of(command)
        if not words or (not meant and words[0] not in verbs()):
            continue  # a sentence whose subject is castle
        seen += 1
        fault = wrong(command)
        if fault and (meant or "option" in fault):  # "castle runs an S3 server" is a sentence, too
            faults.append(f"{where}: {command.strip()!r}: {fault}")
    assert seen > 200
    assert not faults, "\n" + "\n".join(faults)


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("castle resume XX, to go on with it", ""),
        ("castle rebirth --set LABEL --confirm XX", ""),
        ("castle watch XX YY", "takes 1 words"),
        ("castle rebirth --sett LABEL", "no option"),
        ("castle drills", "no verb"),
    ],
)
def test_the_judge_itself(command: str, fault: str) -> None:
    assert fault in wrong(command)
    assert bool(fault) == bool(wrong(command))
