"""One pass over a PostgresCluster, in the real operator's order."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ..api import Object, Refused, Silent
from . import backups, bouncer, ending, instances, names, pki, restore, runner, services, settings, sql, status, users
from .instances import Instance
from .moment import Failed, MissingImage, Moment

PAUSED = "No spec changes will be applied and no other statuses will be updated."
REMOVAL = (
    "Reconciliation is paused: please fill in spec.backups or add the "
    f"{names.REMOVAL_AUTHORIZED} annotation to authorize backup removal."
)


def reconcile(moment: Moment) -> None:
    """Does what can be done now. Raises Failed, Refused or Silent after what is known was written to the status."""
    if ending.reconcile(moment):
        return
    try:
        moment.postgres_image()
        moment.backrest_image()
        if moment.bouncer is not None:
            moment.bouncer_image()
    except MissingImage as missing:
        message = f"Missing image(s): {missing}"
        moment.event("MissingRequiredImage", message)
        raise Failed(message) from None
    if moment.spec.get("paused"):
        moment.say(status.PROGRESSING, False, "Paused", PAUSED)
        moment.save()
        return
    wanted, allowed = backups.wanted(moment)
    if not allowed:
        moment.say(status.PROGRESSING, False, "Paused", REMOVAL)
        moment.save()
        return
    status.drop(moment.status, status.PROGRESSING)
    _pass(moment, backups_wanted=wanted)


def _pass(moment: Moment, *, backups_wanted: bool) -> None:
    trouble: Exception | None = None
    early = False
    try:
        ca = pki.root(moment)
        claims = instances.volumes(moment)
        there = instances.observe(moment)
        _members(moment, there)
        services.pods(moment)
        services.instance_rights(moment)
        early = True  # until here, and while a restore runs, nothing says which generation was seen
        if restore.reconcile(moment, there, ca):
            moment.save()
            return
        early = False
        _cluster(moment, there, claims, ca, backups_wanted=backups_wanted)
    except (Failed, Refused, Silent) as error:
        trouble = error
    if not early:
        moment.status["observedGeneration"] = moment.generation  # also when the pass failed, as the real one does
    moment.save()
    if trouble is not None:
        raise trouble


def _cluster(
    moment: Moment, there: list[Instance], claims: Sequence[Object], ca: pki.Root, *, backups_wanted: bool
) -> None:
    settings.config_map(moment)
    pki.replication_certificate(moment, ca)
    leads = services.leader(moment)
    services.primary(moment, leads)
    services.replicas(moment)
    pki.cluster_certificate(moment, ca)
    services.distributed_configuration(moment)
    _configure(moment, there)
    runner.reconcile(moment, there, claims, ca)
    moment.status["postgresVersion"] = moment.major
    sql.databases(moment, there)
    sql.roles(moment, there, users.reconcile(moment))
    backups.reconcile(moment, there, ca, backups=backups_wanted)
    bouncer.reconcile(moment, there, ca)
    sql.init(moment, there)


def _members(moment: Moment, there: Sequence[Instance]) -> None:
    """What the members agreed upon: the identifier of the database. One that is ready before it is looked at again."""
    found = moment.read("v1", "Endpoints", f"{names.scope(moment.name)}-config")
    annotations = (found or {"metadata": {}})["metadata"].get("annotations") or {}
    told = moment.status.setdefault("patroni", {})
    if annotations.get("initialize"):
        told["systemIdentifier"] = annotations["initialize"]
    else:
        told.pop("systemIdentifier", None)
        if any(each.ready for each in there):
            moment.requeue(1)


def _configure(moment: Moment, there: Sequence[Instance]) -> None:
    """Gives a living member a configuration that changed; what needs a restart of PostgreSQL gets it."""
    primary = instances.writable(there)
    if primary is None or not moment.system_identifier:
        return
    agreed = moment.read("v1", "Endpoints", f"{names.scope(moment.name)}-config")
    known = ((agreed or {"metadata": {}})["metadata"].get("annotations") or {}).get("config", "{}")
    session = sql.Session(moment, primary)
    if json.loads(known) != settings.wanted(moment):
        session.run(["python3", "-m", "standins.pgo.member", "edit"], settings.configuration(moment))
        moment.requeue(1)
    elif primary.member.get("pending_restart"):
        session.run(["python3", "-m", "standins.pgo.member", "restart"])
