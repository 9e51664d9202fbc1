"""The first Secrets: what must be in the cluster before Flux can fetch or decrypt anything."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Mapping

from ephemeral_castle.drivers.flux.address import Said, Value, opener
from ephemeral_castle.drivers.flux.part import Part
from ephemeral_castle.errors import Permanent
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.kubernetes import Cluster, Manifest, Ref
from ephemeral_castle.spi.part import NOT_REACHED, REACHED
from ephemeral_castle.spi.secret import Secret

CA = "ca.crt"
PAIR, PAIR_KEYS = "kubernetes.io/tls", {"tls.crt", "tls.key"}
LONGEST, PAUSE = 300.0, 1.0  # seconds for another layer to make a secret, and between two looks


class First(Part):
    """Every Secret of the definition, and the key or token of the repository, is there with its present value."""

    async def observe(self) -> Observation:
        """Compares what is there with what is known; says names only."""
        cluster = await self.cluster()
        wanted = await self.contents(make=False)
        live = await asyncio.gather(*(cluster.get(_ref(name)) for name in wanted))
        different = [name for (name, data), each in zip(wanted.items(), live, strict=True) if not _holds(each, data)]
        if different:
            return Observation(NOT_REACHED, f"missing, or with another value: {', '.join(different)}")
        return _reached(wanted)

    async def act(self) -> Observation | None:
        """Makes the namespaces that are missing, and applies the Secrets."""
        wanted = await self.contents(make=True)
        cluster = await self.cluster()
        for space in dict.fromkeys(name.split("/")[0] for name in wanted):
            await self._namespace(cluster, space)
        live = await asyncio.gather(*(cluster.get(_ref(name)) for name in wanted))
        made = (self._manifest(name, data, each) for (name, data), each in zip(wanted.items(), live, strict=True))
        await asyncio.gather(*(cluster.apply(each) for each in made))
        return _reached(wanted)

    async def _namespace(self, cluster: Cluster, name: str) -> None:
        if await cluster.get(Ref("v1", "Namespace", name)) is None:
            meta = {"name": name, "labels": self.labels()}
            await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": meta})

    async def contents(self, *, make: bool) -> dict[str, dict[str, str | None]]:
        """By NAMESPACE/NAME: key -> value in base64, as the API has it.

        Args:
            make: a secret that is missing is made, or waited for; else it stands as None.

        Raises:
            Permanent: a secret is missing, or there is no CA to give.
        """
        found = {}
        for name, values in self._named().items():
            found[name] = {key: await self._value(value, f"{name} {key}", make=make) for key, value in values.items()}
        return found

    def _named(self) -> dict[str, dict[str, Value]]:
        """What a person wrote wins over what the definition's repository says."""
        found: dict[str, dict[str, Value]] = {}
        opening = opener(self.repository, str(self.facts("source")["url"]))
        if opening:
            found[f"{self.options.namespace}/{self.options.name}"] = dict(opening)
        for name, values in self.options.secrets.items():
            found.setdefault(name, {}).update(values)
        for name in self.options.treasury_ca:
            found.setdefault(name, {})[CA] = Said(self._ca(name))
        return found

    def _ca(self, name: str) -> str:
        ca = self.ctx.world.access.ca
        if ca:
            return ca
        raise Permanent(
            "the treasury has no CA of its own",
            why=f"layer `{self.layer}` puts it into Secret `{name}` (option `treasury_ca`)",
            state="nothing of the repository was applied",
            hints=["remove `treasury_ca`: a public CA needs no telling", "castle resume"],
        )

    async def _value(self, value: Value, place: str, *, make: bool) -> str | None:
        """In base64; None for one that is still to be made, where nothing may be."""
        if isinstance(value, Said):
            return _coded(value.text)
        known = await self.ctx.secrets.get(value)
        if known is None and make:
            known = await self._made(value, place)
        return None if known is None else _coded(known.reveal())

    async def _made(self, name: str, place: str) -> Secret:
        """One of the layer's own is made up, and stored before it is used; one of another layer is waited for."""
        owner = name.partition("/")[0]
        if owner == self.layer:
            made = Secret(secrets.token_urlsafe(30))
            await self.ctx.secrets.put(name, made)
            return made
        clock = self.ctx.world.clock
        until = clock.monotonic() + LONGEST
        known_layer = owner in {each.id for each in self.ctx.request.site.layers}
        if known_layer:
            self.ctx.progress(f"layer `{owner}` is still to make the secret `{name}`")
        while known_layer and clock.monotonic() < until:
            known = await self.ctx.secrets.get(name)
            if known is not None:
                return known
            await clock.sleep(PAUSE)
        raise Permanent(
            f"the secret `{name}` is missing",
            why=f"layer `{self.layer}` gives it to Flux (Secret {place})",
            state="nothing of the repository was applied",
            hints=[f"castle secret put {name}", "castle resume"],
        )

    def _manifest(self, name: str, data: Mapping[str, str | None], live: Manifest | None) -> Manifest:
        """A Secret of certificate and key is of the kind that ingresses look for. A kind never changes once it is."""
        ref = _ref(name)
        meta = {"name": ref.name, "namespace": ref.namespace, "labels": self.labels()}
        kind = str((live or {}).get("type") or (PAIR if set(data) == PAIR_KEYS else "Opaque"))
        return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": kind, "data": dict(data)}


def _ref(name: str) -> Ref:
    space, _, own = name.partition("/")
    return Ref("v1", "Secret", own, space)


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _holds(live: Manifest | None, data: Mapping[str, str | None]) -> bool:
    """Whether all of it is there; what others added (cert-manager: the CA beside a certificate) is theirs."""
    there = (live or {}).get("data") or {}
    known = all(value is not None and there.get(key) == value for key, value in data.items())
    return live is not None and known


def _reached(wanted: Mapping[str, object]) -> Observation:
    names = ", ".join(wanted) or "none is needed"
    return Observation(REACHED, names, {"secrets": list(wanted)}, renews=True)
