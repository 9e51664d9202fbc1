"""`${NAME}` in a Compose file: what podman-compose will put there, and what is missing. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ephemeral_castle.drivers.compose.finding import Finding
from ephemeral_castle.drivers.compose.nodes import Entry, Node

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
OPERATORS = (":-", ":?", ":+", "-", "?", "+")


class Malformed(ValueError):
    """A `${` that no reader understands."""


@dataclass
class Used:
    """What interpolation saw: names that were asked for, and those without a value, with what is said of them."""

    names: set[str] = field(default_factory=set)
    missing: dict[str, str] = field(default_factory=dict)


def interpolated(text: str, values: Mapping[str, str], used: Used) -> str:
    """The text with its variables replaced.

    Raises:
        Malformed: as podman-compose would fail, too.
    """
    result, at = [], 0
    while at < len(text):
        dollar = text.find("$", at)
        if dollar < 0 or dollar + 1 == len(text):
            result.append(text[at:])
            break
        result.append(text[at:dollar])
        following = text[dollar + 1]
        plain = NAME.match(text, dollar + 1)
        if following == "$":
            result.append("$")
            at = dollar + 2
        elif following == "{":
            end = _closing(text, dollar + 2)
            result.append(_braced(text[dollar + 2 : end], values, used))
            at = end + 1
        elif plain:
            result.append(_value(plain[0], values, used))
            at = plain.end()
        else:
            result.append("$")
            at = dollar + 1
    return "".join(result)


def _closing(text: str, at: int) -> int:
    level = 1
    for index in range(at, len(text)):
        level += {"{": 1, "}": -1}.get(text[index], 0)
        if level == 0:
            return index
    raise Malformed("`${` has no closing brace")


def _value(name: str, values: Mapping[str, str], used: Used) -> str:
    used.names.add(name)
    if name not in values:
        used.missing.setdefault(name, "")
    return values.get(name, "")


def _braced(content: str, values: Mapping[str, str], used: Used) -> str:
    found = NAME.match(content)
    if found is None:
        raise Malformed(f"`${{{content}}}` is no variable; a dollar sign itself is written `$$`")
    name, rest = found[0], content[found.end() :]
    if not rest:
        return _value(name, values, used)
    operator = next((each for each in OPERATORS if rest.startswith(each)), None)
    if operator is None:
        raise Malformed(f"`${{{content}}}` is no variable that Compose knows")
    operand = rest[len(operator) :]
    used.names.add(name)
    there = name in values and (bool(values[name]) or ":" not in operator)
    if operator.endswith("-"):
        return values[name] if there else interpolated(operand, values, used)
    if operator.endswith("+"):
        return interpolated(operand, values, used) if there else ""
    if not there:
        used.missing[name] = operand or "it is required"
    return values.get(name, "")


def resolve(node: Node, values: Mapping[str, str], known: str = "") -> tuple[Node, list[Finding], set[str]]:
    """The tree with every text interpolated, what is missing or malformed, and the names that were used.

    Args:
        node: the tree.
        values: of the variables.
        known: a hint on what is offered, for messages.
    """
    findings: list[Finding] = []
    names: set[str] = set()
    return _resolved(node, values, findings, names, known), findings, names


def _resolved(node: Node, values: Mapping[str, str], findings: list[Finding], names: set[str], known: str) -> Node:
    if isinstance(node.value, dict):
        below = {
            key: Entry(entry.key, _resolved(entry.node, values, findings, names, known))
            for key, entry in node.value.items()
        }
        return Node(node.place, below)
    if isinstance(node.value, list):
        return Node(node.place, [_resolved(item, values, findings, names, known) for item in node.value])
    if not isinstance(node.value, str) or "$" not in node.value:
        return node
    used = Used()
    try:
        text = interpolated(node.value, values, used)
    except Malformed as error:
        findings.append(Finding(node.place, str(error)))
        return node
    names |= used.names
    for name, said in used.missing.items():
        why = f": {said}" if said else ""
        findings.append(Finding(node.place, f"`${{{name}}}` has no value{why}", known))
    return Node(node.place, text, node.text)


def dotenv(text: str) -> dict[str, str]:
    """The variables of an `.env` file: `NAME=value`, quotes, comments, `export`. The later one wins."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = re.match(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.]*)\s*=\s*(.*)$", line)
        if match is None:
            continue
        name, value = match[1], match[2].strip()
        if value[:1] in ("'", '"') and value.find(value[0], 1) > 0:
            value = value[1 : value.find(value[0], 1)]
        else:
            value = re.split(r"\s#", value, maxsplit=1)[0].rstrip()
        found[name] = value
    return found
