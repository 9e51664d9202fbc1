"""The language of `${VAR}` as Flux fills it in: parsed and evaluated. Pure.

`${VAR}`, `${VAR:=default}` (`:-`, `:?`, `:+` and `=` mean the same there), `${VAR:position:length}`, `${VAR/old/new}`,
`${VAR#prefix}`, `${VAR%suffix}`, `${VAR^^}`, `${#VAR}`, `$${VAR}` for the text itself; `$VAR` is no variable.
Source: github.com/fluxcd/pkg/envsubst 1.7, itself from drone/envsubst; lengths and positions count bytes there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ephemeral_castle.manifests.globs import shortest, without

DEFAULTS = ("=", ":=", ":-", ":?", ":+")
DEEPEST = 30


class BadSubstitution(ValueError):
    """What stands in the braces is none. The text: the words of Flux."""


class NotSet(KeyError):
    """A variable has no value and no default."""


@dataclass(frozen=True)
class Call:
    """One `${...}`. `op`: "" for the plain value; `args`: their parts."""

    name: str
    op: str = ""
    args: tuple[tuple[str | Call, ...], ...] = ()


Parts = list["str | Call"]
Lookup = Callable[[str], "str | None"]  # the value of a variable, None where it is not set


def parse(text: str) -> Parts:
    """The parts of a text.

    Raises:
        BadSubstitution: braces that hold nothing that Flux understands.
    """
    parts: Parts = []
    at, plain = 0, ""
    while at < len(text):
        if text.startswith("${", at):
            call, at = _Parser(text).call(at + 2, 0)
            parts += [*([plain] if plain else []), call]
            plain = ""
        elif text.startswith("$$", at):
            plain, at = f"{plain}$", at + 2  # what follows is taken as it is: `$${A}` is the text `${A}`
        else:
            plain, at = plain + text[at], at + 1
    return [*parts, *([plain] if plain else [])]


def names(parts: Parts) -> Iterator[Call]:
    """Every use of a variable, those in defaults included."""
    for part in parts:
        if isinstance(part, Call):
            yield part
            for arg in part.args:
                yield from names(list(arg))


def evaluate(parts: Parts, value: Lookup) -> str:
    """The text with all values filled in.

    Raises:
        NotSet: a variable without a value is used without a default.
    """
    return "".join(part if isinstance(part, str) else _call(part, value) for part in parts)


def _call(call: Call, value: Lookup) -> str:
    args = [evaluate(list(arg), value) for arg in call.args]
    found = value(call.name)
    if found is None and call.op not in DEFAULTS:
        raise NotSet(call.name)
    return _apply(call.op, found or "", args)


def _apply(op: str, value: str, args: list[str]) -> str:
    first, second = [*args, "", ""][:2]
    if op in ("", *DEFAULTS):
        return value or "".join(args)
    if op == ":":
        return _part(value, args)
    if op[0] in ",^":
        change = str.lower if op[0] == "," else str.upper
        return change(value) if len(op) > 1 else change(value[:1]) + value[1:]
    if op == "length":
        return str(len(value.encode()))
    if op[0] in "#%":
        return without(value, first, end=op[0] == "%", longest=len(op) > 1) if shortest(value) else value
    if op == "//":
        return value.replace(first, second) if first else value
    if op == "/":
        return value.replace(first, second, 1)
    if len(args) < 2:  # `/#` and `/%` want both
        return value
    if op == "/#":
        return second + value[len(first) :] if value.startswith(first) else value
    return value[: len(value) - len(first)] + second if value.endswith(first) else value


def _part(value: str, args: list[str]) -> str:
    """`${A:position}` and `${A:position:length}`, in bytes."""
    raw = value.encode()
    try:
        numbers = [_integer(each) for each in args]
    except ValueError:
        return value
    position = max(len(raw) + numbers[0], 0) if numbers[0] < 0 else numbers[0]
    end = len(raw)
    if len(numbers) > 1:
        end = len(raw) + numbers[1] if numbers[1] < 0 else min(position + numbers[1], len(raw))
    return raw[position:end].decode(errors="replace") if position < end else ""


def _integer(written: str) -> int:
    """A number as Go reads one: no blanks, no underscores."""
    if not written.isascii() or not written.lstrip("+-").isdigit() or len(written) > 18:
        raise ValueError(written)
    return int(written)


class _Parser:
    """Reads what stands between `${` and `}`."""

    def __init__(self, text: str) -> None:
        self.text = text

    def call(self, at: int, depth: int) -> tuple[Call, int]:
        """A call and where it ends."""
        if depth > DEEPEST:
            raise BadSubstitution("bad substitution")
        if self._is(at, "#"):
            name, at = self._name(at + 1, "bad substitution")
            return Call(name, "length"), self._close(at)
        name, at = self._name(at, "unable to parse variable name")
        rest = self.text[at : at + 2]
        if rest[:1] == ":" and rest[1:] not in ("=", "-", "?", "+"):
            if not rest.isascii():
                raise BadSubstitution("bad substitution")  # Flux's reader steps back too far there
            return self._substring(name, at + 1, depth)
        if rest[:1] in (":", "="):
            return self._default(name, at, depth)
        if rest[:1] in (",", "^"):
            op = self.text[at] + (rest[1:] if rest[1:] in (",", "^") else "")
            return Call(name, op), self._close(at + len(op))
        if rest[:1] == "/":
            return self._replace(name, at, depth)
        if rest[:1] in ("#", "%"):
            op = rest if rest[1:] == rest[0] else rest[0]
            arg, at = self._param(at + len(op), "}", depth)
            return Call(name, op, (arg,)), self._close(at)
        return Call(name), self._close(at, "missing closing brace")

    def _is(self, at: int, char: str) -> bool:
        return self.text[at : at + 1] == char

    def _close(self, at: int, why: str = "bad substitution") -> int:
        if not self._is(at, "}"):
            raise BadSubstitution(why)
        return at + 1

    def _name(self, at: int, why: str) -> tuple[str, int]:
        end = at
        while end < len(self.text) and (self.text[end].isalnum() or self.text[end] == "_"):
            end += 1
        if end == at:
            raise BadSubstitution(why)
        return self.text[at:end], end

    def _param(self, at: int, stops: str, depth: int, escapes: str = "") -> tuple[tuple[str | Call, ...], int]:
        """One argument: a call, or text up to a character that ends it."""
        if self.text.startswith("${", at):
            found, at = self.call(at + 2, depth + 1)
            return (found,), at
        made = ""
        while at < len(self.text) and not self.text.startswith("${", at):
            pair = self.text[at : at + 2]
            if escapes and pair in ("$$", "\\/", "\\\\"):
                made, at = made + pair[1], at + 2
            elif self.text[at] in stops:
                break
            else:
                made, at = made + self.text[at], at + 1
        if not made:
            raise BadSubstitution("unable to parse substitution within function")
        return (made,), at

    def _default(self, name: str, at: int, depth: int) -> tuple[Call, int]:
        op = self.text[at] if self.text[at] == "=" else self.text[at : at + 2]
        at += len(op)
        args = []
        while not self._is(at, "}"):
            arg, at = self._param(at, "}", depth)
            args.append(arg)
        return Call(name, op, tuple(args)), at + 1

    def _substring(self, name: str, at: int, depth: int) -> tuple[Call, int]:
        first, at = self._param(at, ":}", depth)
        if self._is(at, "}"):
            return Call(name, ":", (first,)), at + 1
        while self._is(at, ":"):
            at += 1
        second, at = self._param(at, "}", depth)
        return Call(name, ":", (first, second)), self._close(at)

    def _replace(self, name: str, at: int, depth: int) -> tuple[Call, int]:
        op = self.text[at] + (self.text[at + 1] if self.text[at + 1 : at + 2] in ("/", "#", "%") else "")
        first, at = self._param(at + len(op), "/", depth, "yes")
        if not self._is(at, "/"):
            raise BadSubstitution("bad substitution")
        while self._is(at, "/"):
            at += 1
        if self._is(at, "}"):
            return Call(name, op, (first,)), at + 1
        second, at = self._param(at, "}", depth, "yes")
        return Call(name, op, (first, second)), self._close(at)
