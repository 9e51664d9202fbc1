"""What `castle doctor` says of a database that an operator runs: each thing that a rebirth stands on, as a line."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from ephemeral_castle.drivers.postgres.desk import Desk
from ephemeral_castle.drivers.postgres.glance import PATIENCE, Glance, glance
from ephemeral_castle.drivers.postgres.own import Own
from ephemeral_castle.drivers.postgres.pgo import birth, passwords, seen
from ephemeral_castle.drivers.postgres.pgo.copies import SidePlace
from ephemeral_castle.drivers.postgres.pgo.locking import heeded
from ephemeral_castle.drivers.postgres.pgo.part import Operated
from ephemeral_castle.drivers.postgres.pgo.secrets import digest, text
from ephemeral_castle.drivers.postgres.pgo.vocabulary import API, CONF, CRD, GROUP, KIND, REPO
from ephemeral_castle.drivers.postgres.place import RUNNING
from ephemeral_castle.drivers.postgres.sides import path_of
from ephemeral_castle.errors import CastleError, Unreachable
from ephemeral_castle.postgres import cadence, marker
from ephemeral_castle.postgres.pgbackrest import RepoInfo, StatusCode
from ephemeral_castle.spi.driver import Check, Context
from ephemeral_castle.spi.kubernetes import Manifest, Ref
from ephemeral_castle.spi.units import format_duration

OPERATOR = f"{GROUP}/control-plane=postgres-operator"
LATE = 3  # times its interval, after which a heartbeat or a full backup is late
DRILL = "castle drill, or castle backup --prove"


async def examine(ctx: Context, desk: Desk) -> Sequence[Check]:
    """All lines; only what the operator is, where castle has no database yet."""
    return await Examination(ctx, desk).lines()


class Examination(Operated):
    """One look; changes nothing."""

    async def lines(self) -> list[Check]:
        """Raises Unreachable: its cluster does not answer, though the record says that the database stands."""
        raised = bool(self.lineage.get("system_id"))
        try:
            own = await self.operated(old=True).own()
            cluster = await own.cluster.get(self.operated(old=True).ref)
        except CastleError:
            if raised:
                raise
            return []  # nothing was raised yet, perhaps not even the cluster
        operator = [await self._operator(own, cluster)]
        if not raised:
            return operator
        if cluster is None:
            ref = self.operated(old=True).ref
            return [*operator, self._line("database", False, f"there is no {ref}", "castle rebirth")]
        questions: list[Awaitable[list[Check]]] = [
            self._inside(cluster),
            self._lock(own),
            self._credentials(own),
            self._users(own),
            self._heartbeat(),
            self._copies(own, cluster),
        ]
        told = await asyncio.gather(*(self._told(each) for each in questions))
        return [*operator, *(line for each in told for line in each)]

    async def _told(self, question: Awaitable[list[Check]]) -> list[Check]:
        """One thing that cannot be seen hides no other."""
        try:
            return await question
        except CastleError as error:
            return [self._line("look", None, f"{error.message}: {error.why}".rstrip(": "), *error.hints[:1])]

    def _line(self, title: str, ok: bool | None, fact: str, mend: str = "") -> Check:  # noqa: FBT001
        return Check(title, ok, fact, mend if ok is not True else "", self.layer)

    async def _operator(self, own: Own, cluster: Manifest | None) -> Check:
        """Its definition, its Deployment where that may be seen, and whether it has heard of the last change."""
        definition = await own.cluster.get(Ref("apiextensions.k8s.io/v1", "CustomResourceDefinition", CRD))
        if definition is None:
            return self._line("operator", False, f"there is no {CRD}", "install PGO")
        try:
            found = await own.cluster.list("apps/v1", "Deployment", labels=OPERATOR)
        except CastleError as error:
            return self._line(
                "operator", None, f"its definition is there; its Deployment was not seen: {error.message}"
            )
        if not found:
            return self._line("operator", False, "its definition is there, and no Deployment of it", "install PGO")
        at = found[0]["metadata"]
        name, ready = f"{at['namespace']}/{at['name']}", int(found[0].get("status", {}).get("readyReplicas", 0)) > 0
        mend = f"kubectl -n {at['namespace']} describe deployment {at['name']}"
        if not ready:
            return self._line("operator", False, f"{name} is not ready", mend)
        meta, status = (cluster or {}).get("metadata", {}), (cluster or {}).get("status", {})
        behind = cluster is not None and status.get("observedGeneration") != meta.get("generation")
        held = bool((cluster or {}).get("spec", {}).get("paused"))
        if behind and not held:
            return self._line("operator", None, f"{name} has not taken up the last change of {meta['name']}", mend)
        return self._line("operator", True, f"{name}, {_version(found[0])}")

    async def _lock(self, own: Own) -> list[Check]:
        place = self.operated(old=True)
        why = await heeded(own.cluster, self.guard(old=True))
        fact = why or "a birth that contradicts the record was refused (dry run)"
        mend = "castle raise, which writes it anew"
        return [self._line("lock", not why, f"{place.namespace}/{place.name}: {fact}", mend)]

    async def _credentials(self, own: Own) -> list[Check]:
        ref = Ref("v1", "Secret", self.secret_name, self.operated(old=True).namespace)
        found = await own.cluster.get(ref)
        if found is None:
            return [self._line("credentials", False, f"there is no {ref}", "castle raise")]
        given, known = birth.passes(text(found)), await self.ctx.secrets.get(f"{self.layer}/cipher")
        if not text(found).strip():
            return [self._line("credentials", False, f"the key {CONF} of {ref} is missing or empty", "castle raise")]
        if known is None:
            mend = f"castle secret put {self.layer}/cipher"
            return [self._line("credentials", False, f"castle has no secret `{self.layer}/cipher`", mend)]
        same = hmac.compare_digest(digest(given), digest(known.reveal()))
        fact = f"{ref} opens the backups" if same else f"the cipher pass in {ref} is another one than castle's"
        return [self._line("credentials", same, fact, f"put castle's secret `{self.layer}/cipher` there")]

    async def _users(self, own: Own) -> list[Check]:
        others, unset = await passwords.others(self, own), await passwords.unset(self, own)
        if others:
            return [self._line("users", False, f"{', '.join(others)}: no Secret, or another password", "castle raise")]
        if unset:
            return [self._line("users", False, f"{', '.join(unset)}: not set by the operator", "castle doctor, later")]
        return [self._line("users", True, f"{len(self.options.users)} as castle's secrets hold them")]

    async def _inside(self, cluster: Manifest) -> list[Check]:
        """Server and repository, by one way in."""
        looked = await glance(self.operated(old=True), self.layout)
        return [*self._server(looked), *self._repository(looked, cluster)]

    def _server(self, looked: Glance) -> list[Check]:
        if looked.state != RUNNING:
            return [self._line("server", False, f"it is {looked.state}", "castle raise")]
        if looked.silent:
            return [self._line("server", False, f"it does not answer: {looked.silent}", "castle status")]
        archiver = looked.archiver
        last = "nothing yet" if archiver["age"] is None else f"the last one {format_duration(archiver['age'])} ago"
        fact = f"{archiver['failed']} failures, last {archiver['last_failed']}" if archiver["failing"] else last
        return [self._line("archiving", not archiver["failing"], fact, "kubectl logs of the leader; castle status")]

    def _repository(self, looked: Glance, cluster: Manifest) -> list[Check]:
        where = path_of(self)
        given = ((cluster["spec"].get("backups") or {}).get("pgbackrest") or {}).get("global") or {}
        if given.get("repo1-path") != where:
            fact = f"the cluster archives at {given.get('repo1-path')}, and castle looks at {where}"
            return [self._line("repository", False, fact, "castle rebirth is refused until both are one")]
        others = [_named(each) for each in seen.repositories(cluster) if each["name"] != REPO]
        more = [
            self._line("other repositories", None, f"{', '.join(others)}: castle proves and restores by {REPO} only")
        ]
        return [*self._stanza(looked.repository, where), *(more if others else [])]

    def _stanza(self, info: RepoInfo | CastleError, where: str) -> list[Check]:
        if isinstance(info, CastleError):
            return [
                self._line("repository", False, f"{where}: {info.message}: {info.why}".rstrip(": "), *info.hints[:1])
            ]
        if info.status.known not in (StatusCode.OK, StatusCode.NO_BACKUP):
            return [self._line("repository", False, f"{where}: {info.status.explanation}", "castle status")]
        systems = {str(each.system_id) for each in info.databases}
        strangers = systems - {str(self.lineage["system_id"])}
        if strangers:
            fact = f"{where} also holds another database: system id {', '.join(sorted(strangers))}"
            return [self._line("repository", False, fact, "castle status; restore by --set only")]
        return [self._line("repository", True, f"{where}, stanza {self.layout.stanza}"), *self._ages(info)]

    def _ages(self, info: RepoInfo) -> list[Check]:
        now, newest = self.ctx.world.clock.now(), info.newest()
        if newest is None:
            return [self._line("backup", False, "there is none", "castle backup")]
        full, proof = cadence.newest_full(info), self.lineage.get("proof") or {}
        old = full is None or now - full.stop > LATE * self.options.full_every
        fact = f"{newest.label}, {format_duration(now - newest.stop)} old"
        said = f"; the last full one {format_duration(now - full.stop)}" if full else "; no full one"
        lines = [self._line("backup", None if old else True, fact + said, "castle backup --full")]
        if not proof:
            return [*lines, self._line("proof", None, "no backup was restored and read yet", DRILL)]
        age = now - float(proof["at"])
        young = age <= self.ctx.request.castle.proof_max_age
        return [*lines, self._line("proof", young or None, f"{proof['label']}, {format_duration(age)} ago", DRILL)]

    async def _heartbeat(self) -> list[Check]:
        place = self.operated(old=True)
        state, result = await place.peek(BEATS, self.layout.socket, AGE, timeout=PATIENCE)
        if state != RUNNING:
            return []
        if not result.ok:
            raise Unreachable("the heartbeat cannot be read", why=result.last_words())
        said = result.out.strip()
        late = not said or float(said) > LATE * self.options.heartbeat
        fact = f"{float(said):.0f} s ago" if said else "no row"
        bound = "; what a sudden death costs has no small bound" if late else ""
        mend = f"kubectl -n {place.namespace} logs deployment/{place.name}-heartbeat; castle raise"
        return [self._line("heartbeat", None if late else True, fact + bound, mend)]

    async def _copies(self, own: Own, cluster: Manifest) -> list[Check]:
        """Whoever else is told to write into this repository; and a copy that stands beside."""
        place, side = self.operated(old=True), SidePlace(self.ctx)
        try:
            found, where = await own.cluster.list(API, KIND), "in this cluster"
        except CastleError:
            found, where = await own.cluster.list(API, KIND, place.namespace), f"in namespace {place.namespace}"
        others = [each for each in found if each["metadata"]["uid"] != cluster["metadata"]["uid"]]
        rivals = [_name(each) for each in others if _archives(each) == _archives(cluster)]
        lines = [self._line("one writer", True, f"nobody else {where} archives there")]
        if rivals:
            fact = f"{', '.join(rivals)} would write into the same repository"
            lines = [self._line("one writer", False, fact, "give it another repo1-path, or delete it")]
        if any(_name(each) == f"{side.namespace}/{side.name}" for each in others):
            mend = f"kubectl -n {side.namespace} delete postgrescluster {side.name}"
            lines.append(self._line("copy", None, f"{side.namespace}/{side.name} stands beside it", mend))
        return lines


BEATS = 'exec psql -qAtX -h "$1" -U postgres -c "$2"'
AGE = f"select extract(epoch from clock_timestamp()) - ((({marker.LAST_BEAT.rstrip(';')}) ->> 'at')::float8)"


def _version(deployment: Manifest) -> str:
    """By the tag of its image."""
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"]).rsplit("/", 1)[-1]


def _name(found: Manifest) -> str:
    return f"{found['metadata']['namespace']}/{found['metadata']['name']}"


def _named(repo: Mapping[str, Any]) -> str:
    kind = next((each for each in ("volume", "s3", "gcs", "azure") if repo.get(each)), "unknown")
    return f"{repo['name']} ({'a volume, which goes with the cluster' if kind == 'volume' else kind})"


def _archives(cluster: Manifest) -> tuple[str, str]:
    """Bucket and path of its first repository."""
    backrest = (cluster["spec"].get("backups") or {}).get("pgbackrest") or {}
    repos = [each for each in backrest.get("repos") or () if each["name"] == REPO]
    bucket = str(((repos[0].get("s3") if repos else None) or {}).get("bucket", _name(cluster)))
    return bucket, str((backrest.get("global") or {}).get("repo1-path", f"/pgbackrest/{REPO}"))
