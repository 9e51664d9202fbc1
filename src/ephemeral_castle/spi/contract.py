"""What every driver must keep to, as checks that its author runs: no castle, no system and no pytest are needed.

    from ephemeral_castle.spi import contract

    SUBJECT = contract.Subject(make=MyDriver, layer=layer, options=options, castle=castle, site=site, record=record)

    @pytest.mark.parametrize("check", contract.CHECKS)
    def test_contract(check):
        check(SUBJECT)

A check that fails raises `Broken`, an AssertionError whose text names step and rule.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ephemeral_castle.errors import CastleError
from ephemeral_castle.model.castle import Castle, Layer, Site, Verb
from ephemeral_castle.model.record import Record
from ephemeral_castle.model.step import PHASES, Effect, Observation, Phase, State, Step
from ephemeral_castle.spi.driver import Driver, Request
from ephemeral_castle.spi.kubernetes import Manifest
from ephemeral_castle.spi.rehearsal import Answer, Doors, RehearsalContext, RehearsalSecrets, RehearsalWorld, silent
from ephemeral_castle.spi.world import Result

CLOCKS = ("", "cut", "destroy", "served")
LONGEST = 86_400.0  # seconds; a step that may take longer than a day has no deadline
DESTROY = PHASES.index(Phase.DESTROY)
FLAGS: tuple[dict[str, Any], ...] = (
    {},
    {"new": True},
    {"full": True, "expire": True},
    {"source_lost": True},
    {"side": True},
)
OUTSIDE = ("open", "socket.", "subprocess.", "os.", "shutil.", "sqlite3.", "urllib.", "tempfile.")


class Broken(AssertionError):
    """A driver does not keep to the contract."""


def _nothing_there(_argv: Sequence[str], _stdin: bytes) -> Result:
    return Result(1, "", "no such object")


def _nothing_given(_verb: Verb) -> Collection[str]:
    return ()


def _nothing_reads(_argv: Sequence[str], _stdin: bytes) -> bool:
    return False


def _anything_goes(_argv: Sequence[str], _stdin: bytes) -> bool:
    return True


@dataclass(frozen=True)
class Subject:
    """A driver, and all that is needed to try it.

    Attributes:
        make: gives a new instance.
        layer, options: an example layer and its validated options.
        castle, site: a definition that has this layer.
        record: as it stands while life 1 lives.
        given: by verb, ids and capabilities of the steps that other layers and castle itself contribute.
        reads: whether a command (arguments, standard input) only looks; asked while the driver observes.
        facts: by step id, what earlier steps of this layer and of others found.
        secrets: secrets that must have a form; all others are made from their names.
        answer: what commands say when the system is there.
        objects: what stands in the Kubernetes cluster then.
    """

    make: Callable[[], Driver[Any]]
    layer: Layer
    options: Any
    castle: Castle
    site: Site
    record: Record
    given: Callable[[Verb], Collection[str]] = _nothing_given
    reads: Callable[[Sequence[str], bytes], bool] = _nothing_reads
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    answer: Answer = _nothing_there
    objects: Sequence[Manifest] = ()

    def requests(self) -> Iterator[Request]:
        """Every verb with every set of flags that changes a plan."""
        for verb in Verb:
            for flags in FLAGS:
                yield Request(verb=verb, castle=self.castle, site=self.site, **flags)

    def plan(self, request: Request) -> tuple[Step, ...]:
        """The steps of a new instance."""
        return tuple(self.make().plan(self.layer, self.options, request))

    def context(self, request: Request, doors: Doors) -> RehearsalContext:
        """A context over these doors."""
        world = RehearsalWorld(doors)
        secrets = RehearsalSecrets(self.secrets)
        return RehearsalContext(self.layer, self.options, request, self.record, self.facts, world, secrets)


def plan_is_pure(subject: Subject) -> None:
    """Equal input gives equal steps, and planning touches neither files nor network nor processes."""
    driver = subject.make()
    for request in subject.requests():
        first = subject.plan(request)  # may import modules, which is no input
        with _no_outside(f"plan for {request.verb}"):
            again = tuple(driver.plan(subject.layer, subject.options, request))
        _demand(first == again, f"plan for {request.verb}: equal input gave different steps")


def steps_are_named(subject: Subject) -> None:
    """Ids are unique, begin with the layer's id, and name layer and driver truly."""
    name = subject.make().name
    for request in subject.requests():
        steps = subject.plan(request)
        ids = [step.id for step in steps]
        _demand(len(ids) == len(set(ids)), f"plan for {request.verb}: two steps with one id among {ids}")
        for step in steps:
            _demand(step.id.startswith(f"{subject.layer.id}."), f"{step.id}: the id must begin with the layer's")
            _demand(step.layer == subject.layer.id, f"{step.id}: it names layer {step.layer}")
            _demand(step.driver == name, f"{step.id}: it names driver {step.driver}, which is {name}")
            _demand(bool(step.title.strip()), f"{step.id}: a person must be able to read what it is")


