"""Asking the operator to look again, and waiting for what comes of it.

Nothing wakes an ExternalSecret when its store becomes ready, and a failure is tried again after a pause that grows to
seven minutes. So castle asks, again and again, until it is well or the cause is one that asking does not mend.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ephemeral_castle.drivers.external_secrets.part import Part
from ephemeral_castle.drivers.external_secrets.vocabulary import EXTERNAL, FAILED, FORCE
from ephemeral_castle.errors import NotFound, Permanent, Transient, Unreachable
from ephemeral_castle.manifests import ready as rules
from ephemeral_castle.spi.kubernetes import Cluster, Judge, Manifest, Ref
from ephemeral_castle.spi.onward import onward

FIRST, AGAIN = 1.0, 5.0  # seconds after which the operator is asked once more: the first time, doubled, and later
TOLD = 3  # so many times in a row it must have given a cause that only a person can mend

# Words of the operator and of its stores. Such a cause stays until somebody changes the store's content or rights.
BY_A_PERSON = (
    "permission denied", "code: 403", "invalid vault credentials", "secret does not exist", "cannot find secret data",
    "has no entry for key", "unable to parse template", "owned by another", "secret is immutable",
    "denied by spec.condition", "could not apply template", "is not a kv secret engine", "uses kv version",
)  # fmt: skip


async def asked(cluster: Cluster, ref: Ref, now: float) -> Manifest:
    """Asks the operator to look at an object again; gives the object as of that very moment. Raises NotFound."""
    return await cluster.patch(ref, {"metadata": {"annotations": {FORCE: f"{now:.3f}"}}})


@dataclass(frozen=True)
class Cause:
    """Why something failed last; "" when nobody says. `mark`: changes when it is said again."""

    text: str = ""
    mark: str = ""


async def cause_of(cluster: Cluster, ref: Ref, uid: str = "") -> Cause:
    """The condition is generic, so the cause is taken from the newest event.

    Events of an object of the whole cluster lie in the namespace `default`.
    """
    try:
        events = await cluster.list("v1", "Event", ref.namespace or "default")
    except NotFound:
        return Cause()
    about = [each for each in events if _speaks_of(each, ref, uid)]
    newest = max(about, key=_when, default=None)
    if newest is None:
        return Cause()
    text = " ".join(str(newest.get("message", "")).split())
    return Cause(text, f"{newest['metadata']['name']} {newest['metadata'].get('resourceVersion', '')}")


def _speaks_of(event: Manifest, ref: Ref, uid: str) -> bool:
    about = event.get("involvedObject") or {}
    named = (about.get("kind"), about.get("name")) == (ref.kind, ref.name)
    return named and event.get("reason") in FAILED and uid in ("", about.get("uid", uid))


def _when(event: Manifest) -> str:
    """RFC 3339 in UTC: sorted as text."""
    series = event.get("series") or {}
    return str(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or "")


class Asking:
    """One object that is asked until it is as wanted.

    Args:
        part: of the step.
        cluster: the API server.
        ref: the object.
        until: monotonic seconds when time is up.
    """

    def __init__(self, part: Part, cluster: Cluster, ref: Ref, until: float) -> None:
        self.part, self.cluster, self.ref, self.until = part, cluster, ref, until
        self.clock = part.ctx.world.clock
        self.uid = ""
        self.mark = ""  # of the cause that was known when it was last asked
        self.told: list[str] = []

    async def exists(self) -> None:
        """Waits until somebody makes it."""
        try:
            await self.cluster.until(self.ref, rules.exists, timeout=max(0.001, self.left))
        except Unreachable:
            raise
        except Transient as late:
            raise self.failed(late.why or "nobody made it") from None

    @property
    def left(self) -> float:
        """Seconds."""
        return self.until - self.clock.monotonic()

    async def ask(self) -> Manifest:
        """Asks; gives it as of that moment."""
        self.mark = (await cause_of(self.cluster, self.ref, self.uid)).mark
        found = await asked(self.cluster, self.ref, self.clock.now())
        self.uid = str(found["metadata"].get("uid", ""))
        return found

    async def wait(self, judge: Judge) -> Manifest:
        """Until it is as wanted; asked already.

        Raises:
            Permanent: it cannot become so by asking, or time is up; with the cause.
        """
        pause = FIRST
        while True:
            try:
                found = await self.cluster.until(self.ref, judge, timeout=max(0.001, min(pause, self.left)))
            except Unreachable:
                raise
            except (Transient, Permanent) as late:
                await self._again(late.why)
                pause = min(AGAIN, 2 * pause)
                continue
            if found is not None:
                return found

    async def _again(self, why: str) -> None:
        """After a while in vain."""
        cause = await cause_of(self.cluster, self.ref, self.uid)
        # What was said before it was asked may be of long ago, and an operator that is away says nothing.
        text = cause.text if cause.mark != self.mark else ""
        self.told = [*self.told, text][-TOLD:]
        if self.left <= 0 or self._hopeless():
            said = text or next((each for each in reversed(self.told) if each), cause.text)
            raise self.failed(f"{said} ({why})" if said and why else said or why)
        self.part.ctx.progress(f"{self.ref}: {text or why}")
        await self.ask()

    def _hopeless(self) -> bool:
        same = len(self.told) == TOLD and len(set(self.told)) == 1
        return same and any(words in self.told[0].lower() for words in BY_A_PERSON)

    def failed(self, why: str) -> Permanent:
        """For the person who waits for it."""
        external = self.ref.kind == EXTERNAL
        what = "is not in the cluster" if external else "cannot be used"
        return Permanent(
            f"{'the secret' if external else 'the store'} `{self.ref.name}` {what}",
            where=f"{self.ref}, layer `{self.part.layer}`",
            why=why or "nobody says why",
            state=state_of(self.part),
            hints=[*hints_of(why), onward(self.part.ctx)],
        )


def state_of(part: Part) -> str:
    """The state of the world, for people."""
    if part.ctx.passed_no_return:
        return "the backups are untouched; the new life waits for this secret"
    return "nothing was destroyed"


def hints_of(why: str) -> Sequence[str]:
    """What a person would look at, by the words of the cause."""
    text = why.lower()
    if "is another one than castle's own" in text:
        return ["write castle's own into the store: `castle secret get NAME` prints it"]
    if any(words in text for words in ("permission denied", "code: 403", "credentials")):
        return ["look at the token of the store and at its rights: it must be able to read that path"]
    if any(words in text for words in ("does not exist", "cannot find secret data", "no entry for key")):
        return ["write what is missing into the store, under that path and name"]
    if any(words in text for words in ("refused", "timed out", "timeout", "no such host", "no route")):
        return ["start the store, or mend the way to it from the cluster"]
    return []
