"""Secrets of this life: read from the store after castle asked for it, whole, and with the right pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ephemeral_castle.drivers.external_secrets import objects
from ephemeral_castle.drivers.external_secrets.asking import Asking, asked, state_of
from ephemeral_castle.drivers.external_secrets.objects import External
from ephemeral_castle.drivers.external_secrets.part import Part, together
from ephemeral_castle.drivers.external_secrets.vocabulary import API, DELETED, EXTERNAL, MISSING
from ephemeral_castle.errors import NotFound, Permanent
from ephemeral_castle.manifests import ready as rules
from ephemeral_castle.manifests.readiness import Readiness, condition, ready, told, waiting
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.kubernetes import Cluster, Judge, Manifest, Ref
from ephemeral_castle.spi.onward import onward
from ephemeral_castle.spi.part import NOT_REACHED, REACHED

TICK = 1.0  # seconds between two looks for the first ExternalSecret


def newer(external: External) -> Judge:
    """Synced since it was asked.

    Args:
        external: as of the moment when it was asked: what its status said then does not count. One that never reads
            its store again says nothing new, and counts as it is.
    """
    return once if external.fixed and external.synced else rules.synced_after(external.synced)


def once(manifest: Manifest | None) -> Readiness:
    """Synced at some time, whatever was asked for since."""
    if manifest is None:
        return waiting(rules.ABSENT)
    found = condition(manifest, "Ready")
    well = found.get("status") == "True" and found.get("reason") not in (DELETED, MISSING)
    return ready(told(found)) if well else waiting(told(found) if found else "nothing was synced yet")


class Synced(Part):
    """What others wait for: the ExternalSecrets that the layer names, or all that are there."""

    async def observe(self) -> Observation:
        """Only the act knows: what was synced before this run asked for it counts for nothing."""
        return Observation(NOT_REACHED, "not asked yet")

    async def act(self) -> Observation | None:
        """Asks every ExternalSecret of the store, and waits for those that matter.

        Raises:
            Permanent: one does not come, is not whole, or carries another pass.
        """
        cluster, until = await self.ctx.cluster(), self.ctx.world.clock.monotonic() + self.options.wait
        refs = self.named() or await self._first(cluster, until)
        await self._wake(cluster, refs)
        found = await together(self.fresh(cluster, ref, until) for ref in refs)
        facts: dict[str, Any] = {"secrets": dict(found)}
        if self.options.cipher is not None:
            await self._same_pass(cluster, until)
            facts["cipher"] = {"secret": self.options.cipher.secret, "equals": self.options.cipher.equals}
        names = ", ".join(name for name, _ in found[:3]) + (", ..." if len(found) > 3 else "")
        return Observation(REACHED, f"{len(found)} synced in this run: {names}", facts, renews=True)

    def named(self) -> list[Ref]:
        """Those that the layer names."""
        return [Ref(API, EXTERNAL, each.name, each.namespace) for each in self.options.secrets]

    async def _first(self, cluster: Cluster, until: float) -> list[Ref]:
        """All that are there, as soon as there is any."""
        clock = self.ctx.world.clock
        while True:
            found = await self.listed(cluster)
            if found:
                return [Ref.of(each) for each in found]
            if clock.monotonic() >= until:
                why = f"no ExternalSecret reads from the store `{self.options.store}`"
                hints = ["add one to the repository, or remove this layer", onward(self.ctx)]
                raise Permanent("no secret came", where=f"layer `{self.layer}`", why=why, state=state_of(self),
                                hints=hints)  # fmt: skip
            self.ctx.progress("waiting for the first ExternalSecret")
            await clock.sleep(TICK)

    async def _wake(self, cluster: Cluster, besides: Sequence[Ref]) -> None:
        """Asks the others, too: one that met a store which was not ready sleeps in its back-off."""
        for each in await self.listed(cluster):
            ref = Ref.of(each)
            if ref not in besides:
                try:
                    await asked(cluster, ref, self.ctx.world.clock.now())
                except NotFound:  # somebody removed it meanwhile
                    continue

    async def fresh(self, cluster: Cluster, ref: Ref, until: float) -> tuple[str, Mapping[str, Any]]:
        """One of them, from the store to the Secret; gives its name and what is known of it.

        Raises:
            Permanent: it does not come, or its Secret is not whole.
        """
        asking = Asking(self, cluster, ref, until)
        await asking.exists()
        external = objects.read(await asking.ask())
        live = await asking.wait(newer(external))
        if external.fixed and external.synced:
            text = f"{external} reads its store once only: what it has may be old"
            self.ctx.diagnostic("info", text)
        await self._whole(cluster, asking, objects.read(live))
        status = live.get("status") or {}
        keys = list(self.wanted_keys(external))
        known = {"keys": keys, "synced": status.get("syncedResourceVersion", ""),
                 "refreshed": status.get("refreshTime", "")}  # fmt: skip
        return str(external), known

    async def _whole(self, cluster: Cluster, asking: Asking, external: External) -> None:
        """Its Secret has all keys, and none is empty."""
        if external.secret is None:
            return
        secret = await cluster.get(external.secret)
        wrong = self.judged(external, secret) or await self.unequal(external, secret, asking.until)
        if wrong:
            raise asking.failed(wrong)

    async def _same_pass(self, cluster: Cluster, until: float) -> None:
        cipher = self.options.cipher
        wrong = await self.cipher(cluster, cipher, until) if cipher else ""
        if not wrong or cipher is None:
            return
        raise Permanent(
            "the pass of the backups in the cluster is not the one that was proven",
            where=f"Secret {cipher.secret}, key `{cipher.key}`, layer `{self.layer}`",
            why=wrong,
            state=f"{state_of(self)}; with this pass nothing could be restored",
            hints=[f"write the pass of `{cipher.equals}` into the store", onward(self.ctx)],
        )


class Whole(Synced):
    """Every ExternalSecret of the store, those that came later, too."""

    async def act(self) -> Observation | None:
        """Asks those that are not well, and waits for them.

        Raises:
            Permanent: one does not come, or is not whole.
        """
        cluster, until = await self.ctx.cluster(), self.ctx.world.clock.monotonic() + self.options.wait
        done = dict(self.ctx.facts(f"{self.layer}.synced").get("secrets") or {})
        refs = [Ref.of(each) for each in await self.listed(cluster) if str(objects.read(each)) not in done]
        found = await together(self.fresh(cluster, ref, until) for ref in refs)
        return Observation(REACHED, f"{len(done) + len(found)} are there", {"secrets": dict(found)}, renews=True)
