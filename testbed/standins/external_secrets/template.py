"""Templates of engine v2, as far as they are needed: values, pipelines, and the functions of `FUNCTIONS`.

`{{ .KEY }}`, `{{ index . "KEY" }}`, `{{ "text" }}`, `{{ .A | b64dec | quote }}`, `{{ b64enc .A }}`, comments, and
`{{-`/`-}}`, which take away white space. A key that is not there is an error, as with the operator. Whatever else a
template says (`if`, `range`, variables, other functions) is refused by name: nothing is rendered wrongly in silence.
Source: Go's text/template, sprig.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping

_ACTION = re.compile(r"\{\{(-(?=\s))?(.*?)((?<=\s)-)?\}\}", re.DOTALL)
_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|`[^`]*`|\||\.[A-Za-z_][A-Za-z0-9_]*|[^\s|"`]+)')
_PARTS = ("if", "else", "end", "range", "with", "define", "template", "block", "break", "continue")


class TemplateError(Exception):
    """It cannot be rendered."""


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode(errors="surrogateescape")
    except (binascii.Error, ValueError) as error:
        return str(error)  # sprig gives the error's text, too


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode(errors="surrogateescape")).decode()


def _indent(width: str, text: str) -> str:
    return "\n".join(" " * int(width) + line for line in text.split("\n"))


FUNCTIONS: Mapping[str, tuple[int, Callable[..., str]]] = {
    "b64dec": (1, _decoded),
    "b64enc": (1, _encoded),
    "indent": (2, _indent),
    "lower": (1, str.lower),
    "nindent": (2, lambda width, text: "\n" + _indent(width, text)),
    "quote": (1, lambda text: json.dumps(text, ensure_ascii=False)),
    "replace": (3, lambda old, new, text: text.replace(old, new)),
    "squote": (1, lambda text: f"'{text}'"),
    "toString": (1, str),
    "trim": (1, str.strip),
    "trimPrefix": (2, lambda part, text: text.removeprefix(part)),
    "trimSuffix": (2, lambda part, text: text.removesuffix(part)),
    "upper": (1, str.upper),
}
"""How many arguments each takes, and what it does; the last argument is what a pipeline brings."""


def render(name: str, text: str, values: Mapping[str, str]) -> str:
    """The text of a template.

    Args:
        name: of the template, for errors: the key that it makes.
        text: the template.
        values: by key.

    Raises:
        TemplateError: a key is missing, or something is not understood.
    """
    parts, at, cut = [], 0, False
    for found in _ACTION.finditer(text):
        plain = text[at : found.start()]
        plain = plain.lstrip() if cut else plain
        parts.append(plain.rstrip() if found[1] else plain)
        body = found[2].strip()
        if not (body.startswith("/*") and body.endswith("*/")):
            parts.append(_pipeline(name, body, values))
        at, cut = found.end(), bool(found[3])
    rest = text[at:]
    if "{{" in rest:
        raise TemplateError(f"unable to parse template at key {name}: template: {name}: unclosed action")
    parts.append(rest.lstrip() if cut else rest)
    return "".join(parts)


def _pipeline(name: str, body: str, values: Mapping[str, str]) -> str:
    stages: list[list[str]] = [[]]
    for token in _tokens(name, body):
        if token == "|":
            stages.append([])
        else:
            stages[-1].append(token)
    result: list[str] = []
    for stage in stages:
        result = [_command(name, stage, values, result)]
    return result[0]


def _tokens(name: str, body: str) -> list[str]:
    found, at = [], 0
    while at < len(body.rstrip()):
        token = _TOKEN.match(body, at)
        if not token:
            raise TemplateError(f"unable to parse template at key {name}: template: {name}: unexpected {body[at:]!r}")
        found.append(token[1])
        at = token.end()
    return found


def _command(name: str, stage: list[str], values: Mapping[str, str], piped: list[str]) -> str:
    if not stage:
        raise TemplateError(f"unable to parse template at key {name}: template: {name}: missing value for command")
    head, arguments = stage[0], stage[1:]
    if head == "index" and arguments[:1] == ["."] and len(arguments) == 2:
        return _value(name, _plain(name, arguments[1], values), values)
    if head in FUNCTIONS:
        wanted, function = FUNCTIONS[head]
        given = [*(_plain(name, each, values) for each in arguments), *piped]
        if len(given) != wanted:
            raise TemplateError(
                f"unable to parse template at key {name}: template: {name}: wrong number of args for {head}: "
                f"want {wanted} got {len(given)}"
            )
        return function(*given)
    if arguments or piped:
        raise _unknown(name, head)
    return _plain(name, head, values)


def _plain(name: str, token: str, values: Mapping[str, str]) -> str:
    if token.startswith('"'):
        return str(json.loads(token))
    if token.startswith("`"):
        return token[1:-1]
    if token.startswith(".") and len(token) > 1:
        return _value(name, token[1:], values)
    if token.lstrip("-").isdigit():
        return token
    raise _unknown(name, token)


def _value(name: str, key: str, values: Mapping[str, str]) -> str:
    if key not in values:
        raise TemplateError(
            f'unable to execute template at key {name}: template: {name}: executing "{name}" at <.{key}>: '
            f'map has no entry for key "{key}"'
        )
    return values[key]


def _unknown(name: str, word: str) -> TemplateError:
    what = "part of templates" if word in _PARTS else "function"
    return TemplateError(
        f"unable to parse template at key {name}: this is a stand-in for the operator, and it does not know the {what} "
        f'"{word}" (it knows {", ".join(sorted(FUNCTIONS))}, index)'
    )
