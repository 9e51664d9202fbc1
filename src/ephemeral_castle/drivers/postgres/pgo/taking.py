"""A PostgresCluster that somebody else made: castle takes it over by a person's word, and changes nothing of it.

From then on it is known by its uid. What castle needs of it is looked at before it says that it can bring it back: that
its repository is the one in the treasury, and that the tree in Git will not bring it back empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ephemeral_castle.drivers.postgres import survey
from ephemeral_castle.drivers.postgres.part import PRESENT
from ephemeral_castle.drivers.postgres.pgo import passwords, seen
from ephemeral_castle.drivers.postgres.pgo.beginning import answer, credentials
from ephemeral_castle.drivers.postgres.pgo.layout import VERSION
from ephemeral_castle.drivers.postgres.pgo.locking import Lock as SharedLock
from ephemeral_castle.drivers.postgres.pgo.locking import in_the_way
from ephemeral_castle.drivers.postgres.pgo.part import Operated
from ephemeral_castle.drivers.postgres.pgo.place import taking_over
from ephemeral_castle.drivers.postgres.pgo.vocabulary import REPO
from ephemeral_castle.drivers.postgres.sides import path_of
from ephemeral_castle.errors import Refused
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.kubernetes import Manifest, Ref
from ephemeral_castle.spi.marks import MARK

if TYPE_CHECKING:
    from ephemeral_castle.postgres.pgbackrest import RepoInfo

UNTOUCHED = "nothing was changed"
FLUX = "kustomize.toolkit.fluxcd.io"
ENDING = (Verb.REBIRTH, Verb.WIPE, Verb.RESTORE)


class Survey(Operated, survey.Survey):
    """As everywhere; and one more answer: a living cluster that is taken over."""

    async def taken_over(self, info: RepoInfo) -> dict[str, Any] | None:
        """Its repository is the treasury's, of just this database; then it stands, and nothing of it is changed."""
        if self.ctx.request.verb in ENDING and not self.ctx.request.side:
            await self._comes_back_by_its_tree()
        if not taking_over(self.ctx):
            return None
        own = await self.operated().own()
        found = await own.cluster.get(self.operated().ref)
        if found is None:
            return None
        if MARK in (found["metadata"].get("labels") or {}):
            raise in_the_way(self, self.operated().ref, found)
        self._fits(found)
        await self._no_namesake(own.cluster)
        await self._agrees(info)
        await passwords.learn(self, own)
        key = f"database `{self.layer}` writes by a key that is not castle's: revoke it when the tree names another one"
        self.ctx.diagnostic("warning", key)
        reason = f"{self.operated().ref} lives, and is taken over as it is"
        uid = str(found["metadata"]["uid"])
        return {"plan": "standing", "presence": PRESENT, "reason": reason, "taken": uid}

    def _fits(self, found: Manifest) -> None:
        """What castle could not bring home is not taken over."""
        spec = found["spec"]
        backrest = (spec.get("backups") or {}).get("pgbackrest") or {}
        repo = next((each for each in seen.repositories(found) if each["name"] == REPO), {})
        bucket = str((repo.get("s3") or {}).get("bucket", ""))
        path = str((backrest.get("global") or {}).get("repo1-path", f"/pgbackrest/{REPO}"))
        wanted = (self.ctx.world.access.bucket, path_of(self))
        if int(spec["postgresVersion"]) != VERSION:
            raise self._unfit(f"it runs PostgreSQL {spec['postgresVersion']}, and castle reads and proves {VERSION}", [
                f"bring it to PostgreSQL {VERSION} first"])  # fmt: skip
        if (bucket, path) != wanted:
            raise self._unfit(
                f"{REPO} of it lies in bucket `{bucket}` at {path}, and castle looks into `{wanted[0]}` at {wanted[1]}",
                [
                    "let the treasury's `url` be s3://BUCKET/FOLDER and the layer's `repository` the rest of that path",
                    "or move the repository there in Git, and wait for its first full backup",
                ],
            )

    async def _no_namesake(self, cluster: Any) -> None:
        """The Secret that castle would make in the next life has its own name, or is meant."""
        if self.wishes.secret is not None:
            return
        ref = Ref("v1", "Secret", self.secret_name, self.operated().namespace)
        if await cluster.get(ref) is not None:
            raise self._unfit(
                f"{ref} is there already, and castle would make one of that name in the next life",
                [f"let castle read it: `secret: {ref.name}` in the layer", "or give the cluster's own another name"],
            )

    async def _comes_back_by_its_tree(self) -> None:
        """A tree that does not read castle's word would apply the cluster of before: empty, beside a full repository.

        The lock refuses that, but only after the end of the living one.

        Raises:
            Refused: it does not.
        """
        place = self.operated(old=True)
        found = await place.cluster() if self.wishes.by == "git" and await self.listed() else None
        labels = (found or {}).get("metadata", {}).get("labels") or {}
        name, space = labels.get(f"{FLUX}/name"), labels.get(f"{FLUX}/namespace")
        if found is None or not name:
            return
        ref = Ref(f"{FLUX}/v1", "Kustomization", str(name), str(space))
        unit = await (await place.own()).cluster.get(ref)
        word = self.wishes.life.partition("/")[2]
        reads = ((unit or {}).get("spec", {}).get("postBuild") or {}).get("substituteFrom") or ()
        if any(each.get("name") == word and not each.get("optional") for each in reads):
            return
        raise Refused(
            f"the tree in Git would not bring database `{self.layer}` back as castle decides",
            where=str(ref),
            why=f"it applies {place.ref}, and its `postBuild.substituteFrom` does not name ConfigMap {word} "
            "(or names it as optional): after the end it would apply the cluster as it was born before",
            state=UNTOUCHED,
            hints=["let it take the birth from castle's ConfigMap: docs/guides/pgo.md", "castle plan rebirth"],
        )

    def _unfit(self, why: str, hints: list[str]) -> Refused:
        return Refused(
            f"{self.operated().ref} cannot be taken over as database `{self.layer}`",
            where=self.ctx.layer.position,
            why=why,
            state=f"{UNTOUCHED}; it serves as before",
            hints=[*hints, "castle raise --adopt"],
        )


class Lock(SharedLock):
    """The same; for a cluster that is taken over, what its tree needs to take the next birth from castle's word."""

    async def act(self) -> Observation | None:
        """Locks; then the Secret that leads to the repository, and the word, which a tree may begin to read."""
        locked_ = await super().act()
        if self.survey.get("taken") and self.wishes.by == "git":
            own = await self.operated().own()
            await credentials(self, own)
            await answer(self, own)
        return locked_
