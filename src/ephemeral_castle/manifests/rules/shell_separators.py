"""Commands in a manifest that were three lines once and are one now."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules.fields import WARNING, fault, scalars
from ephemeral_castle.manifests.rules.pods import pods
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "shell-separators"
COMMANDS = frozenset(("cp", "mv", "chmod", "chown", "mkdir", "rm", "ln", "install"))
SHELLS = re.compile(r"(.*/)?(ba|da|a|z|k)?sh")


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at what containers hand to a shell."""
    for found in pods(repository):
        for path, container in found.containers():
            words = [
                ((*path, *at), value)
                for field in ("command", "args")
                for at, value in scalars(container.get(field), (field,))
                if isinstance(value, str)
            ]
            if not any(SHELLS.fullmatch(value) for _, value in words):
                continue
            for at, value in words:
                second = _glued(value)
                if second:
                    message = f"`{second}` stands as an argument of the command before it: no `;`, `&&` or line between"
                    hints = ("write `|` instead of `>` for the text, or put `&&` between the commands",)
                    yield fault(ID, WARNING, found.thing, at, message, hints=hints)


def _glued(script: str) -> str:
    """A command that follows another one in its line without anything between; "" where there is none."""
    for line in script.replace("\\\n", " ").splitlines():
        for part in re.split(r"&&|\|\||[;|&(){}`]", line):
            words = part.split()
            if len(words) > 3 and words[0] in COMMANDS:
                later = [word for word in words[2:-1] if word in COMMANDS]
                if later and not any(mark in part for mark in ("'", '"', "#", "--")):
                    return later[0]
    return ""


RULE = Rule(
    ID,
    "two commands for a shell stand in one line with nothing between them",
    "YAML folds lines: with `>` three commands become one, whose arguments are the other two. The container then "
    "fails with a message about files that nobody meant.",
    "YAML 1.2.2 section 8.1.3; an init container that said `Cross-device link`",
    find,
    ("F183",),
)
