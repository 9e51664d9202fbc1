"""Secrets of manifests kept out of what is shown: of excerpts, and of the words of a finding."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from itertools import pairwise

from ephemeral_castle.model.finding import Finding
from ephemeral_castle.model.masking import LOOKS_SECRET, mask_line

_SHORTEST = 4  # shorter values would blot out ordinary words
_BLOCK = re.compile(r"^(\s*)(?:- )?[\"']?(?:data|stringData|literals|encrypted_regex)[\"']?\s*:\s*$")
_PAIR = re.compile(r"^(\s*(?:- )?[\"']?[-\w./]+[\"']?(?:\s*:\s+|=))(\S.*)$")
_PASS = re.compile(r"((?:password|passwd|passphrase)[\"']?\s*:\s+)([^\s{\[|>&*].*)", re.IGNORECASE)
_NAMED = re.compile(r"^\s*(?:- )?name\s*:\s*\S*(?:PASSWORD|PASSWD|SECRET|TOKEN|PASSPHRASE)\S*\s*$", re.IGNORECASE)
_VALUE = re.compile(r"^(\s*value\s*:\s+)(\S.*)$")
_SECRET = re.compile(r"^\s*(?:- )?kind\s*:\s*[\"']?Secret[\"']?\s*$|^\s*secretGenerator\s*:", re.MULTILINE)
_HOLDS = re.compile(r"\bSecret\b|secretGenerator|PASSW|SECRET|TOKEN|PASSPHRASE|passw|token|passphrase")
# Keys beside a secret whose values are ordinary words: hidden in an excerpt, and left in what is said of other files.
_NO_SECRET = re.compile(
    r"\s*(?:- )?[\"']?(?:user(?:name)?|host(?:name)?|port|db(?:name)?|database|name|type|bucket|region|path)\b",
    re.IGNORECASE,
)
_DOCUMENT = re.compile(r"^---(?:\s|$)")


class Masks:
    """The lines of one text as they may be shown.

    Args:
        text: of the file.
        definition: whether it is castle.yaml, in which other keys name a secret.
    """

    def __init__(self, text: str, *, definition: bool = False) -> None:
        self.lines = text.splitlines()
        self.secrets: set[str] = set()
        self._definition = definition
        self._hidden = {} if definition else dict(self._blocks())

    def line(self, number: int) -> str:
        """Line `number`, from 1, with stars for what is secret in it; "" where there is none."""
        if not 0 < number <= len(self.lines):
            return ""
        line = self.lines[number - 1]
        if self._definition:
            return mask_line(line)
        if number in self._hidden:
            begin = self._hidden[number]
            return line[:begin] + "*" * (len(line) - begin)
        line = _PASS.sub(lambda match: match.group(1) + "*" * len(match.group(2)), line)
        found = LOOKS_SECRET.search(line)
        return line if found is None else line[: found.start()] + "*" * (len(line) - found.start())

    def _blocks(self) -> list[tuple[int, int]]:
        """Lines to hide, each with the column behind which it is secret."""
        found: list[tuple[int, int]] = []
        begin = 0
        for end in [*(n for n, line in enumerate(self.lines) if _DOCUMENT.match(line)), len(self.lines)]:
            document = self.lines[begin:end]
            if _SECRET.search("\n".join(document)):
                found += self._secret(document, begin)
            found += self._variables(document, begin)
            begin = end
        return found

    def _secret(self, document: list[str], offset: int) -> list[tuple[int, int]]:
        """The values below `data:`, `stringData:` and `literals:`."""
        found: list[tuple[int, int]] = []
        inside, key = -1, -1  # indents of the block that holds values, and of the key whose value goes on
        for number, line in enumerate(document, offset + 1):
            indent = len(line) - len(line.lstrip())
            if not line.strip():
                continue
            if inside >= 0 and (indent < inside or (indent == inside and not line.lstrip().startswith("- "))):
                inside = key = -1
            block = _BLOCK.match(line)
            if block and inside < 0:
                inside, key = len(block.group(1)), -1
            elif inside >= 0:
                pair = _PAIR.match(line) if key < 0 or indent <= key else None
                key = indent if pair or key < 0 else key
                begin = len(pair.group(1)) if pair else indent
                found.append((number, begin))
                if not (pair and _NO_SECRET.match(pair.group(1))):
                    self._keep(line[begin:])
        return found

    def _variables(self, document: list[str], offset: int) -> list[tuple[int, int]]:
        """Values of environment variables whose name says what they are."""
        found = []
        for number, (name, line) in enumerate(pairwise(document), offset + 2):
            value = _VALUE.match(line)
            if value and _NAMED.match(name):
                found.append((number, len(value.group(1))))
                self._keep(value.group(2))
        return found

    def _keep(self, value: str) -> None:
        bare = value.strip().strip("\"'")
        if len(bare) >= _SHORTEST and bare not in ("true", "false", "null"):
            self.secrets.add(bare)


def secrets_of(texts: Iterable[str]) -> frozenset[str]:
    """The values of all secrets in some files: one may turn up in words about another file, which takes it over."""
    found: set[str] = set()
    for text in texts:
        if _HOLDS.search(text):
            found |= Masks(text).secrets
    return frozenset(found)


def redacted(finding: Finding, secrets: Iterable[str]) -> Finding:
    """The finding without these values in its words."""
    words = "\n".join((finding.message, finding.says, *finding.hints))
    for each in sorted((each for each in secrets if each in words), key=len, reverse=True):
        finding = dataclasses.replace(
            finding,
            message=finding.message.replace(each, "[redacted]"),
            says=finding.says.replace(each, "[redacted]"),
            hints=tuple(hint.replace(each, "[redacted]") for hint in finding.hints),
        )
    return finding
