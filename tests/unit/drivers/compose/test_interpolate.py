"""`${}` as podman-compose itself replaces it."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemeral_castle.drivers.compose.interpolate import Malformed, Used, dotenv, interpolated

VALUES = {"A": "one", "EMPTY": "", "B_2": "two"}


def theirs() -> ModuleType:
    """podman-compose, imported by tests only, to compare with."""
    spec = importlib.util.find_spec("podman_compose")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules.get("podman_compose") or importlib.util.module_from_spec(spec)
    if "podman_compose" not in sys.modules:
        sys.modules["podman_compose"] = module
        spec.loader.exec_module(module)
    return module


def ours(text: str) -> Any:
    used = Used()
    try:
        result = interpolated(text, VALUES, used)
    except Malformed:
        return "refused"
    return "refused" if any(used.missing.values()) else result


def reference(text: str) -> Any:
    try:
        return theirs().var_interpolate(text, VALUES)
    except ValueError:
        return "refused"


@pytest.mark.parametrize(
    "text",
    ["", "a", "$", "$$", "$A", "${A}", "${A}x$B_2", "${X:-d}", "${EMPTY:-d}", "${EMPTY-d}", "${X:-${A}}", "${X:+y}",
     "${A:+y}", "${A+y}", "${EMPTY:+y}", "${EMPTY+y}", "${X:?no}", "${EMPTY:?no}", "${EMPTY?no}", "${A:?no}", "$5",
     "${}", "${1}", "${A!b}", "$$A", "${X:-$$}", "a$"],
)  # fmt: skip
def test_as_podman_compose(text: str) -> None:
    assert ours(text) == reference(text)


@given(st.text("A${}:-?+EMPTYX_ ", max_size=14))
def test_as_podman_compose_whatever_is_written(text: str) -> None:
    expected = reference(text)
    if ours(text) == "refused" and text.endswith("${"):
        return  # podman-compose takes it for nothing, Docker refuses it
    if "?" in text:  # which of several it names first does not matter
        assert (ours(text) == "refused") or ours(text) == expected
    else:
        assert ours(text) == expected


@pytest.mark.parametrize(
    "text", ["A=1", "export A = 1", "A='1 # 2'", 'A="x y" # z', "A=b # c", "# A=1", "A=", "", "A=1\nA=2", "A=x#y"]
)
def test_env_files_as_dotenv_reads_them(text: str) -> None:
    import io

    from dotenv import dotenv_values

    assert dotenv(text) == dict(dotenv_values(stream=io.StringIO(text), interpolate=False))
