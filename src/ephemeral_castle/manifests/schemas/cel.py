"""The one door to CEL, the language of a CRD's rules. Behind it stands cel-cpp by `cel-expr-python`.

Where that library is not installed (it has no wheels for musl) `engine()` gives None, and whoever has rules counts them
as not looked into. An expression that cel-cpp does not take (macros of two variables) is not looked into either: it is
never a fault of the document.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Protocol


class NotEvaluableError(Exception):
    """Nobody here can say what an expression gives: it does not compile here, or its value cannot be handed over."""


class RuleError(Exception):
    """The evaluation failed, for which the server rejects the document; the text is in its words."""


class Program(Protocol):
    """A compiled expression."""

    def __call__(self, variables: Mapping[str, Any]) -> Any:
        """The value of the expression.

        Raises:
            RuleError: the evaluation fails.
            NotEvaluableError: it cannot be evaluated here.
        """
        ...


class Engine(Protocol):
    """Compiles expressions over the variable `self`."""

    def compile(self, expression: str) -> Program:
        """Compiles one.

        Raises:
            NotEvaluableError: it does not compile here.
        """
        ...


# What cel-cpp says, and what the server's cel-go says of the same; a text without groups stands for itself.
_WORDS: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(ours), theirs)
    for ours, theirs in (
        (r'Key not found in map : "?(.*?)"?$', r"no such key: \1"),
        (r"String to Duration conversion failed", "type conversion error from 'string' to 'google.protobuf.Duration'"),
        (
            r"String to Timestamp conversion failed",
            "type conversion error from 'string' to 'google.protobuf.Timestamp'",
        ),
        (r"cannot convert string to (\w+)", r"type conversion error from 'string' to '\1'"),
        (r"Index error: index=(-?\d+) size=\d+", r"index out of bounds: \1"),
        (r"divide by zero", "division by zero"),
        (r"modulus by zero", "modulus by zero"),
        (r"optional\.none\(\) dereference", "optional.none() dereference"),
        (r"No matching overloads found", "no such overload"),
    )
)
_CODE: Final = re.compile(r"^[A-Z_]+: ")
# The evaluation failed for reasons of the library, not of the document.
_OURS: Final = ("Non-CEL value type", "out of range for", "Iteration budget", "Unimplemented", "basic_string")


class _CelCpp:
    """cel-cpp with the libraries of Kubernetes 1.36."""

    def __init__(self, library: Any) -> None:
        from cel_expr_python.ext import ext_bindings, ext_optional, ext_strings

        from ephemeral_castle.manifests.schemas.cel_library import functions

        self._cel = library
        self._env = library.NewEnv(
            variables={"self": library.Type.DYN},
            extensions=[ext_strings.ExtStrings(), ext_optional.ExtOptional(), ext_bindings.ExtBindings()],
            functions=functions(library),
        )

    def compile(self, expression: str) -> Program:
        """Compiles one expression."""
        try:
            compiled = self._env.compile(expression)
        except (RuntimeError, TypeError, ValueError) as error:
            raise NotEvaluableError(str(error)) from error
        activation, failed = self._env.Activation, self._cel.Type.ERROR

        def evaluate(variables: Mapping[str, Any]) -> Any:
            try:
                found = compiled.eval(activation(variables))
                value = found.value()
            except (RuntimeError, TypeError, ValueError, OverflowError) as error:
                raise NotEvaluableError(str(error)) from error
            if found.type() == failed:
                raise _error(str(value))
            return value

        return evaluate


def _error(text: str) -> RuleError | NotEvaluableError:
    said = _CODE.sub("", text)
    if any(each in said for each in _OURS):
        return NotEvaluableError(said)
    for ours, theirs in _WORDS:
        if found := ours.search(said):
            return RuleError(found.expand(theirs) if "\\" in theirs else theirs)
    return RuleError(said)


@lru_cache(maxsize=1)
def engine() -> Engine | None:
    """The engine, made at the first call; None: the library is not installed here."""
    try:
        from cel_expr_python import cel
    except ImportError:
        return None
    return _CelCpp(cel)
