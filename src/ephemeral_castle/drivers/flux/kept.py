"""Volumes of the old life's cluster: what nobody keeps is refused before anything ends, and never destroyed unsaid.

See decision 0024. A claim is kept that castle's own database made, or an operator for a database that a layer keeps.
"""

from __future__ import annotations

from collections.abc import Sequence

from ephemeral_castle.drivers.flux.part import Part
from ephemeral_castle.errors import CastleError, NotFound, Refused, Transient
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi import marks
from ephemeral_castle.spi.kubernetes import Cluster, Manifest, Ref
from ephemeral_castle.spi.onward import onward
from ephemeral_castle.spi.part import REACHED

PGO = "postgres-operator.crunchydata.com"
TRIES = 3  # attempts at a cluster that does not answer, before what it holds counts as not to be seen
SHOWN = 10  # of the volumes in a refusal


class Kept(Part):
    """No volume that holds data ends with the machines but those that a layer keeps, or that may be lost."""

    async def cluster(self) -> Cluster:
        """Of the life that ends."""
        return await self.ctx.cluster(old=True)

    async def observe(self) -> Observation:
        """Lists the claims of all namespaces. A dead API server is told and no reason to stay.

        Raises:
            Refused: there are some that nobody keeps.
        """
        if not self.ctx.old_life:
            return Observation(REACHED, waived="no life stood before this run")
        try:
            loose = await self._loose(await self.cluster())
        except NotFound as error:
            return Observation(REACHED, waived=f"there is no cluster in the old life ({error})")
        except CastleError as error:
            if isinstance(error, Transient) and self.ctx.attempt < TRIES:
                raise
            text = f"whether volumes are there that nobody keeps could not be seen: {error.why or error}"
            self.ctx.diagnostic("warning", f"{text}; they end with their machines")
            return Observation(REACHED, waived=text)
        accepted = [name for name in loose if name in self.options.accept_loss]
        for name in accepted:
            self.ctx.diagnostic("warning", f"claim {name} ends with this life; accepted by `accept_loss`")
        self._refuse([name for name in loose if name not in accepted])
        return Observation(REACHED, "each volume is kept by a layer, or may be lost", {"accepted": accepted})

    async def _loose(self, cluster: Cluster) -> list[str]:
        claims = await cluster.list("v1", "PersistentVolumeClaim")
        # Without a volume it never held anything.
        bound = [each for each in claims if (each.get("spec") or {}).get("volumeName")]
        return sorted([_name(each) for each in bound if not await self._kept(cluster, each)])

    async def _kept(self, cluster: Cluster, claim: Manifest) -> bool:
        labels = claim["metadata"].get("labels") or {}
        if labels.get(marks.MARK) == marks.own(self.ctx):
            return True
        name, space = str(labels.get(f"{PGO}/cluster", "")), str(claim["metadata"]["namespace"])
        if not name:
            return False
        known = self.ctx.record.lineage
        keeps = [known.get(each.id) or {} for each in self.ctx.request.site.layers]
        if any((each.get("cluster"), each.get("namespace")) == (name, space) for each in keeps):
            return True
        found = await cluster.get(Ref(f"{PGO}/v1beta1", "PostgresCluster", name, space))
        return found is not None and (found["metadata"].get("labels") or {}).get(marks.MARK) == marks.own(self.ctx)

    def _refuse(self, names: Sequence[str]) -> None:
        if not names:
            return
        more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        raise Refused(
            f"{len(names)} {'volume' if len(names) == 1 else 'volumes'} of the cluster would end, kept by no layer",
            where=", ".join(names[:SHOWN]) + more,
            why="nothing of castle backs them up: they end with their machines, and no new life has them",
            state="nothing was changed",
            hints=[
                "save by hand what is worth it, or let a layer keep it",
                f"what may be lost: `accept_loss: [{', '.join(names[:SHOWN])}]` in layer `{self.layer}`",
                onward(self.ctx),
            ],
        )


def _name(claim: Manifest) -> str:
    return f"{claim['metadata']['namespace']}/{claim['metadata']['name']}"
