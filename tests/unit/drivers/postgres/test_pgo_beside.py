"""A copy beside a database that an operator runs: apart in name, volume and archive, and gone without a trace."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ephemeral_castle.drivers.postgres.pgo import steps
from ephemeral_castle.drivers.postgres.pgo.beside import Rehearse, Side
from ephemeral_castle.drivers.postgres.pgo.birth import Birth
from ephemeral_castle.drivers.postgres.pgo.claims import wanted
from ephemeral_castle.drivers.postgres.pgo.clearing import Listing
from ephemeral_castle.drivers.postgres.pgo.home import Promote
from ephemeral_castle.drivers.postgres.pgo.part import Operated
from ephemeral_castle.errors import Refused
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.step import Step
from ephemeral_castle.postgres.lsn import Lsn
from ephemeral_castle.postgres.moment import Moment
from ephemeral_castle.postgres.segments import History
from ephemeral_castle.spi.driver import Request
from ephemeral_castle.spi.kubernetes import Manifest, Ref
from ephemeral_castle.spi.processes import Result
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.world.simulated_kubernetes import MemoryCluster
from tests.guarded import GuardedCluster
from tests.unit.drivers.postgres.operated import GROUP, LAYER, SITE, named, options, serving
from tests.unit.drivers.postgres.test_pgo_bad_days import installed, part

COPY = Ref(f"{GROUP}/v1beta1", "PostgresCluster", "db-side", "data")
TIME = "2026-11-22 10:00:00.000000+00"
PAST = Moment("20261122-1F", "0000000300000000000000A1", 3, TIME)
APART = "repo1-host=db-side-repo-host-0\nrepo1-path=/pgbackrest/repo1\n"
SURVEY = {"plan": "restore", "presence": "present", "system_id": "7"}


class Keys:
    """Every secret is there."""

    async def get(self, name: str) -> Secret:
        return Secret(f"the {name}")


def world(there: MemoryCluster, told: str = APART, histories: Sequence[str] = ()) -> Any:
    """A living database, and an operator that brings a copy up at once; `told`: where the copy archives."""

    def operator(live: Manifest) -> None:
        if live["metadata"]["name"] != COPY.name or live.get("status"):
            return
        there.status(COPY, {"patroni": {"systemIdentifier": "7"}})
        labels = {f"{GROUP}/cluster": "db-side", f"{GROUP}/instance": "x", f"{GROUP}/role": "master"}
        states = [{"name": "database", "state": {"running": {}}}]
        there.put(
            named("Pod", "db-side-a-x-0", labels=labels, status={"phase": "Running", "containerStatuses": states})
        )

    def commands(_: str, pod: str, __: str, argv: Sequence[str], ___: bytes) -> Result:
        assert pod == "db-side-a-x-0"
        text = argv[-1]
        answers = {"conf.d": told, "system_identifier": "7", "pg_walfile": "4", "to_regclass": "t", "max(at)": TIME}
        return Result(0, next(answer for word, answer in answers.items() if word in text), "")

    async def objects(_: str) -> AsyncIterator[Any]:
        for each in histories:
            yield SimpleNamespace(key=f"pgbackrest/database/archive/db/17-1/{each}")

    there.react("PostgresCluster", operator)
    there.commands = commands
    return SimpleNamespace(list=objects)


def side(there: MemoryCluster, kind: type[Operated] = Side, **more: Any) -> Any:
    """A part that is asked for a moment of the past."""
    objects = world(there, **more)
    made = part(kind, there, SURVEY, secrets=Keys())
    made.ctx.world.objects = objects
    made.ctx.world.identities = None

    async def chosen() -> tuple[int, Moment]:
        return 1, PAST

    async def flush() -> None:
        return None

    made.chosen, made._flush = chosen, flush
    return made


async def test_the_copy_has_a_name_a_volume_and_an_archive_of_its_own() -> None:
    there = installed(*serving(2))
    seen = await side(there).act()
    made = there.objects[COPY]["spec"]
    repos = made["backups"]["pgbackrest"]["repos"]
    assert [sorted(each) for each in repos] == [["name", "volume"]]
    assert made["dataSource"]["pgbackrest"]["repo"]["s3"]["bucket"] == "b"
    assert made["users"] == []
    assert "proxy" not in made
    assert seen.facts["as_of"] == TIME
    assert "psql" in seen.facts["enter"]
    assert "kubectl -n data delete postgrescluster db-side" in seen.detail
    owner = there.objects[Ref("v1", "Secret", "db-side-s3", "data")]["metadata"]["ownerReferences"][0]
    assert owner["uid"] == there.objects[COPY]["metadata"]["uid"]


async def test_a_time_is_quoted_for_the_shell_that_the_operator_puts_it_into() -> None:
    there = installed(*serving(2))
    await side(there).act()
    told = there.objects[COPY]["spec"]["dataSource"]["pgbackrest"]["options"]
    assert told == ["--set=20261122-1F", "--target-timeline=3", "--type=time", f"--target='{TIME}'"]


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        (Moment("F", "", alone=True), ("--set=F", "--type=immediate")),
        (Moment("F", ""), ("--set=F", "--type=name", "--target=the-cut")),
        (Moment("F", "", 0, TIME), ("--set=F", "--type=time", f"--target='{TIME}'")),
    ],
)
def test_every_moment_is_told_without_a_word_that_the_operator_refuses(moment: Moment, told: tuple[str, ...]) -> None:
    assert Birth.at(moment, "the-cut").options == told


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"told": "repo1-type=s3\nrepo1-path=/p\n"}, "archives into a repository outside of it"),
        ({"histories": ["00000003.history", "00000004.history"]}, "it archives beside the living one"),
    ],
)
async def test_a_copy_that_is_not_apart_goes_at_once(more: dict[str, Any], words: str) -> None:
    there = installed(*serving(2))
    with pytest.raises(Refused, match="no copy beside it") as error:
        await side(there, **more).act()
    assert words in str(error.value.why)
    assert COPY not in there.objects
    assert there.all("ValidatingAdmissionPolicy") == []


async def test_a_rehearsal_leaves_nothing_behind_and_says_what_is_to_be_restored() -> None:
    there = installed(*serving(2))
    before = set(there.objects)
    seen = await side(there, Rehearse).act()
    assert set(there.objects) - before == {Ref("v1", "Pod", "db-side-a-x-0", "data")}  # no garbage collector here
    found = {"database.rehearse": seen.facts, "database.mark": {"mark": {"name": "cut"}}}
    again = part(Operated, there, SURVEY, found=found)
    assert again.birth() == Birth.at(PAST)


async def test_a_wipe_takes_the_copy_along() -> None:
    there = installed(*serving(2))
    await side(there).act()
    listed = await part(Listing, there, SURVEY).observe()
    assert {each["name"] for each in listed.facts["inventory"]} >= {"db", "db-side", "db-side-s3"}


async def test_with_just_its_claims_a_copy_comes_and_goes() -> None:
    there = installed(*serving(2), kind=GuardedCluster)
    made = side(there, Rehearse)
    claimed = wanted(options(), cast("Any", SimpleNamespace(verb=Verb.RESTORE)))
    cast("GuardedCluster", there).granted = set(claimed)
    await made.act()


def planned(**more: Any) -> dict[str, Step]:
    castle: Any = SimpleNamespace(name="lab", proof_max_age=60.0)
    return {each.action: each for each in steps.plan(LAYER, options(), Request(Verb.RESTORE, castle, SITE, **more))}


def test_beside_changes_nothing_else() -> None:
    assert list(planned(side=True)) == ["image", "outside", "revive", "survey", "side"]


def test_in_place_is_rehearsed_proven_and_sealed_before_anything_is_deleted() -> None:
    found = planned(to="2026-11-22T10:00:00+00:00")
    assert {"database.rehearse", "database.proof"} <= set(found["marker-b"].needs)
    assert found["shut"].id == "database.fence"
    assert found["lock"].needs == ("database.survey", "database.destroy")
    assert found["home"].needs == ("database.lock",)
    assert "database.compare" in found["lift"].needs
    assert [name for name in found if name.endswith("revoked")] == []
    order = list(found)
    assert order.index("stop") < order.index("destroy") < order.index("home") < order.index("backup-after")


@pytest.mark.parametrize(
    ("moment", "judged"), [(PAST, False), (Moment("F", ""), True), (Moment("F", "", alone=True), False)]
)
async def test_what_is_brought_back_to_a_moment_of_the_past_need_not_reach_the_mark(
    moment: Moment, judged: bool
) -> None:
    """Its own target is before it; the newest state must reach it, or something was lost on the way."""
    mark = {"lsn": "0/5000028", "timeline": 3, "name": "cut", "system_id": "7"}
    found = {"database.rehearse": {"moment": dataclasses.asdict(moment)}, "database.mark": {"mark": mark}}
    promote = part(Promote, installed(), SURVEY, found=found)

    async def session(**_: Any) -> Any:
        return SimpleNamespace(json=system)

    async def system(_: str) -> dict[str, str]:
        return {"system_id": "7"}

    promote.session = session
    early = History(4, ((3, Lsn.parse("0/4000000")),))
    if not judged:
        await promote.descends(early)
        return
    with pytest.raises(Refused, match="not database `database` as it was"):
        await promote.descends(early)
