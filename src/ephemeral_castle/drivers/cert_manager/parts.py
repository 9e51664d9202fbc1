"""The two steps: key and chain into the cluster, and cert-manager's word on them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from ephemeral_castle.drivers.cert_manager import secrets
from ephemeral_castle.drivers.cert_manager.options import CarriedOptions, CertManagerOptions
from ephemeral_castle.errors import Permanent, Transient, Unreachable
from ephemeral_castle.manifests import ready as rules
from ephemeral_castle.manifests.readiness import Stage
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi import marks, part
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.kubernetes import Cluster, Manifest, Ref
from ephemeral_castle.spi.onward import onward
from ephemeral_castle.spi.part import NOT_REACHED, REACHED


class Part(part.Part[CertManagerOptions]):
    """What both share."""

    async def wanted(self) -> list[tuple[CarriedOptions, Manifest]]:
        """Every Secret as it should be.

        Raises:
            Permanent: the vault has no such certificate.
        """
        labels = {marks.MARK: marks.own(self.ctx), "castle.life": str(self.ctx.life), "castle.layer": self.layer}
        found = []
        for each in self.options.carried:
            chain, key = [await self.ctx.secrets.get(f"certificate/{each.layer}/{what}") for what in ("chain", "key")]
            if chain is None or key is None:
                raise Permanent(
                    f"the vault has no certificate of layer `{each.layer}`",
                    where=f"layer `{self.layer}`, Certificate {each.namespace}/{each.name}",
                    why="it is to be carried into the cluster, and there is none",
                    state="the cluster stands; nothing of this layer was changed",
                    hints=[onward(self.ctx)],
                )
            found.append((each, secrets.manifest(each, chain, key, labels)))
        return found

    async def different(self, cluster: Cluster) -> list[Manifest]:
        """Secrets that are to be written. One that cert-manager has issued itself in this life stays its own."""
        wanted = await self.wanted()
        live = await asyncio.gather(*(cluster.get(Ref.of(manifest)) for _, manifest in wanted))
        named = [(each, manifest) for (each, manifest), found in zip(wanted, live, strict=True)
                 if not secrets.holds(found, manifest)]  # fmt: skip
        seen = await asyncio.gather(*(cluster.get(secrets.certificate(each)) for each, _ in named))
        return [manifest for (_, manifest), found in zip(named, seen, strict=True) if not secrets.issued(found)]


class Carried(Part):
    """Key and chain are in the cluster, before the Certificates are."""

    async def observe(self) -> Observation:
        """Compares; says names only."""
        different = await self.different(await self.ctx.cluster())
        if different:
            return Observation(NOT_REACHED, f"missing, or another: {', '.join(_name(each) for each in different)}")
        return self._done()

    async def act(self) -> Observation | None:
        """Writes them."""
        cluster = await self.ctx.cluster()
        different = await self.different(cluster)
        for space in dict.fromkeys(each["metadata"]["namespace"] for each in different):
            if await cluster.get(Ref("v1", "Namespace", space)) is None:
                marked = {marks.MARK: marks.own(self.ctx), "castle.layer": self.layer}
                meta = {"name": space, "labels": marked}
                await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
        await asyncio.gather(*(cluster.apply(each) for each in different))
        return self._done()

    def _done(self) -> Observation:
        names = [f"{each.namespace}/{each.secret}" for each in self.options.carried]
        return Observation(REACHED, ", ".join(names), {"secrets": names}, renews=True)


class Ready(Part):
    """Every Certificate is Ready, and none was issued anew."""

    async def observe(self) -> Observation:
        """One look at each."""
        cluster = await self.ctx.cluster()
        for each in self.options.carried:
            said = rules.judge(await cluster.get(secrets.certificate(each)))
            if said.stage is not Stage.READY:
                return Observation(NOT_REACHED, f"{each.namespace}/{each.name}: {said.why}")
        return await self._told(cluster)

    async def act(self) -> Observation | None:
        """Waits for them.

        Raises:
            Permanent: one does not become Ready.
        """
        cluster = await self.ctx.cluster()
        await asyncio.gather(*(self._one(cluster, each) for each in self.options.carried))
        return await self._told(cluster)

    async def _one(self, cluster: Cluster, options: CarriedOptions) -> None:
        ref = secrets.certificate(options)
        try:
            await cluster.until(ref, rules.judge, timeout=self.options.wait)
        except Unreachable:
            raise
        except (Transient, Permanent) as late:
            raise Permanent(
                f"the certificate `{options.name}` is not ready",
                where=f"{ref}, layer `{self.layer}`",
                why=late.why or "cert-manager says nothing of it",
                state="key and chain lie in their Secret; names do not lead to this life yet",
                hints=[f"kubectl describe certificate -n {options.namespace} {options.name}", onward(self.ctx)],
            ) from None

    async def _told(self, cluster: Cluster) -> Observation:
        found = await asyncio.gather(*(cluster.get(secrets.certificate(each)) for each in self.options.carried))
        counts = {f"{each.namespace}/{each.name}": secrets.issued(live)
                  for each, live in zip(self.options.carried, found, strict=True)}  # fmt: skip
        new = [name for name, count in counts.items() if count]
        if new:
            text = f"cert-manager has issued in this life what castle carries: {', '.join(new)}"
            self.ctx.diagnostic("warning", f"{text}; compare names, key and `issuerRef` with layer `{self.layer}`")
        words = f"{len(counts) - len(new)} of {len(counts)} as they were carried" if new else "as they were carried"
        return Observation(REACHED, words, {"issued": counts}, renews=True)


async def look(ctx: Context) -> Mapping[str, Any]:
    """For `castle status`: what is wrong with the Certificates."""
    cluster = await ctx.cluster()
    alarms = [
        {"severity": "error", "text": f"layer `{ctx.layer.id}`: certificate {name}: {why}", "mend": "castle raise"}
        for name, why in await _troubles(cluster, ctx.options.carried)
    ]
    return {"alarms": alarms, "states": ["down" if alarms else "up"]}


async def settled(ctx: Context) -> str:
    """Why a raise would have something to do; "" when all is well as it stands."""
    cluster = await ctx.cluster()
    for name, why in await _troubles(cluster, ctx.options.carried):
        return f"{name}: {why}"
    different = await Part(ctx).different(cluster)
    return f"another certificate is carried than lies in Secret {_name(different[0])}" if different else ""


async def _troubles(cluster: Cluster, carried: Sequence[CarriedOptions]) -> list[tuple[str, str]]:
    found = []
    for each in carried:
        said = rules.judge(await cluster.get(secrets.certificate(each)))
        if said.stage is not Stage.READY:
            found.append((f"{each.namespace}/{each.name}", said.why))
    return found


def _name(manifest: Manifest) -> str:
    return f"{manifest['metadata']['namespace']}/{manifest['metadata']['name']}"
