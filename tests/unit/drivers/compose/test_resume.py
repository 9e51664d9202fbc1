"""After a service that does not get well: mended and pushed, the same run goes on with the new revision.

A first birth whose Caddyfile was wrong could not be finished: `castle raise --new` was refused since the stanza was
never backed up, and `castle resume` went on with the old revision for ever.
"""

from __future__ import annotations

import dataclasses
import json

import pytest

from ephemeral_castle.drivers.compose import steps
from ephemeral_castle.drivers.compose.healthy import Healthy
from ephemeral_castle.drivers.compose.images import Images
from ephemeral_castle.drivers.compose.part import Desk, mending
from ephemeral_castle.drivers.compose.reading import LATER
from ephemeral_castle.drivers.compose.source import Source
from ephemeral_castle.drivers.compose.up import Up
from ephemeral_castle.errors import Permanent, Refused, Unreachable
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.step import Effect, State
from tests.unit.drivers.compose.test_parts import COMPOSE, LAYER, NEW, OLD, RUN, Ctx, container, part

OF_LIFE = "env_file: life-${CASTLE_LIFE}.env"
MENDED = COMPOSE.replace("registry.example/web:1", "registry.example/web:2")


async def test_what_was_pushed_since_is_what_the_run_goes_on_with() -> None:
    ctx = Ctx()
    ctx.repository.push(MENDED)
    seen = await part(Source, ctx).act()
    assert (seen.state, seen.facts["sha"], seen.renews) == (State.REACHED, NEW, True)
    assert ctx.repository.kept == [NEW]
    assert ctx.said[0].startswith(f"info: `main` is commit {NEW[:12]} now (mended): the run goes on with it")
    assert ctx.decisions == [("another commit", {"sha": NEW, "before": OLD})]


async def test_nothing_is_said_where_nothing_was_pushed() -> None:
    ctx = Ctx()
    ctx.repository.head = dataclasses.replace(ctx.repository.head, source="remote", notes=())
    assert (await part(Source, ctx).act()).facts == ctx.known["blog.source"]
    assert (ctx.said, ctx.decisions, ctx.repository.kept) == ([], [], [])


async def test_errors_in_the_new_one_are_a_warning_and_the_old_one_stays() -> None:
    ctx = Ctx()
    ctx.repository.push(MENDED.replace("services:", "servises:"))
    seen = await part(Source, ctx).act()
    assert seen.facts == ctx.known["blog.source"]
    assert ctx.said[0].startswith(f"warning: the run goes on with commit {OLD[:12]}: commit {NEW[:12]} has errors: ")
    assert "there is no `servises`" in ctx.said[0]
    assert ctx.repository.kept == []


async def test_an_error_that_shows_only_with_the_values_of_this_life_counts_too() -> None:
    ctx = Ctx()
    ctx.repository.push(COMPOSE.replace("env_file: web.env", OF_LIFE), **{f"life-{LATER}.env": "MODE=loud"})
    assert (await part(Source, ctx).act()).facts["sha"] == OLD
    assert "has errors" in ctx.said[0]


@pytest.mark.parametrize("trouble", [Unreachable("the repository does not answer"), Permanent("no `main`", why="gone")])
async def test_a_host_that_says_nothing_is_a_warning_and_the_old_one_stays(trouble: Permanent | Unreachable) -> None:
    ctx = Ctx()
    ctx.repository.trouble = trouble
    assert (await part(Source, ctx).act()).facts == ctx.known["blog.source"]
    assert trouble.message in ctx.said[0]


async def test_the_copy_in_the_treasury_is_never_taken_for_what_was_pushed() -> None:
    ctx = Ctx()
    ctx.repository.push(MENDED, source="bundle")
    assert (await part(Source, ctx).act()).facts["sha"] == OLD
    assert ctx.said[0].startswith("warning: ")


async def test_a_drill_that_goes_on_keeps_nothing_in_the_treasury() -> None:
    ctx = Ctx()
    ctx.request = dataclasses.replace(ctx.request, verb=Verb.DRILL)
    ctx.repository.push(MENDED)
    assert (await part(Source, ctx).act()).facts["sha"] == NEW
    assert ctx.repository.kept == []


async def test_images_machines_and_health_follow_the_new_one() -> None:
    ctx, desk = Ctx(), Desk()
    ctx.repository.push(MENDED)
    ctx.known["blog.source"] = (await part(Source, ctx).act()).facts
    assert (await part(Images, ctx).observe()).state is State.NOT_REACHED
    ctx.known["blog.images"] = (await part(Images, ctx).act()).facts
    assert "registry.example/web:2" in ctx.known["blog.images"]["images"]
    ctx.answers["up"] = {"containers": [container("web")], "fresh": ["web"], "removed": []}
    ctx.known["blog.up-data"] = (await part(Up, ctx, desk=desk).act()).facts
    assert ctx.asked[0][1]["sha"] == NEW
    ctx.answers["health"] = {"failed": [], "services": {"web": "healthy"}}
    assert (await part(Healthy, ctx, "", desk).act()).facts["sha"] == NEW


async def test_a_second_look_gives_the_facts_of_the_first() -> None:
    """Else every resume would write them anew."""
    ctx, desk = Ctx(), Desk()
    ctx.answers["up"] = {"containers": [container("web"), container("job")], "fresh": ["web"], "removed": []}
    ctx.answers["health"] = {"failed": [], "services": {"web": "healthy"}}
    ctx.known["blog.up-data"] = (await part(Up, ctx, desk=desk).act()).facts
    ctx.known["blog.healthy"] = (await part(Healthy, ctx, "", desk).act()).facts
    applied = ctx.asked[0][1]["digest"]
    ctx.answers["see"] = {"digest": applied, "tool": True, "containers": ctx.answers["up"]["containers"]}
    assert (await part(Up, ctx, desk=desk).observe()).facts == ctx.known["blog.up-data"]
    assert json.dumps((await part(Healthy, ctx, "", desk).observe()).facts) == json.dumps(ctx.known["blog.healthy"])


def test_everything_but_the_cut_is_made_again_on_a_resume() -> None:
    ctx = Ctx()
    request = dataclasses.replace(ctx.request, verb=Verb.REBIRTH)
    for step in steps.plan(LAYER, ctx.options, request):
        assert step.recheck, step.id
        assert step.effect is (Effect.ONCE if step.action.startswith("still") else Effect.CONVERGE)


def test_who_mended_it_is_told_the_command_that_goes_on() -> None:
    ctx = Ctx()
    assert mending(ctx).endswith("`castle raise`")  # type: ignore[arg-type]
    for life, site, passed in ((0, "", False), (1, "here", True), (1, "", False), (2, "here", True)):
        ctx.record = dataclasses.replace(ctx.record, life=life, site=site)
        ctx.passed_no_return = passed
        assert mending(ctx).endswith(f"`castle resume {RUN}`")  # type: ignore[arg-type]
    ctx.request = dataclasses.replace(ctx.request, verb=Verb.DRILL)
    assert mending(ctx).endswith("`castle drill`")  # type: ignore[arg-type]
    ctx.request = dataclasses.replace(ctx.request, keep=True)
    assert mending(ctx).endswith(f"`castle resume {RUN}`")  # type: ignore[arg-type]


async def test_a_project_that_is_refused_in_this_life_says_so_too() -> None:
    ctx = Ctx(COMPOSE.replace("env_file: web.env", OF_LIFE))
    ctx.record = dataclasses.replace(ctx.record, life=0, site="")
    with pytest.raises(Refused) as error:
        await part(Up, ctx).act()
    assert list(error.value.hints) == [f"mend and push the project, then `castle resume {RUN}`"]
