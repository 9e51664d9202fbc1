"""A drill of any castle that can be defined: nothing in its plan, and nothing in its reach, changes the living one."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemeral_castle.cli import wiring
from ephemeral_castle.cli.drilling import beside, rehearsed
from ephemeral_castle.cli.places import places
from ephemeral_castle.errors import Permanent, Refused
from ephemeral_castle.journal.drill_record import DrillRecords, with_proofs
from ephemeral_castle.journal.record import RecordStore
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.plan import Plan
from ephemeral_castle.model.record import Record
from ephemeral_castle.model.step import Effect, Phase
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.world.reading import BorrowedSecrets, ReadingIdentities, ReadingObjects
from ephemeral_castle.world.simulated import ManualClock, MemoryIdentities, MemoryObjects, MemorySecrets

WHOLE = """\
castle: whole
repository: {url: /srv/whole.git, ref: main}
treasury: {url: s3://whole, server: here}
layers:
  machines: {role: ground}
  database: {role: treasures, needs: [machines]}
  uploads: {role: treasures, needs: [machines]}
  certificate: {role: gates}
  blog: {role: walls, needs: [machines, database, uploads, certificate]}
  name: {role: gates, needs: [blog]}
  answers: {role: proof, needs: [database]}
  page: {role: proof, needs: [name]}
sites:
  here:
    layers:
      machines:
        driver: podman
        machines: {data: {id: 431, memory: 1GiB}, edge: {id: 432, memory: 256MiB}}
      database:
        driver: postgres
        machine: data
        pooler: edge
        databases: {app: {owner: app}}
        users: {app: {}}
      uploads: {driver: restic, machine: data, volume: blog_uploads}
      certificate:
        driver: certificates
        names: [blog.castle.example]
        issuer:
          directory: https://acme.example/directory
          contact: hostmaster@castle.example
          dns: {server: 127.0.0.1:5353, zone: castle.example, key: dns/tsig}
      blog: {driver: compose, projects: {data: data, edge: edge}}
      name:
        driver: rfc2136
        server: 127.0.0.1:5353
        zone: castle.example
        key: dns/tsig
        maintenance: here
        records: {blog: edge}
      answers: {driver: postgres-probe, database: database}
      page: {driver: http-probe, name: name, url: https://blog.castle.example/}
"""
# What changes the living castle, its treasury, its names, or what a CA counts.
NEVER = {
    "writer", "revoke", "announce", "settle", "record-seal", "record-life", "record-wipe", "unseal", "doors",
    "revive", "inventory", "destroy", "marker-a", "marker-b", "backup", "backup-now", "backup-after", "proof", "fence",
    "mark", "stop", "last", "quiet", "expire", "rewind", "cold", "switch", "lower-ttl", "maintenance", "page", "remove",
    "obtain", "renew", "issue",
}  # fmt: skip
# What may go on before the drill has a room: nothing of it is made on this computer but images that all castles share.
ROOMLESS = {"image", "images", "source", "look", "room"}


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    file = tmp_path / "castle.yaml"
    file.write_text(WHOLE)
    return wiring.offline_plan(wiring.load_castle(str(file)), Verb.DRILL, None, {})


def before(plan: Plan, step_id: str) -> set[str]:
    found: set[str] = set()
    waiting = [step_id]
    while waiting:
        new = set(plan.edges[waiting.pop()]) - found
        found |= new
        waiting.extend(new)
    return found


def test_a_drill_archives_nothing_switches_no_name_mints_no_writer_and_stops_nobody(plan: Plan) -> None:
    actions = {step.action for step in plan.steps}
    assert actions & NEVER == set()
    assert not any(action.startswith("still-") for action in actions)
    assert not any(step.phase in (Phase.PROVE, Phase.SEAL, Phase.DESTROY) for step in plan.steps)
    assert {step.layer for step in plan.steps} == {"castle", *plan.roles}


def test_a_drill_stands_on_its_room_and_ends_with_its_removal(plan: Plan) -> None:
    for step in plan.steps:
        if step.action not in ROOMLESS:
            assert "castle.room" in before(plan, step.id), step.id
    assert plan.steps[-1].id == "castle.dissolve"
    assert before(plan, "castle.dissolve") == {step.id for step in plan.steps[:-1]}
    assert [step.id for step in plan.steps if step.undo] == ["castle.room"]


def test_a_drill_counts_only_when_everything_was_served(plan: Plan) -> None:
    proven = before(plan, "castle.record-proof")
    probes = {step.id for step in plan.steps if step.clock == "served"}
    homes = {step.id for step in plan.steps if step.effect is Effect.IRREVERSIBLE and step.phase is Phase.RESTORE}
    assert len(probes) == 2
    assert probes | homes <= proven


def test_a_drill_of_a_castle_without_probes_counts_when_its_data_are_home(tmp_path: Path) -> None:
    text = (
        WHOLE.split("  answers: {role", maxsplit=1)[0]
        + "sites:"
        + WHOLE.split("sites:")[1].split("      answers:", maxsplit=1)[0]
    )
    file = tmp_path / "castle.yaml"
    file.write_text(text)
    bare = wiring.offline_plan(wiring.load_castle(str(file)), Verb.DRILL, None, {})
    assert {"database.lift", "uploads.home", "blog.healthy"} <= before(bare, "castle.record-proof")


def test_a_drill_has_another_name_network_and_places(plan: Plan, tmp_path: Path) -> None:
    castle = wiring.load_castle(str(tmp_path / "castle.yaml"))
    named, site = rehearsed(castle, castle.site())
    assert named.name != castle.name
    assert not ipaddress.ip_network(site.subnet).overlaps(ipaddress.ip_network(castle.site().subnet))
    assert named.treasury == castle.treasury
    here, there = places(castle.name), places(castle.name).drill
    assert len({here.slug, there.slug, here.state, there.state, here.runtime, there.runtime}) == 6
    assert not here.treasury.is_relative_to(there.state)
    assert not there.state.is_relative_to(here.state)
    # A castle of a person's that bears the drill's name is not where the drill is.
    assert places(named.name).slug != there.slug
    assert places(named.name).state != there.state
    assert len(places("x" * 40).drill.slug) <= 40


@given(st.integers(0, 2**32 - 1), st.integers(16, 28))
def test_the_neighbour_of_a_network_never_overlaps_it(address: int, length: int) -> None:
    network = ipaddress.ip_network((address, length), strict=False)
    other = ipaddress.ip_network(beside(str(network)))
    assert not network.overlaps(other)
    assert other.prefixlen == length
    if network.supernet().is_private:
        assert other.is_private


FACTS = st.dictionaries(st.sampled_from(["system_id", "timeline", "seal", "arriving"]), st.integers(0, 3))
PROOFS = st.none() | st.fixed_dictionaries({"at": st.floats(0, 9), "label": st.text(max_size=3)})


@st.composite
def lineages(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for layer in draw(st.sets(st.sampled_from(["database", "uploads", "more"]))):
        proof = draw(PROOFS)
        found[layer] = {**draw(FACTS), **({"proof": proof} if proof else {})}
    return found


def bare(lineage: dict[str, Any]) -> dict[str, Any]:
    return {name: {key: value for key, value in facts.items() if key != "proof"} for name, facts in lineage.items()}


@given(lineages(), lineages())
def test_whatever_a_drill_wishes_only_newer_proofs_reach_the_record(
    known: dict[str, Any], wished: dict[str, Any]
) -> None:
    found = with_proofs(known, wished)
    assert bare(found) == bare(known)
    for name, facts in found.items():
        old, new = known[name].get("proof"), facts.get("proof")
        assert new == old or new["at"] > (old or {"at": 0})["at"]
    assert with_proofs(found, wished) == found, "applied twice it gives something else"


async def test_a_drill_sees_a_castle_that_stands_nowhere_and_cannot_change_it() -> None:
    objects = MemoryObjects(ManualClock())
    store = RecordStore(objects, "age1")
    lineage = {"database": {"system_id": "1"}}
    made = await store.create(
        Record("id", "toy", "age1", 3, 4, "here", "one", {"3": [{"id": "x"}]}, lineage, {"3": "w"}, {"database": "a"})
    )
    records = DrillRecords(store, "toy-drill")
    loaded = await records.load()
    assert loaded is not None
    seen = loaded[0]
    assert (seen.name, seen.site, seen.pending_life, seen.inventory, seen.writers) == ("toy-drill", "", 0, {}, {})
    assert (seen.id, seen.life, seen.lineage) == ("id", 3, lineage)
    proof = {"label": "A", "at": 5.0}
    await records.update(lambda r: Record("other", "other", "age1", 9, lineage={"database": {"proof": proof}}))
    after = await store.load()
    assert after is not None
    wanted = {**vars(made), "lineage": {"database": {"system_id": "1", "proof": proof}}, "nonce": after[0].nonce}
    assert vars(after[0]) == wanted
    with pytest.raises(Refused, match="no record"):
        await DrillRecords(RecordStore(MemoryObjects(ManualClock()), "age1"), "x").create(made)


async def test_the_treasury_of_a_drill_can_only_be_read() -> None:
    objects = MemoryObjects(ManualClock())
    etag = await objects.put("a", b"1")
    looking = ReadingObjects(objects)
    assert await looking.get("a") == (b"1", etag)
    assert [stat.key async for stat in looking.list("")] == ["a"]
    assert (await looking.head("a")) is not None
    attempts: list[Callable[[], Awaitable[Any]]] = [
        lambda: looking.put("a", b"2"),
        lambda: looking.create("b", b"2"),
        lambda: looking.swap("a", b"2", etag),
        lambda: looking.delete("a"),
    ]
    for attempt in attempts:
        with pytest.raises(Permanent, match="a drill was about to"):
            await attempt()
    assert await objects.get("a") == (b"1", etag)


async def test_a_drill_makes_readers_and_nobody_else() -> None:
    accounts = MemoryIdentities()
    reading = ReadingIdentities(accounts)
    await reading.mint_reader("reader", "s")
    assert await reading.may_read("reader")
    assert not await reading.may_read("reader", "restic")
    assert not await reading.may_keep("reader")
    assert await reading.exists("reader")
    attempts: list[Callable[[], Awaitable[Any]]] = [
        lambda: reading.mint_writer("writer", "s", []),
        lambda: reading.mint_keeper("keeper", "s"),
        lambda: reading.revoke("reader"),
    ]
    for attempt in attempts:
        with pytest.raises(Permanent, match="a drill was about to"):
            await attempt()
    assert list(accounts.accounts) == ["reader"]


async def test_what_a_drill_makes_up_is_forgotten_with_it() -> None:
    vault = MemorySecrets()
    await vault.put("known", Secret("k"))
    secrets = BorrowedSecrets(vault)
    await secrets.put("made-up", Secret("m"))
    await secrets.put("reader", Secret("r"))
    found = [await secrets.get(name) for name in ("known", "made-up", "reader", "none")]
    assert [each and each.reveal() for each in found] == ["k", "m", "r", None]
    assert set(vault.known) == {"known", "reader"}
