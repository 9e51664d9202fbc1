"""What every verb must have, and what the help must not cost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from tests.cli.conftest import verbs

from ephemeral_castle.cli.command import VerbCommand
from ephemeral_castle.cli.exit_codes import MEANING, TABLE
from ephemeral_castle.cli.main import castle
from ephemeral_castle.cli.reference import pages

DOCS = Path(__file__).parents[2] / "docs" / "reference"
HEAVY = ("rich", "pydantic", "asyncio", "httpx", "yaml", "sqlite3", "cryptography")


def verb(name: str) -> VerbCommand:
    command = castle.get_command(click.Context(castle), name)
    assert isinstance(command, VerbCommand)
    return command


def test_the_verbs_are_those_of_the_design():
    expected = (
        "init plan rebirth raise wipe seal backup drill restore status watch resume cancel runs logs report doctor card"
    )
    assert set(verbs()) == {
        *expected.split(),
        "prefetch",
        "down",
        "secret",
        "kubeconfig",
        "adopt",
        "check",
        "explain",
        "schemas",
    }


@pytest.mark.parametrize("name", verbs())
class TestEveryVerb:
    def test_has_json(self, name):
        assert any("--json" in parameter.opts for parameter in verb(name).params)

    def test_has_three_examples_that_its_own_parser_takes(self, name):
        import shlex

        examples = verb(name).examples
        assert len(examples) == 3
        for line, meaning in examples:
            assert meaning
            words = shlex.split(line.split(" | ")[0].split(" || ")[0].split(" > ")[0].split(" < ")[0])
            assert words[:2] == ["castle", name]
            verb(name).make_context(name, words[2:])

    def test_help_shows_examples_and_exit_codes(self, name, run):
        result = run(name, "--help")
        assert result.exit_code == 0
        assert "Examples:" in result.stdout
        assert "Exit codes:" in result.stdout
        for code in verb(name).exit_codes:
            assert f"\n  {code} " in result.stdout
        assert all(option.help for option in verb(name).params if isinstance(option, click.Option))

    def test_has_the_same_definition_option_as_all_others(self, name):
        files = [p for p in verb(name).params if "--file" in p.opts]
        assert [p.envvar for p in files] == ([] if name in ("init", "explain", "schemas") else ["CASTLE_FILE"])

    def test_describes_itself_in_the_table(self, name, run):
        assert f"\n  {name} " in run("--help").stdout


def test_exit_codes_are_unique_and_the_errors_use_documented_ones():
    from ephemeral_castle import errors

    assert len(MEANING) == len(TABLE)
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.CastleError)]
    assert len(kinds) > 10
    assert {kind.exit_code for kind in kinds} <= set(MEANING)


@pytest.mark.parametrize("name", ["cli.md", "exit-codes.md", "rules.md", "failures.md"])
def test_the_reference_is_up_to_date(name):
    path = DOCS / name
    assert path.exists(), "write it: python -m ephemeral_castle.cli.reference"
    assert path.read_text(encoding="utf-8") == pages()[name], "write it again: python -m ephemeral_castle.cli.reference"


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["seal", "--help"], []])
def test_help_imports_nothing_heavy(words):
    code = (
        "import sys\n"
        "from ephemeral_castle.cli.main import castle\n"
        "try:\n    castle.main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        f"print([m for m in {HEAVY} if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_help_imports_no_verb():
    code = (
        "import sys\nfrom ephemeral_castle.cli.main import castle\n"
        "try:\n    castle.main(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in sys.modules if m.startswith('ephemeral_castle.cli.verbs')])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_start_up_stays_small():
    """Modules are counted, not seconds: a shared machine cannot make this fail."""
    code = "import sys; bare = len(sys.modules); import ephemeral_castle.cli.main; print(len(sys.modules) - bare)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(result.stdout) < 120


def test_version(run):
    from ephemeral_castle import __version__

    assert run("--version").stdout == f"castle {__version__}\n"


def test_the_version_is_that_of_the_distribution():
    import tomllib

    from ephemeral_castle import __version__

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__


def test_help_of_the_command(run, golden):
    golden("help.txt", run("--help").stdout)


def test_json_of_a_table_is_one_object(run):
    assert json.loads(run("runs", "--json").stdout)["kind"] == "runs"
