"""What is looked at before anything is destroyed, and the standing cluster brought up once more."""

from __future__ import annotations

import ipaddress
import posixpath
from urllib.parse import urlsplit

from ephemeral_castle.drivers.kubeadm import unchanged, watchers
from ephemeral_castle.drivers.kubeadm.endpoint import Endpoint, configuration
from ephemeral_castle.drivers.kubeadm.former import made
from ephemeral_castle.drivers.kubeadm.image import ENDPOINT
from ephemeral_castle.drivers.kubeadm.layout import PORT
from ephemeral_castle.drivers.kubeadm.options import HERE
from ephemeral_castle.drivers.kubeadm.part import Part
from ephemeral_castle.errors import CastleError, Refused
from ephemeral_castle.model.castle import Role, Verb
from ephemeral_castle.model.step import Observation
from ephemeral_castle.spi.awake import ANSWERS
from ephemeral_castle.spi.cold import drop, see_dropped
from ephemeral_castle.spi.kubernetes import Cluster
from ephemeral_castle.spi.part import NOT_REACHED, REACHED

WAKING = 30.0  # seconds for the standing cluster to answer; a dead one keeps nobody from a rebirth
LOOKS = 0.2
UPSTREAM = "registry.k8s.io"
# bash alone speaks TCP by itself; the answer's first line is all that is wanted.
ASK = r"""
exec 3<> "/dev/tcp/$1/$2" || exit 1
accept=application/vnd.docker.distribution.manifest.v2+json,application/vnd.oci.image.manifest.v1+json
accept=$accept,application/vnd.docker.distribution.manifest.list.v2+json,application/vnd.oci.image.index.v1+json
printf 'HEAD %s HTTP/1.0\r\nHost: %s:%s\r\nAccept: %s\r\n\r\n' "$3" "$1" "$2" "$accept" >&3
read -r -t 20 line <&3 && printf '%s\n' "$line"
"""


class Check(Part):
    """Networks, programs and registry are as the cluster will need them."""

    async def observe(self) -> Observation:
        """Raises Refused for what would only show when the old cluster is gone."""
        self._networks()
        mirror = self.mirror()
        if self.options.mirror and "://" not in self.options.mirror:
            await self._answers(mirror)
        told = await self._programs()
        await self._watchers()
        return Observation(REACHED, told)

    async def _watchers(self) -> None:
        """Others are told first, and then counted: of two that begin at once, each sees the other."""
        try:
            await watchers.check(self.ctx, await self.desk.promised(self.ctx))
        except Refused:
            await self.desk.withdraw()
            raise

    def _networks(self) -> None:
        site = self.ctx.request.site
        machines = ipaddress.IPv4Network(site.subnet)
        for key in ("pods", "services"):
            network = getattr(self.options, key)
            if ipaddress.IPv4Network(network).overlaps(machines):
                raise self._refusal(
                    f"`{key}` and the network of the machines overlap", f"{network} and {site.subnet}",
                    f"write another `{key}`, or another `subnet` of the site",
                )  # fmt: skip
        taken = next((name for name, reach in site.reach.items() if reach.at == PORT), "")
        if taken and self.options.endpoint == HERE:
            raise self._refusal(
                f"port {PORT} at the gateway is wanted twice",
                f"`reach` gives it to `{taken}`, and the API server needs it",
                f"write `{taken}: PORT:HOST:PORT` with another one",
            )  # fmt: skip

    async def _programs(self) -> str:
        """The programs, where this computer has the directory that machines will see."""
        grounds = (layer.options for layer in self.ctx.request.site.layers if layer.role is Role.GROUND)
        found = (options.get("mounts", {}).get(self.options.programs) for options in grounds)
        directory = next((each for each in found if each), None)
        if directory is None:
            return f"wanted: {self.options.version}; the programs are looked at on the machines"
        program = posixpath.join(posixpath.dirname(self.ctx.request.castle.path), directory, "kubeadm")
        try:
            result = await self.ctx.world.exec.run([program, "version", "-o", "short"], timeout=30)
        except CastleError as error:
            raise self._refusal("kubeadm does not run", f"{program}: {error.why or error}", "castle doctor") from None
        if result.out.strip() != self.options.version:
            raise self._refusal(
                f"kubeadm is not of version {self.options.version}", f"{program} says {result.last_words(1)}",
                "correct `version`, or give machines the programs of that version",
            )  # fmt: skip
        return f"kubeadm {self.options.version}"

    async def _answers(self, mirror: str) -> None:
        """The registry as machines will ask it: no cluster comes up without images."""
        parts, image = urlsplit(mirror), f"kube-apiserver:{self.options.version}"
        path = f"/v2/kube-apiserver/manifests/{self.options.version}?ns={UPSTREAM}"
        argv = ["bash", "-c", ASK, "castle", str(parts.hostname), str(parts.port), path]
        result = await self.ctx.world.exec.run(self.ctx.world.enclosure.enter(argv), timeout=30)
        reach = self.ctx.request.site.reach[self.options.mirror]
        where = f"`{self.options.mirror}` is {reach.host}:{reach.port} on this computer"
        said = result.out.split()
        if not result.ok or len(said) < 2:
            why = f"{where}; {result.last_words(1) or 'nobody speaks there'}"
            raise self._refusal(
                "the registry of images does not answer", why, "start it, or correct `reach` of the site"
            )
        if said[1] != "200":
            why = f"{where}; asked for {UPSTREAM}/{image}, it says {result.out.strip()}"
            raise self._refusal("the registry lacks images of the cluster", why, "bring them there")

    def _refusal(self, message: str, why: str, hint: str) -> Refused:
        return Refused(
            message, where=f"layer {self.layer}", why=why, state="nothing was changed", hints=[hint, "castle plan"]
        )


