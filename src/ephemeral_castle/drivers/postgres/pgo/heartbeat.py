"""The heartbeat row of a server that an operator runs: written from beside it, by a client as any other.

Nothing of castle's runs in the operator's pods. A pod of castle's own, made like the server's, logs in every few
seconds by a role that may write this row and nothing else; behind a fence it is locked out with all the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from ephemeral_castle.drivers.postgres.configuration import secret
from ephemeral_castle.drivers.postgres.own import Own
from ephemeral_castle.drivers.postgres.pgo import likeness, manifests
from ephemeral_castle.drivers.postgres.pgo.birth import token
from ephemeral_castle.drivers.postgres.pgo.part import Operated
from ephemeral_castle.drivers.postgres.pgo.vocabulary import BEATER
from ephemeral_castle.drivers.postgres.shape import PART
from ephemeral_castle.errors import NotFound
from ephemeral_castle.model.step import Observation
from ephemeral_castle.postgres import marker, roles
from ephemeral_castle.postgres.scram import verifier
from ephemeral_castle.postgres.sql import quote_ident
from ephemeral_castle.spi.kubernetes import Manifest
from ephemeral_castle.spi.part import NOT_REACHED, REACHED

FORM = "castle.form"  # annotation: what it was made from
PATIENCE = 90.0  # seconds for the first beat: the pod has to be made
POLL = 0.5
GRANTS = f"""\
GRANT CONNECT ON DATABASE postgres TO {quote_ident(BEATER)};
GRANT USAGE ON SCHEMA castle TO {quote_ident(BEATER)};
GRANT SELECT, INSERT, UPDATE ON castle.heartbeat TO {quote_ident(BEATER)};"""
# libpq takes no password file that others can read, and a Secret's files are the group's.
SCRIPT = """\
umask 077
cp /castle/pgpass /tmp/pgpass
export PGPASSFILE=/tmp/pgpass PGCONNECT_TIMEOUT=5
trap 'exit 0' TERM INT
while :; do
  psql -qAtX -v ON_ERROR_STOP=1 -d "$1" -c "$2" > /dev/null
  sleep "$3" &
  wait $!
done"""


class Heartbeat(Operated):
    """It beats. A castle without it is well, but an unplanned death has no bound: that is said, and stops nothing."""

    async def observe(self) -> Observation:
        """By its Deployment, made from what is wanted now, and by a beat of late."""
        if self.survey.get("taken"):
            return Observation(REACHED, waived="a cluster that is taken over is left as it is; castle raise begins it")
        if not await self.made():
            return Observation(NOT_REACHED, "no heartbeat of this form")
        return await self._seen(self.ctx.world.clock.now() - 3 * self.options.heartbeat)

    async def act(self) -> Observation | None:
        """Role, Secret and Deployment; then its first beat."""
        session, own = await self.session(), await self.operated().own()
        since = float(await session.value("select extract(epoch from clock_timestamp())"))
        password = (await self._password()).encode()
        salt = hashlib.sha256(f"{self.ctx.record.id}/{self.ctx.life}/{BEATER}".encode()).digest()[:16]
        known = verifier(password.decode(), salt)
        missing = (await session.json(roles.login_state([BEATER])))["missing"]
        await session.ask(roles.create_login(BEATER, known) if missing else roles.set_verifier(BEATER, known))
        await session.ask(GRANTS)
        line = f"*:*:*:{BEATER}:{password.decode()}\n"
        place, labels = self.operated(), {**self.labels(), PART: "heartbeat"}
        await own.put(manifests.secret(place.namespace, self.named, labels, {"pgpass": line}))
        await own.put(await self._deployment(own, labels))
        clock, end = self.ctx.world.clock, self.ctx.world.clock.monotonic() + PATIENCE
        while (beats := await self._seen(since)).state is not REACHED:
            if clock.monotonic() > end:
                text = (
                    f"database `{self.layer}` has no heartbeat: {beats.detail}; what a sudden death costs has no bound"
                )
                self.ctx.diagnostic("warning", f"{text}: kubectl -n {place.namespace} logs deployment/{self.named}")
                return Observation(REACHED, "it does not beat yet")
            await clock.sleep(POLL)
        return beats

    @property
    def named(self) -> str:
        """Name of Deployment and Secret."""
        return f"{self.operated().name}-heartbeat"

    async def made(self) -> bool:
        """Whether its Deployment is there, as it is wanted now."""
        found = await (await self.operated().own()).get("apps/v1", "Deployment", self.named)
        annotations = (found or {}).get("metadata", {}).get("annotations") or {}
        return bool(annotations.get(FORM) == await self.form())

    async def form(self) -> str:
        """What it is made from."""
        kept = hashlib.sha256((await self._password()).encode()).hexdigest()
        return token([kept, self.options.heartbeat, self.operated().name, self.ctx.life, SCRIPT, marker.BEAT])

    async def _password(self) -> str:
        return (await secret(self, f"{self.layer}/heartbeat")).reveal()

    async def _seen(self, since: float) -> Observation:
        """`since`: Unix seconds."""
        beat = await (await self.session()).json(marker.LAST_BEAT)
        if beat is None or float(beat["at"]) < since:
            return Observation(NOT_REACHED, "no row of late")
        return Observation(REACHED, f"every {self.options.heartbeat:g} s")

    async def _deployment(self, own: Own, labels: Mapping[str, str]) -> Manifest:
        place = self.operated()
        sets = await place.sets(own)
        if not sets:
            raise NotFound(f"{place.ref} has no StatefulSet", hints=["castle resume"])
        where = (
            f"host={place.name}-primary.{place.namespace}.svc port={self.options.port} user={BEATER} dbname=postgres "
            "sslmode=require application_name=castle-heartbeat"
        )
        command = ["sh", "-c", SCRIPT, "castle-heartbeat", where, marker.BEAT, f"{self.options.heartbeat:g}"]
        volumes: dict[str, tuple[str, dict[str, Any]]] = {"castle": ("/castle", {"secret": {"secretName": self.named}})}
        pod = likeness.pod(sets[0]["spec"]["template"]["spec"], "heartbeat", command, volumes)
        selector = {**place.marks(), PART: "heartbeat"}
        form = {FORM: await self.form()}
        spec = {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": selector},
            "template": {"metadata": {"labels": dict(labels), "annotations": form}, "spec": pod},
        }
        meta = {"name": self.named, "namespace": place.namespace, "labels": dict(labels), "annotations": form}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}
