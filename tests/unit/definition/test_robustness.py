"""Whatever is in the file: a castle or DefinitionInvalid, nothing else."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from ephemeral_castle.definition.load import load
from ephemeral_castle.errors import DefinitionInvalid

from .samples import GOOD, MODELS, check

WORDS = st.sampled_from(
    ["castle", "here", "layers", "sites", "needs", "role", "driver", "machines", "database", "podman", "postgres",
     "treasury", "url", "budget", "rto", "password", "secret:x", "10m", "512MiB", "ground", "<<", "", "[key]"]
)  # fmt: skip
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=20)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(max_size=8), inner, max_size=5),
    max_leaves=25,
)


def holds(raw: bytes) -> None:
    """Both doors: findings can be rendered, and `load` raises its own error or gives a castle."""
    for finding in check(raw):
        assert finding.line >= 1
        assert finding.col >= 1
        assert "\x1b" not in finding.render()
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "castle.yaml"
        file.write_bytes(raw)
        with contextlib.suppress(DefinitionInvalid):
            load(file, options_of=MODELS.get, driver_names=list(MODELS))


@given(st.binary(max_size=300))
@example(b"\xff")
@example(b"%YAML 9.9\n---\na: 1")
@example(b"%TAG ! x\n---\n!y z")
def test_random_bytes(raw: bytes) -> None:
    holds(raw)


@given(st.text(alphabet="ab:-?[]{}#&*!|>'\"%@` \n\t,0\x85\u2028é", max_size=60))
def test_random_yaml(text: str) -> None:
    holds(text.encode())


@given(TREES)
def test_random_trees(tree: object) -> None:
    holds(yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", errors="surrogatepass"))


@given(st.dictionaries(WORDS, TREES, max_size=6), st.sampled_from(["layers", "sites", "treasury", "budget", "castle"]))
def test_good_definition_with_one_part_replaced(part: object, key: str) -> None:
    tree = yaml.safe_load(GOOD)
    tree[key] = part
    holds(yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", errors="surrogatepass"))


@given(st.integers(min_value=0, max_value=len(GOOD)), st.integers(min_value=0, max_value=12), st.binary(max_size=6))
def test_good_definition_with_a_wound(start: int, length: int, wound: bytes) -> None:
    raw = GOOD.encode()
    holds(raw[:start] + wound + raw[start + length :])
