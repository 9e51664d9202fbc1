"""The steps of a layer, against a repository, a store and machines that answer as the test says."""

from __future__ import annotations

import dataclasses
import io
import json
import tarfile
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ephemeral_castle.definition.shape import namings
from ephemeral_castle.drivers.compose import ComposeDriver, errand, images, steps
from ephemeral_castle.drivers.compose.again import Again
from ephemeral_castle.drivers.compose.healthy import Healthy, inside
from ephemeral_castle.drivers.compose.options import ComposeOptions, ImageOptions
from ephemeral_castle.drivers.compose.part import Desk
from ephemeral_castle.drivers.compose.source import Source
from ephemeral_castle.drivers.compose.still import Still
from ephemeral_castle.drivers.compose.up import Up
from ephemeral_castle.errors import CastleError, Permanent, Refused
from ephemeral_castle.model.castle import Castle, Layer, Role, Site, Treasury, Verb
from ephemeral_castle.model.record import Record
from ephemeral_castle.model.step import Effect, Phase, State
from ephemeral_castle.spi.driver import Context, Request
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.spi.world import File, Machine, Recipe, Result, Revision
from tests.unit.drivers.compose.samples import GOOD, files

OLD, NEW, RUN = "5" * 40, "6" * 40, "20261122-100000-beef"
COMPOSE = GOOD.replace("PEER: ${CASTLE_ADDRESS_EDGE}", "PEER: ${CASTLE_ADDRESS_EDGE} ${CASTLE_DATABASE_HOST}")
GROUND = Layer("machines", Role.GROUND, "podman", options={"machines": {"data": {"id": 431}, "edge": {"id": 432}}})
LAYER = Layer("blog", Role.WALLS, "compose", ("machines", "database"), position="castle.yaml:9:3")
KEPT = Layer("uploads", Role.TREASURES, "restic", options={"machine": "data", "volume": "blog_data"})
SITE = Site("here", (GROUND, Layer("database", Role.TREASURES, "postgres"), KEPT, LAYER))


class Repository:
    """Implements `spi.world.Source` in memory."""

    def __init__(self, folders: Mapping[str, Mapping[str, File]]) -> None:
        self.folders = folders
        self.kept: list[str] = []
        self.head = Revision(OLD, "main", "bundle", "as it was", 1.0, ("from the copy in the treasury",))
        self.pushed: Mapping[str, Mapping[str, File]] = {}
        self.trouble: CastleError | None = None

    def push(self, compose: str, source: str = "remote", **more: str) -> None:
        """Another commit, seen there or only in the treasury's copy."""
        self.pushed = {**self.folders, "stacks/data": files(compose, **more)}
        self.head = Revision(NEW, "main", source, "mended", 2.0)

    async def resolve(self, ref: str = "") -> Revision:
        if self.trouble is not None:
            raise self.trouble
        return self.head

    async def read(self, sha: str, folder: str = "") -> Mapping[str, File]:
        return (self.pushed if sha == NEW else self.folders).get(folder, {})

    async def keep(self, sha: str, ref: str = "") -> None:
        self.kept.append(sha)


class Store:
    """Implements what is needed of `spi.world.Images`."""

    def __init__(self) -> None:
        self.there: set[str] = set()

    def reference(self, recipe: Recipe) -> str:
        return f"localhost/castle-{recipe.name}:d"

    async def present(self, recipe: Recipe) -> bool:
        return recipe.name in self.there

    async def present_reference(self, reference: str) -> bool:
        return reference in self.there

    async def build(self, recipe: Recipe, progress: Any) -> str:
        self.there.add(recipe.name)
        return self.reference(recipe)

    async def pull(self, reference: str, progress: Any) -> str:
        self.there.add(reference)
        return reference.partition(":")[0] + "@sha256:1"


