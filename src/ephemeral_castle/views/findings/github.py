"""The answer of `castle check` as workflow commands, which GitHub shows beside the lines of a pull request.

Source: docs.github.com, "Workflow commands for GitHub Actions": `::error file=…,line=…,col=…,title=…::message`;
`%`, line breaks, and in properties `:` and `,` are escaped by percent signs.
"""

from __future__ import annotations

from ephemeral_castle.model.checked import Checked
from ephemeral_castle.model.finding import Finding, Severity
from ephemeral_castle.views.words import clean

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning"}
_ESCAPES = (("%", "%25"), ("\r", "%0D"), ("\n", "%0A"))


def checked_github(checked: Checked) -> str:
    """One line per finding; what was not looked into as notices."""
    return "".join(f"{_command(each)}\n" for each in (*checked.findings, *checked.undecided))


def _command(each: Finding) -> str:
    mark = each.mark
    places = {"file": mark.file, "line": mark.line, "col": mark.column if mark.line else 0}
    properties = {**{key: value for key, value in places.items() if value}, "title": f"castle: {each.rule}"}
    written = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    parts = [each.message, each.subject, each.says and f"says: {each.says}", *(f"hint: {text}" for text in each.hints)]
    message = "\n".join(clean(part) for part in parts if part)
    return f"::{_COMMANDS.get(each.severity, 'notice')} {written}::{_escaped(message)}"


def _escaped(text: str) -> str:
    for char, escape in _ESCAPES:
        text = text.replace(char, escape)
    return text


def _property(value: object) -> str:
    return _escaped(clean(value)).replace(":", "%3A").replace(",", "%2C")