class Image(Part):
    """The image of the load balancer."""

    async def observe(self) -> Observation:
        """Whether it is in the store."""
        there = await self.ctx.world.images.present(ENDPOINT)
        return Observation(REACHED if there else NOT_REACHED, "" if there else "not built yet")

    async def act(self) -> None:
        """Builds it."""
        await self.ctx.world.images.build(ENDPOINT, self.ctx.progress)


class Cold(Part):
    """The image leaves the store, so that it is built from nothing."""

    async def observe(self) -> Observation:
        """Whether it is gone."""
        return await see_dropped(self.ctx, ENDPOINT)

    async def act(self) -> Observation:
        """Drops it, unless something stands on it."""
        return await drop(self.ctx, ENDPOINT)


class Wake(Part):
    """The cluster of the standing life answers, so that what lies in it can be sealed.

    It may be dead for good: then those who need it find out what that means for them, and nobody else is kept waiting.
    """

    async def observe(self) -> Observation:
        """Whether it answers; waived where there is none of the old life."""
        if self.ctx.passed_no_return and self.ctx.request.verb in (Verb.REBIRTH, Verb.WIPE):
            return Observation(REACHED, "its end has begun")
        if not self.ctx.old_life or not self._machines():
            return Observation(REACHED, waived="no machine of an old life is here")
        unchanged.endpoint(self)
        if made(self.ctx, self.ctx.old_life).endpoint == HERE:
            seen = await Endpoint(self.ctx).of(self.ctx.old_life)
            if seen is None or not seen.running:
                return Observation(NOT_REACHED, "its load balancer does not run")
        try:
            cluster = await self.cluster(old=True)
            answers = await cluster.ready()
        except Refused:
            raise
        except CastleError as error:  # no key of it, or no machine: the act finds out whether that passes
            return Observation(NOT_REACHED, str(error))
        if not answers:
            return Observation(NOT_REACHED, "its API server does not answer")
        return await self._alive(cluster)

    def _machines(self) -> bool:
        """Whether the ground has listed machines of the old life; also when nobody lists any."""
        grounds = [layer.id for layer in self.ctx.request.site.layers if layer.role is Role.GROUND]
        listed = [
            facts for facts in (self.ctx.facts(f"{ground}.revive") for ground in grounds) if "containers" in facts
        ]
        return not listed or any(facts["containers"] for facts in listed)

    async def act(self) -> Observation | None:
        """Starts the load balancer, and waits a while for the API server."""
        try:
            there = made(self.ctx, self.ctx.old_life)
            if there.endpoint == HERE:
                machines = [await self.ctx.machine(name, old=True) for name in there.control]
                text = configuration(self.gateway, [(machine.name, machine.address) for machine in machines])
                await Endpoint(self.ctx).start(self.ctx.old_life, text)
            cluster = await self.cluster(old=True)
            until = self.ctx.world.clock.monotonic() + WAKING
            while not await cluster.ready():
                if self.ctx.world.clock.monotonic() > until:
                    return self._dead(f"no answer within {WAKING:g} s")
                await self.ctx.world.clock.sleep(LOOKS)
        except Refused:
            raise
        except CastleError as error:
            return self._dead(f"{error} ({error.why})" if error.why else str(error))
        return await self._alive(cluster)

    async def _alive(self, cluster: Cluster) -> Observation:
        await unchanged.check(self, cluster)
        return Observation(REACHED, "it answers", {ANSWERS: True}, renews=True)

    def _dead(self, why: str) -> Observation:
        self.ctx.diagnostic("warning", f"the cluster of life {self.ctx.old_life} does not answer: {why}")
        text = f"it does not answer: {why}"
        return Observation(REACHED, waived=text, facts={ANSWERS: False}, renews=True)