class Ctx:
    """Implements what is needed of `spi.driver.Context`."""

    def __init__(self, compose: str = COMPOSE, **options: Any) -> None:
        written = {"projects": {"data": "stacks/data"}, "secrets": {"token": "blog/token"}, **options}
        self.options = ComposeOptions(**written)
        self.layer, self.life, self.old_life = LAYER, 2, 1
        self.passed_no_return = False
        self.run, self.record = RUN, Record("c", "c", "age1toy", 2, site="here")
        self.request = Request(Verb.RAISE, Castle("c", Treasury("b", "c"), {"here": SITE}), SITE)
        self.repository = Repository({"stacks/data": files(compose), "tools": {"run": File("run", b"#!/bin/sh\n")}})
        clock = SimpleNamespace(monotonic=lambda: 100.0)
        self.world = SimpleNamespace(source=self.repository, images=Store(), clock=clock)
        self.known: dict[str, Mapping[str, Any]] = {"blog.source": {"sha": OLD, "ref": "main", "subject": "as it was"}}
        self.endpoint: dict[str, Any] | None = {"address": "10.0.0.3", "port": 6432}
        self.secrets = self
        self.vault: dict[str, Secret] = {}
        self.said: list[str] = []
        self.decisions: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, dict[str, Any], bytes]] = []

    def facts(self, step: str) -> Mapping[str, Any]:
        return self.known.get(step, {})

    def claims(self) -> list[Any]:
        return []

    def published(self, layer: str, fact: str) -> Any:
        return self.endpoint if (layer, fact) == ("database", "endpoint") else None

    def progress(self, text: str, **_: Any) -> None:
        self.said.append(text)

    def diagnostic(self, severity: str, text: str) -> None:
        self.said.append(f"{severity}: {text}")

    def decided(self, decision: str, reason: str, /, **inputs: Any) -> None:
        self.decisions.append((decision, inputs))

    async def get(self, name: str) -> Secret | None:
        return self.vault.get(name)

    async def put(self, name: str, value: Secret) -> None:
        self.vault[name] = value

    async def machine(self, name: str, *, old: bool = False) -> Machine:
        address = {"data": "10.0.0.1", "edge": "10.0.0.2"}[name]
        return Machine(
            431, name, self.old_life if old else self.life, address, cast("Any", SimpleNamespace(run=self.answer))
        )

    async def answer(self, argv: list[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        length, _, rest = stdin.partition(b"\n")
        line, _, archive = rest[int(length) :].partition(b"\n")
        self.asked.append((argv[3], json.loads(line), archive))
        return Result(0, json.dumps(self.answers[argv[3]]), "")


def part(kind: Any, ctx: Ctx, machine: str = "data", desk: Desk | None = None) -> Any:
    return kind(cast("Context", ctx), desk or Desk(), machine)


def container(service: str, **more: Any) -> dict[str, Any]:
    return {
        "name": f"blog_{service}_1",
        "id": "1",
        "service": service,
        "running": True,
        "state": "running",
        "code": 0,
        **more,
    }


async def test_a_revision_is_judged_and_kept() -> None:
    ctx = Ctx()
    del ctx.known["blog.source"]
    seen = await part(Source, ctx).act()
    assert seen.state is State.REACHED
    assert (seen.facts["sha"], seen.facts["from"], seen.facts["subject"]) == ("5" * 40, "bundle", "as it was")
    assert ctx.repository.kept == ["5" * 40]
    assert ctx.said == ["warning: from the copy in the treasury"]


async def test_errors_refuse_the_run_and_keep_nothing() -> None:
    ctx = Ctx(COMPOSE.replace("services:", "servises:"))
    del ctx.known["blog.source"]
    with pytest.raises(Refused, match="2 errors") as error:
        await part(Source, ctx).act()
    assert "stacks/data/compose.yaml:1:1: there is no `servises`" in error.value.why
    assert ctx.repository.kept == []


async def test_what_a_project_with_an_error_has_was_called_a_slip() -> None:
    """The first error that a person read was about a name that is right."""
    ctx = Ctx(COMPOSE.replace("services:", "servises:"), accept_loss=["blog_data"])
    del ctx.known["blog.source"]
    with pytest.raises(Refused, match="2 errors") as error:
        await part(Source, ctx).act()
    assert "accept_loss" not in error.value.why


async def test_an_acceptance_that_fits_nothing_is_refused() -> None:
    ctx = Ctx(accept_environment=["wep.TOKEN"])
    del ctx.known["blog.source"]
    with pytest.raises(Refused) as error:
        await part(Source, ctx).act()
    assert "castle.yaml:9:3: `accept_environment` names wep.TOKEN" in error.value.why


async def test_a_loss_that_fits_nothing_is_refused() -> None:
    """A name with a slip would accept nothing, and the real one would be refused at the next push only."""
    ctx = Ctx(accept_loss=["blog_dta", "/srv"])
    del ctx.known["blog.source"]
    with pytest.raises(Refused, match="2 errors") as error:
        await part(Source, ctx).act()
    assert "castle.yaml:9:3: `accept_loss` names blog_dta, and no project has it" in error.value.why
    assert "`accept_loss` names /srv" in error.value.why


async def test_without_a_repository_it_is_said_what_to_add() -> None:
    ctx = Ctx()
    del ctx.known["blog.source"]
    ctx.world.source = None
    with pytest.raises(Permanent) as error:
        await part(Source, ctx).act()
    assert "repository:" in error.value.hints[0]


async def test_images_are_built_or_pulled_once() -> None:
    image = ImageOptions(packages=["tool"], files={"/bin/run": "tools/run"})
    ctx = Ctx(images={"localhost/tool": image})
    assert (await part(images.Images, ctx).observe()).state is State.NOT_REACHED
    seen = await part(images.Images, ctx).act()
    assert seen.facts["images"] == {
        "localhost/tool": "localhost/castle-tool:d",
        "registry.example/web:1": "registry.example/web@sha256:1",
    }
    assert (await part(images.Images, ctx).observe()).facts == seen.facts


async def test_a_file_of_an_image_that_the_repository_lacks_is_refused() -> None:
    image = ImageOptions(packages=["tool"], files={"/bin/run": "tools/none"})
    ctx = Ctx(images={"localhost/tool": image})
    del ctx.known["blog.source"]
    with pytest.raises(Refused) as error:
        await part(Source, ctx).act()
    assert "tools/none: image `localhost/tool` takes this file, and the repository lacks it" in error.value.why


async def test_prefetch_knows_what_the_newest_revision_wants() -> None:
    ctx = Ctx(images={"localhost/tool": ImageOptions(packages=["tool"])})
    recipes, references = await ComposeDriver().images_of(LAYER, ctx.options, cast("Any", ctx.repository))
    assert [recipe.name for recipe in recipes] == ["tool"]
    assert references == ["registry.example/web:1"]


async def test_a_machine_is_handed_files_values_and_a_secret_that_was_made_up_and_stored_first() -> None:
    ctx = Ctx()
    ctx.answers["up"] = {"containers": [container("web")], "fresh": ["web"], "removed": ["blog_old_1"]}
    seen = await part(Up, ctx).act()
    verb, request, archive = ctx.asked[0]
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        env = cast("Any", tar.extractfile("beside/env")).read()
        secret = cast("Any", tar.extractfile("project/secrets/token")).read()
        assert "tool" in tar.getnames()
    assert verb == "up"
    assert env == b"CASTLE_ADDRESS_EDGE='10.0.0.2'\nCASTLE_DATABASE_HOST='10.0.0.3'\n"
    assert ctx.vault["blog/token"].reveal().encode() == secret
    assert secret.decode() not in json.dumps([request, dict(seen.facts), ctx.said])
    assert seen.facts["ports"] == [8000]
    assert "no longer in the project: blog_old_1" in ctx.said[0]


def test_names_of_secrets_are_no_secrets_in_plain_text() -> None:
    """The definition was told that `app_password: database/user/app` looks like a secret."""
    options = ComposeOptions(projects={"data": "data"}, secrets={"app_password": "secret:database/user/app"})
    assert options.secrets == {"app_password": "database/user/app"}
    assert {naming.kind for naming in namings(options) if naming.name == "database/user/app"} == {"secret"}


async def test_a_look_makes_no_secret() -> None:
    """`observe` changes nothing: the first look at a new layer stored a secret in the vault."""
    ctx = Ctx()
    assert (await part(Up, ctx).observe()).state is State.NOT_REACHED
    assert (ctx.vault, ctx.asked) == ({}, [])


async def test_a_secret_of_somebody_else_is_never_made_up() -> None:
    with pytest.raises(Permanent, match="`database/user/app` is missing"):
        await part(Up, Ctx(secrets={"token": "database/user/app"})).act()


async def test_a_needed_layer_that_says_no_address_is_an_error() -> None:
    ctx = Ctx()
    ctx.vault["blog/token"] = Secret("x")
    ctx.endpoint = None
    with pytest.raises(Permanent, match="`database` does not say where it answers"):
        await part(Up, ctx).observe()


async def test_nothing_changed_costs_one_call_and_health_is_taken_from_it() -> None:
    ctx, desk = Ctx(), Desk()
    machine = await ctx.machine("data")
    digest = (await part(Up, ctx).parcel(machine)).digest(errand.tool()[0])
    done = container("job", running=False, state="exited")
    ctx.answers["see"] = {"digest": digest, "tool": True, "containers": [container("web", health="healthy"), done]}
    assert (await part(Up, ctx, desk=desk).observe()).state is State.REACHED
    assert (await part(Healthy, ctx, "", desk).observe()).state is State.REACHED
    assert len(ctx.asked) == 1
    assert desk.has_tool == {"data"}


@pytest.mark.parametrize(
    "containers", [[], [container("web")], [container("web"), container("job", running=False, state="exited", code=1)],
                   [container("web"), container("job"), container("old")]]
)  # fmt: skip
async def test_what_does_not_run_is_brought_up(containers: list[Any]) -> None:
    ctx = Ctx()
    digest = (await part(Up, ctx).parcel(await ctx.machine("data"))).digest(errand.tool()[0])
    ctx.answers["see"] = {"digest": digest, "tool": True, "containers": containers}
    assert (await part(Up, ctx).observe()).state is State.NOT_REACHED


async def test_one_that_is_never_well_is_told_without_the_secrets_it_printed() -> None:
    ctx = Ctx()
    ctx.vault["blog/token"] = Secret("hunter2hunter2")
    told = {"service": "web", "why": "it ended with exit status 1", "check": "", "logs": ["got hunter2hunter2"]}
    ctx.answers["health"] = {"failed": [told], "services": {}}
    with pytest.raises(Permanent, match="a service does not get well") as error:
        await part(Healthy, ctx, "").act()
    assert error.value.why == "`web` on data: it ended with exit status 1, its log ends: got [redacted]"
    assert error.value.hints[-1] == "mend and push the project, then `castle raise`"


async def test_services_that_write_are_stilled_and_a_machine_that_is_gone_has_none() -> None:
    ctx = Ctx()
    ctx.answers["moving"] = {"services": ["web"], "running": ["web"], "names": []}
    ctx.answers["still"] = {"services": ["web"], "running": [], "names": ["blog_web_1"]}
    ctx.answers["again"] = {"services": ["blog_web_1"]}
    still = part(Still, ctx)
    assert (await still.observe()).state is State.NOT_REACHED
    assert (await still.act()).facts == {"stilled": ["web"], "names": ["blog_web_1"]}
    assert ctx.asked[-1][1]["layers"] == ["blog"]  # the first layer looks after what no layer has any more
    assert await still.undo() == "started again: blog_web_1"
    ctx.known["machines.revive"] = {"containers": []}
    assert (await still.observe()).waived
    ctx.known["machines.revive"] = {"containers": ["c-1-432"]}  # the old life had the other machine only
    assert (await still.observe()).waived


async def test_after_a_restore_in_place_the_services_run_again_and_are_well() -> None:
    ctx = Ctx()
    again = part(Again, ctx)
    ctx.known["blog.still-data"] = {"stilled": ["reader"], "names": []}
    assert (await again.observe()).detail == "nothing was stopped here"
    ctx.known["blog.still-data"] = {"stilled": ["web"], "names": ["blog_web_1"]}
    ctx.answers["again"] = {"services": ["blog_web_1"]}
    ctx.answers["waiting"] = {"idle": ["web"], "unwell": []}
    assert (await again.observe()).detail == "not running: web"
    assert await again.act() is None
    assert ctx.asked[-1][1]["names"] == ["blog_web_1"]
    ctx.answers["waiting"] = {"idle": [], "unwell": ["web"]}
    assert (await again.observe()).detail == "not well yet: web"
    ctx.answers["waiting"] = {"idle": [], "unwell": []}
    assert (await again.observe()).state is State.REACHED


async def test_a_machine_without_python_that_never_had_a_service_stops_no_rebirth() -> None:
    """A castle that was raised before the layer was added could not be reborn: its machines had no python3."""
    ctx = Ctx()

    async def run(argv: list[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        return Result(0, "", "") if argv[0] == "podman" else Result(127, "", "sh: python3: not found")

    ctx.answer = run  # type: ignore[method-assign]
    assert (await part(Still, ctx).observe()).waived


@pytest.mark.parametrize(
    ("ports", "names"),
    [
        ([("data", "a", 80)], {"blog"}),
        ([("data", "a", 80), ("edge", "b", 80)], {"blog-data", "blog-edge"}),
        ([("data", "a", 80), ("data", "a", 81), ("edge", "b", 80)], {"blog-data-80", "blog-data-81", "blog-edge"}),
    ],
)
def test_doors_have_names_that_tell_them_apart(ports: list[tuple[str, str, int]], names: set[str]) -> None:
    assert set(inside("blog", ports)) == names


@pytest.mark.parametrize("verb", list(Verb))
def test_the_plan_stops_nothing_before_every_proof_and_judges_before_it_stops(verb: Verb) -> None:
    ctx = Ctx()
    request = Request(verb, ctx.request.castle, SITE)
    made = {step.action: step for step in steps.plan(LAYER, ctx.options, request)}
    expected = {
        Verb.REBIRTH: {"source", "images", "still-data", "up-data", "healthy"},
        Verb.RAISE: {"source", "images", "up-data", "healthy"},
        Verb.DRILL: {"source", "images", "up-data", "healthy"},
        Verb.WIPE: {"still-data"},
        Verb.SEAL: {"still-data"},
        Verb.RESTORE: {"still-data", "again-data"},
    }
    # What stands is as it was raised: also a machine that the layer names no more is looked at.
    every = {f"{each}-edge" for each in ("still", "again") if f"{each}-data" in expected.get(verb, set())}
    assert set(made) == expected.get(verb, set()) | every
    copy = steps.plan(LAYER, ctx.options, dataclasses.replace(request, side=True))
    assert verb is not Verb.RESTORE or not copy  # a copy beside stops nobody
    if "still-data" in made:
        still = made["still-data"]
        assert {"proven:database?", "blog.images?"} <= set(still.needs)
        assert (still.phase, still.effect, still.undo, still.clock) == (Phase.SEAL, Effect.ONCE, True, "cut")
    if "up-data" in made:
        assert {"machine:data", "files:data?", "address:database?", "certificate:database?"} <= set(
            made["up-data"].needs
        )
        assert "open:database?" in made["healthy"].needs
