"""What a birth needs, in order: credentials, passwords, and only then the word by which it begins."""

from __future__ import annotations

import asyncio
import hmac
from typing import TYPE_CHECKING

from ephemeral_castle.drivers.postgres.pgo import birth, manifests
from ephemeral_castle.drivers.postgres.pgo.locking import in_the_way
from ephemeral_castle.drivers.postgres.pgo.passwords import hand_over
from ephemeral_castle.drivers.postgres.pgo.secrets import digest, text
from ephemeral_castle.drivers.postgres.pgo.vocabulary import CA, CONF
from ephemeral_castle.errors import Permanent, Refused, Transient
from ephemeral_castle.spi.kubernetes import Manifest, Readiness, Ref, Stage

if TYPE_CHECKING:
    from ephemeral_castle.drivers.postgres.own import Own
    from ephemeral_castle.drivers.postgres.pgo.part import Operated

SYNCED = 300.0  # seconds for a Secret that somebody else makes
APPLIED = 900.0  # seconds for a tree in Git to apply the PostgresCluster
WATCHED = {"reconcile.fluxcd.io/watch": "Enabled"}  # Flux looks again as soon as it is there


async def begin(part: Operated) -> None:
    """Credentials and passwords first; then the PostgresCluster, or the word on which a tree in Git applies it."""
    own = await part.operated().own()
    await asyncio.gather(credentials(part, own), hand_over(part, own))
    if part.wishes.by == "git":
        await answer(part, own)
        await _applied(part, own)
        return
    there = await own.look(part.operated().ref)
    if there is None:
        repo = await part.repository()
        name = part.operated().name
        await own.put(manifests.cluster(part.wishes, name, part.labels(), repo, part.birth()))


async def credentials(part: Operated, own: Own) -> None:
    """The Secret that leads to the repository: castle's own, or one that somebody else makes and castle only reads."""
    s3, namespace = await part.s3(), part.operated().namespace
    if part.wishes.secret is not None:
        await _synced(part, own, s3.cipher_pass)
        return
    files = {CONF: birth.credentials(s3)}
    if part.ctx.world.access.ca:
        files[CA] = part.ctx.world.access.ca
    await own.put(manifests.secret(namespace, part.secret_name, part.labels(), files))


async def _synced(part: Operated, own: Own, cipher: str) -> None:
    """Refuses a Secret that is empty or opens another repository: the operator would try for ten minutes, or for ever.

    Raises:
        Permanent: it does not come. Refused: it is not whole, or its pass is not the one of these backups.
    """
    ref = Ref("v1", "Secret", part.secret_name, part.operated().namespace)
    try:
        found = await own.cluster.until(ref, _filled, timeout=SYNCED, title=f"the credentials of `{part.layer}`")
    except Transient as error:
        raise Permanent(
            f"the credentials of database `{part.layer}` do not come",
            where=str(ref),
            why=error.why or error.message,
            state="no database was begun; the backups are untouched",
            hints=["look at what makes it: kubectl get externalsecret -A", "castle resume"],
        ) from error
    given = birth.passes(text(found))
    if not hmac.compare_digest(digest(given), digest(cipher)):
        raise Refused(
            f"the cipher pass in {ref} does not open the backups of database `{part.layer}`",
            why=f"its key {CONF} holds {'another pass' if given else 'no repo1-cipher-pass'} than the castle proved "
            "the backups with",
            state="no database was begun; the backups are untouched",
            hints=[f"put castle's secret `{part.layer}/cipher` where {ref.name} is made from", "castle resume"],
        )


def _filled(found: Manifest | None) -> Readiness:
    if found is None:
        return Readiness(Stage.WAITING, "it does not exist")
    if not text(found).strip():
        return Readiness(Stage.WAITING, f"it is there, and its key `{CONF}` is missing or empty")
    return Readiness(Stage.READY)


async def answer(part: Operated, own: Own) -> None:
    """The ConfigMap that the tree reads. It does not change in a life, and other databases' words in it stay."""
    namespace, _, name = part.wishes.life.partition("/")
    ref = Ref("v1", "ConfigMap", name, namespace)
    data = birth.life_data(part.layer, part.ctx.life, part.birth(), await part.repository())
    if await own.cluster.get(ref) is None:
        meta = {"name": name, "namespace": namespace, "labels": {**part.labels(), **WATCHED}}
        await own.cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})
    else:
        await own.cluster.patch(ref, {"metadata": {"labels": {**part.labels(), **WATCHED}}, "data": data})


async def _applied(part: Operated, own: Own) -> None:
    """The tree's PostgresCluster is there, and marked: the lock has let only this life's birth through.

    Raises:
        Permanent: nobody applies it.
    """
    ref = part.operated().ref
    part.ctx.progress(f"waiting until the tree in Git applies {ref}")
    try:
        found = await own.cluster.until(ref, _there, timeout=APPLIED, title=str(ref))
    except Transient as error:
        raise Permanent(
            f"the tree in Git does not apply {ref}",
            why=error.why or error.message,
            state="no database was begun; the backups are untouched",
            hints=[
                "kubectl get kustomizations -A, for what Flux says",
                f"the tree takes `dataSource` from ConfigMap {part.wishes.life}: see docs/guides/pgo.md",
                "castle resume",
            ],
        ) from error
    if found is not None and not own.has(found):
        if found["metadata"].get("labels", {}).get("castle.id"):
            raise in_the_way(part, ref, found)
        await own.cluster.patch(ref, {"metadata": {"labels": part.labels()}})


def _there(found: Manifest | None) -> Readiness:
    return Readiness(Stage.READY) if found is not None else Readiness(Stage.WAITING, "it does not exist")