def needs_can_be_met(subject: Subject) -> None:
    """What a step needs is provided, and nothing before the destruction waits for something after it."""
    for request in subject.requests():
        steps = subject.plan(request)
        own: dict[str, list[Step]] = {}
        for step in steps:
            for token in (step.id, *step.provides):
                own.setdefault(token, []).append(step)
        others = set(subject.given(request.verb))
        for step in steps:
            for need in step.needs:
                token = need.removesuffix("?")
                met = need.endswith(("?", "*")) or token in own or token in others
                _demand(met, f"{step.id}: nobody provides {need} when the verb is {request.verb}")
                for provider in own.get(token, ()):
                    later = PHASES.index(provider.phase) > max(DESTROY, PHASES.index(step.phase))
                    _demand(not later, f"{step.id} ({step.phase}): it waits for {provider.id}, a phase behind it")
        _demand(_has_an_order(steps, own), f"plan for {request.verb}: steps wait for each other")


def _has_an_order(steps: Sequence[Step], own: Mapping[str, Sequence[Step]]) -> bool:
    done: set[str] = set()
    waiting = list(steps)
    while waiting:
        ready = [s for s in waiting if all(p.id in done for n in s.needs for p in own.get(n.removesuffix("?"), ()))]
        if not ready:
            return False
        done |= {step.id for step in ready}
        waiting = [step for step in waiting if step.id not in done]
    return True


def effects_are_told(subject: Subject) -> None:
    """What cannot be repeated has a deadline; what destroys says so; what is undone can be undone."""
    driver = subject.make()
    for request in subject.requests():
        for step in subject.plan(request):
            _demand(0 < step.deadline <= LONGEST, f"{step.id}: deadline {step.deadline} s")
            _demand(step.retry.attempts >= 1, f"{step.id}: it is never tried")
            _demand(step.clock in CLOCKS, f"{step.id}: clock `{step.clock}` is unknown")
            harmless = step.effect in (Effect.READ, Effect.IRREVERSIBLE)
            _demand(step.phase is not Phase.DESTROY or harmless, f"{step.id}: a destruction is irreversible, or a look")
            if step.undo:
                _demand(hasattr(driver, "undo"), f"{step.id}: the driver has no undo")
                _demand(PHASES.index(step.phase) < DESTROY, f"{step.id}: nothing is undone after the first deletion")
                _demand(step.effect is Effect.ONCE, f"{step.id}: only what is done once can be taken back")
            _demand(not step.recheck or step.effect is not Effect.IRREVERSIBLE, f"{step.id}: it is never asked again")


