"""Whether an object is ready: one rule for each kind, and an honest answer for kinds without one.

Ready is a claim about a generation, and only what an object says of its present spec counts. An object that does not
exist, that is being deleted, or whose kind says nothing that is understood here is never ready; a wait for it ends with
a reason instead of going on too soon. Not all that people want to know stands in a status: an address that nobody
announces, a pooler that nobody answers at, a container without a readiness probe, which Kubernetes calls ready as soon
as it runs. Such things are for probes.
"""

from __future__ import annotations

from collections.abc import Callable

from ephemeral_castle.manifests import builtin, operators
from ephemeral_castle.manifests.readiness import (
    Manifest,
    Readiness,
    Stage,
    behind,
    by_condition,
    condition,
    conditions,
    failed,
    holds,
    meta,
    ready,
    told,
    waiting,
)

Judge = Callable[[Manifest | None], Readiness]
Rule = Callable[[Manifest], Readiness]
ABSENT = "it does not exist"


def judge(manifest: Manifest | None) -> Readiness:
    """The rule of its kind."""
    return _judged(manifest, rule_of)


def rule_of(manifest: Manifest) -> Rule:
    """The rule for its kind, whatever the version of its API."""
    group, kind = str(manifest.get("apiVersion", "")).rpartition("/")[0], str(manifest.get("kind", ""))
    for kinds in (builtin.KINDS, operators.KINDS):
        if (group, kind) in kinds:
            return kinds[group, kind]
    for mute in (builtin.MUTE, operators.MUTE):
        if kind in mute.get(group, ()):
            return _mute
    return generic


def generic(manifest: Manifest) -> Readiness:
    """A kind that has no rule: the conditions Ready, Stalled and Reconciling mean what they usually mean."""
    stalled = condition(manifest, "Stalled")
    if stalled.get("status") == "True":
        return failed(told(stalled))
    if holds(manifest, "Reconciling"):
        return waiting(told(condition(manifest, "Reconciling")))
    if condition(manifest, "Ready"):
        return by_condition(manifest, "Ready")
    others = [str(each.get("type")) for each in conditions(manifest)]
    if others:
        return waiting(f"it has no condition Ready, only {', '.join(others)}")
    return waiting("it says nothing of itself, and its kind has no rule here; what it makes can be waited for")


def exists(manifest: Manifest | None) -> Readiness:
    """It is there, ready or not."""
    return waiting(ABSENT) if manifest is None else ready()


def absent(manifest: Manifest | None) -> Readiness:
    """It is gone."""
    if manifest is None:
        return ready("it is gone")
    holders = meta(manifest).get("finalizers") or ()
    held = f", held by {', '.join(map(str, holders))}" if holders else ""
    if not meta(manifest).get("deletionTimestamp"):
        return waiting("it is there, and nobody deletes it")
    trouble = [told(each) for each in conditions(manifest) if each.get("status") == "True"]
    return waiting("; ".join([f"it is being deleted{held}", *trouble]))


def gone(uid: str) -> Judge:
    """That very one is gone; another of its name may stand in its place."""

    def judged(manifest: Manifest | None) -> Readiness:
        return absent(manifest if manifest is not None and meta(manifest).get("uid") == uid else None)

    return judged


def with_condition(kind: str, value: str = "True") -> Judge:
    """The condition of that type has that value, for the present generation."""

    def rule(manifest: Manifest) -> Readiness:
        found = condition(manifest, kind)
        if not found:
            return waiting(f"no condition {kind} yet")
        old = behind(manifest, found)
        if old:
            return waiting(f"{old}; {told(found)}")
        return ready(told(found)) if found.get("status") == value else waiting(told(found))

    return lambda manifest: _judged(manifest, lambda _: rule)


def at_revision(revision: str) -> Judge:
    """Flux: a source or a Kustomization is ready, and at that revision (whole, or its commit)."""

    def rule(manifest: Manifest) -> Readiness:
        which = operators.kustomization if manifest.get("kind") == "Kustomization" else operators.source
        return which(manifest, revision)

    return lambda manifest: _judged(manifest, lambda _: rule)


def synced_after(version: str) -> Judge:
    """An ExternalSecret that has synced since its `status.syncedResourceVersion` was `version`."""
    return lambda manifest: _judged(manifest, lambda _: lambda one: operators.external_secret(one, version))


def postgres_cluster(system: str = "", *, backup: bool = False) -> Judge:
    """A PostgresCluster whose database has that system identifier, with its first backup where that is wanted."""

    def rule(manifest: Manifest) -> Readiness:
        return operators.postgres_cluster(manifest, system, backup=backup)

    return lambda manifest: _judged(manifest, lambda _: rule)


def all_of(*judges: Judge) -> Judge:
    """The first judge that does not say ready has the word."""

    def judged(manifest: Manifest | None) -> Readiness:
        seen = ready()
        for each in judges:
            seen = each(manifest)
            if seen.stage is not Stage.READY:
                return seen
        return seen

    return judged


def _judged(manifest: Manifest | None, choose: Callable[[Manifest], Rule]) -> Readiness:
    if manifest is None:
        return waiting(ABSENT)
    if meta(manifest).get("deletionTimestamp"):
        return waiting(absent(manifest).why)
    return choose(manifest)(manifest)


def _mute(_manifest: Manifest) -> Readiness:
    return ready("its kind has no status")
