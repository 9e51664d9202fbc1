"""A rebirth with all that a screen has to show, told as events."""

from __future__ import annotations

from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.events import Event, Kind
from ephemeral_castle.model.plan import Plan
from ephemeral_castle.model.step import Effect, Phase, Step

BORN = 1_795_000_000.0
READ, CONVERGE, ONCE, IRREVERSIBLE = Effect.READ, Effect.CONVERGE, Effect.ONCE, Effect.IRREVERSIBLE
PLAN_ROWS = [
    ("treasury.preflight", Phase.PREPARE, READ, "look at the treasury", 0.4, ""),
    ("database.backup", Phase.PROVE, ONCE, "back up the database", 1.2, ""),
    ("database.prove", Phase.PROVE, ONCE, "restore the backup elsewhere and read it", 6.0, ""),
    ("database.fence", Phase.SEAL, ONCE, "keep writers out", 0.2, "cut"),
    ("database.seal", Phase.SEAL, ONCE, "archive the last change and stop", 0.9, ""),
    ("machines.wipe", Phase.DESTROY, IRREVERSIBLE, "destroy the machines of life 3", 0.8, "destroy"),
    ("machines.raise", Phase.APPLY, CONVERGE, "raise machines 421 431 432", 1.1, ""),
    ("database.restore", Phase.RESTORE, IRREVERSIBLE, "restore to the mark and promote", 3.5, ""),
    ("answers.data", Phase.OPEN, READ, "compare marker, rows and digests", 0.5, ""),
    ("answers.serve", Phase.VERIFY, READ, "query as every user", 0.3, "served"),
]


def plan(verb: Verb = Verb.REBIRTH) -> Plan:
    steps = tuple(
        Step(name, name.split(".")[0], "fake", name, title, phase, effect, clock=clock, weight=weight)
        for name, phase, effect, title, weight, clock in PLAN_ROWS
    )
    names = [step.id for step in steps]
    edges = {name: tuple(names[index - 1 : index]) if index else () for index, name in enumerate(names)}
    roles = {"treasury": "ground", "machines": "ground", "database": "treasures", "answers": "proof"}
    return Plan("here", "home", verb, steps, edges, roles, {})


class Story:
    """Events with running numbers and a clock that one sets by telling how long things took."""

    def __init__(self, run: str = "01JD8X") -> None:
        self.run = run
        self.at = BORN
        self.events: list[Event] = []
        self.say(Kind.RUN_CREATED, plan=plan().digest, verb="rebirth", command="castle rebirth")
        self.say(Kind.RUN_STARTED, pid=4711, epoch=1, host="tower", boot="b")

    def say(self, kind: Kind, step: str = "", attempt: int = 0, **data: object) -> Story:
        self.events.append(Event(self.run, kind, self.at, step, attempt, data, seq=len(self.events) + 1))
        return self

    def later(self, seconds: float) -> Story:
        self.at = round(self.at + seconds, 3)
        return self

    def begin(self, step: str, attempt: int = 1) -> Story:
        effect = plan().by_id[step].effect.value
        self.say(Kind.STEP_STARTED, step, attempt, effect=effect)
        if effect != "read":
            self.say(Kind.STEP_INTENT, step, attempt, what=step)
        return self

    def does(self, step: str, took: float, **data: object) -> Story:
        self.begin(step).later(took)
        return self.say(Kind.STEP_FINISHED, step, 1, **{"state": "done", "how": "acted", "took": took, **data})

    def ends(self, status: str = "done", exit_code: int = 0, error: object = None) -> Story:
        return self.later(0.01).say(Kind.RUN_FINISHED, status=status, exit_code=exit_code, error=error)


def until_the_seal() -> Story:
    story = Story()
    story.does(
        "treasury.preflight",
        0.4,
        detail="answers in 3 ms",
        facts={"treasury": {"conditional writes": True, "versions": True, "object lock": False}},
    )
    story.begin("database.backup").later(0.3)
    error = {"error": "Unreachable", "message": "the treasury did not answer", "why": "connection refused"}
    story.say(Kind.STEP_RETRYING, "database.backup", 1, error=error, delay=0.2).later(0.9)
    story.say(
        Kind.STEP_FINISHED, "database.backup", 1, state="done", how="acted", took=1.2, detail="20261122-032815F, 41 MiB"
    )
    story.say(Kind.STEP_DECIDED, "database.prove", 1, decision="prove", reason="the last proof is 2d03h old")
    story.does("database.prove", 5.8, detail="1,000,000 rows read")
    story.does("database.fence", 0.2, detail="3 sessions ended")
    return story.does("database.seal", 0.9, how="adopted", detail="mark 0/5A000028 archived")


def good() -> Story:
    """A rebirth that ends well."""
    story = until_the_seal().does("machines.wipe", 0.8, detail="3 deleted", facts={"life": 3})
    story.does("machines.raise", 1.1, detail="421 431 432", facts={"life": 4})
    story.say(Kind.DIAGNOSTIC, "database.restore", severity="warning", text="the collation version changed")
    story.does("database.restore", 3.4, detail="replayed to 0/5A000028")
    story.does(
        "answers.data",
        0.5,
        facts={
            "tables": {
                "app.public.goods": {"before": 1_000_000, "after": 1_000_000, "same": True},
                "app.public.ledger": {"before": 18_214, "after": 18_214, "same": True},
            },
            "markers": {"B": {"id": "01JD8X-b", "found": True}},
            "loss": {"rows": 0, "seconds": 0.0, "bound": False, "text": "sealed"},
        },
    )
    story.does(
        "answers.serve",
        0.3,
        facts={"verified": ["app answers as app in 4 ms"], "addresses": {"database": "127.0.0.1:15432"}},
    )
    return story.ends()


DENIED = {
    "error": "Denied",
    "code": 4,
    "message": "pgBackRest could not read `s3://castle-here`",
    "where": "",
    "why": "403 AccessDenied: the access key was rejected",
    "state": "",
    "hints": ["put the new access key into the key file", "castle doctor"],
}


def broken() -> Story:
    """A rebirth that fails in the restore, after the first deletion."""
    story = until_the_seal().does("machines.wipe", 0.8).does("machines.raise", 1.1)
    story.begin("database.restore").say(Kind.STEP_PROGRESS, "database.restore", 1, text="P00 WARN: repo1: 403").later(4)
    story.say(Kind.STEP_FINISHED, "database.restore", 1, state="failed", how="none", took=4.0, error=DENIED)
    return story.ends("failed", 4, DENIED)


def refused() -> Story:
    """A rebirth that a gate refuses before anything was destroyed."""
    story = Story().does("treasury.preflight", 0.4).begin("database.backup").later(0.1)
    error = {**DENIED, "error": "Refused", "code": 9, "message": "the old castle does not answer"}
    story.say(Kind.STEP_FINISHED, "database.backup", 1, state="refused", how="none", took=0.1, error=error)
    return story.ends("refused", 9, error)