def steps_are_json(subject: Subject) -> None:
    """A plan is stored and read back by a newer castle: parameters are JSON, and versioned."""
    for request in subject.requests():
        for step in subject.plan(request):
            try:
                back = json.loads(json.dumps(dict(step.params), allow_nan=False))
            except (TypeError, ValueError) as error:
                raise Broken(f"{step.id}: its parameters are no JSON: {error}") from error
            _demand(back == dict(step.params), f"{step.id}: its parameters come back from JSON as {back}")
            _demand(not step.params or "v" in step.params, f"{step.id}: its parameters have no version `v`")


def observing_writes_nothing(subject: Subject) -> None:
    """Looking leaves the world as it is, and gives an observation or an error for people."""
    for step, request in _all_steps(subject):
        doors = Doors(subject.answer, subject.reads, objects=subject.objects)
        context = subject.context(request, doors)
        seen = _play(step, subject.make().observe(step, context))
        _demand(not doors.wrote, f"{step.id}: observing did: {doors.wrote[:1]}")
        if seen is not None:
            _judge(step, seen)


def silence_is_not_absence(subject: Subject) -> None:
    """When nothing answers, no goal is reached: what cannot be seen may be there."""
    for step, request in _all_steps(subject):
        if step.effect is Effect.READ:
            continue
        context = subject.context(request, Doors(silent, subject.reads, silent=True))
        seen = _play(step, subject.make().observe(step, context))
        reached = seen is not None and seen.state is State.REACHED and not seen.waived
        _demand(not reached, f"{step.id}: nothing answers, and yet its goal is reached: {seen and seen.detail}")


def errors_are_classified(subject: Subject) -> None:
    """When nothing answers, or all says no, an act ends with an error for people, and soon."""
    for step, request in _all_steps(subject):
        for answer, quiet in ((silent, True), (subject.answer, False)):
            context = subject.context(request, Doors(answer, _anything_goes, silent=quiet, objects=subject.objects))
            seen = _play(step, subject.make().act(step, context))
            if seen is not None:
                _judge(step, seen)


CHECKS: tuple[Callable[[Subject], None], ...] = (
    plan_is_pure,
    steps_are_named,
    needs_can_be_met,
    effects_are_told,
    steps_are_json,
    observing_writes_nothing,
    silence_is_not_absence,
    errors_are_classified,
)


def _all_steps(subject: Subject) -> Iterator[tuple[Step, Request]]:
    """Every step of every verb once, with the first request that has it."""
    seen: set[tuple[Verb, str]] = set()
    for request in subject.requests():
        for step in subject.plan(request):
            if (request.verb, step.id) not in seen:
                seen.add((request.verb, step.id))
                yield step, request


def _play(step: Step, work: Awaitable[Observation | None]) -> Observation | None:
    """What it gives; None for an error that is meant for people."""

    async def bounded() -> Observation | None:
        async with asyncio.timeout(30):
            return await work

    try:
        return asyncio.run(bounded())
    except CastleError:
        return None
    except Exception as error:
        raise Broken(f"{step.id}: {type(error).__name__} is no error for people: {error}") from error


def _judge(step: Step, seen: Observation) -> None:
    _demand(isinstance(seen, Observation), f"{step.id}: it gave {seen!r}, which is no observation")
    try:
        json.dumps(dataclasses.asdict(seen), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Broken(f"{step.id}: its facts are no JSON: {error}") from error


def _demand(kept: bool, text: str) -> None:  # noqa: FBT001 - reads like assert
    if not kept:
        raise Broken(text)


_watched: list[str] = []
_seen: list[str] = []


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    if _watched and event.startswith(OUTSIDE):
        _seen.append(f"{event} {arguments[:1]}")


_installed: list[bool] = []


@contextmanager
def _no_outside(what: str) -> Iterator[None]:
    """Raises Broken when files, network or processes are touched. Python's audit events tell; a hook stays for good."""
    if not _installed:
        sys.addaudithook(_audit)
        _installed.append(True)
    _seen.clear()
    _watched.append(what)
    try:
        yield
    finally:
        _watched.clear()
    _demand(not _seen, f"{what}: it touched the outside: {_seen[:3]}")
