"""A service that does not get well, on real machines: mended and pushed, the same run goes on, whatever the life is."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_compose import DATA, SICK, Blog
from tests.systems import CASTLE

pytestmark = [pytest.mark.machines, pytest.mark.evidence("real", *CASTLE, "podman-compose", "git")]

MENDED = DATA.replace("${GREETING:-hello}", "mended")
DATABASE = """\
      database:
        driver: postgres
        machine: data
        pooler: edge
        databases: {app: {owner: app, init: init.sql}}
        users: {app: {}}
        shared_buffers: 64MiB
        max_wal_size: 256MiB
        fence_timeout: 5s
"""


class Whole(Blog):
    """A castle with a database beside its Compose projects: what cannot be made twice."""

    def write(self, *, transport: str = "podman", max_age: str = "1ms") -> None:
        super().write(transport=transport, max_age=max_age)
        text = self.file.read_text()
        text = text.replace(
            "  blog: {role: walls", "  database: {role: treasures, needs: [machines]}\n  blog: {role: walls"
        )
        text = text.replace("needs: [machines]}\nsites", "needs: [machines, database]}\nsites")
        text = text.replace("data: {id: 431, memory: 256MiB}", "data: {id: 431, memory: 1GiB}")
        self.file.write_text(text.replace("      blog:\n", f"{DATABASE}      blog:\n"))

    def sick(self, verb: str, *args: str) -> str:
        """A run that ends since a service does not get well; gives its id, which the hint names."""
        result = self.run(verb, *args, ok=False)
        said = result.stdout + result.stderr
        assert result.returncode == 4, said
        found = re.search(r"mend and push the project, then `castle resume (\S+)`", said)
        assert found is not None, said
        return found[1]

    def runs_with(self, greeting: str, life: int) -> None:
        """All services are up, made from the commit that was pushed last."""
        assert f"GREETING={greeting}" in self.on(431, "podman", "exec", "blog_web_1", "env", life=life).splitlines()
        status = self.data("status")
        assert (status["state"], status["life"]) == ("up", life)
        assert {each["commit"] for each in status["services"] if each["machine"] == "data"} == {self.head()}

    def rows(self, life: int) -> str:
        return self.sql("select count(*) from ledger", life=life)


@pytest.fixture
def newborn() -> Iterator[Whole]:
    """A castle that was never raised."""
    base = Path(tempfile.mkdtemp(prefix="castle-test-", dir="/var/tmp"))
    castle = Whole(base)
    yield castle
    castle.down()
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(scope="module")
def castle() -> Iterator[Whole]:
    """A castle whose life stands, with something in its database."""
    base = Path(tempfile.mkdtemp(prefix="castle-test-", dir="/var/tmp"))
    castle = Whole(base)
    try:
        castle.raise_()
        castle.sql("insert into ledger(id) values (1), (2), (3)", life=1)
        yield castle
    finally:
        castle.down()
        shutil.rmtree(base, ignore_errors=True)


def test_a_first_birth_with_a_broken_service_goes_on_with_what_was_mended(newborn: Whole) -> None:
    """`castle raise --new` was refused, and `castle resume` had the old revision for ever: a dead end."""
    newborn.push({"data/compose.yaml": SICK})
    run = newborn.sick("raise", "--new")
    for words in (["--new"], []):
        refused = newborn.run("raise", *words, ok=False)
        assert refused.returncode == 11, refused.stdout + refused.stderr
        assert f"castle resume {run}" in refused.stdout + refused.stderr
    newborn.push({"data/compose.yaml": DATA.replace("services:", "servises:", 1)})
    result = newborn.run("resume", run, ok=False)
    assert result.returncode == 4
    assert "has errors: data/compose.yaml:1:1: there is no `servises`" in result.stdout + result.stderr
    newborn.push({"data/compose.yaml": MENDED})
    resumed = newborn.run("resume", run)
    assert f"is commit {newborn.head()[:12]} now (as the test wants it): the run goes on with it" in resumed.stderr
    newborn.runs_with("mended", life=1)
    newborn.run("raise")  # the record knows this life: a new run may begin


def test_a_rebirth_with_a_broken_service_goes_on_with_what_was_mended(castle: Whole) -> None:
    life = castle.life()
    castle.push({"data/compose.yaml": SICK})
    run = castle.sick("rebirth", "--confirm", castle.name)
    for verb in (["raise"], ["rebirth", "--confirm", castle.name]):
        assert castle.run(*verb, ok=False).returncode == 11
    castle.push({"data/compose.yaml": MENDED})
    castle.run("resume", run)
    castle.runs_with("mended", life + 1)
    assert castle.rows(life + 1) == "3"


def test_a_raise_after_a_wipe_with_a_broken_service_goes_on_with_what_was_mended(castle: Whole) -> None:
    life = castle.life()
    castle.run("wipe", "--confirm", castle.name)
    castle.push({"data/compose.yaml": SICK})
    run = castle.sick("raise")
    assert f"castle resume {run}" in castle.run("raise", ok=False).stderr
    castle.push({"data/compose.yaml": MENDED})
    castle.run("resume")
    castle.runs_with("mended", life + 1)
    assert castle.rows(life + 1) == "3"
