"""HAProxy beside the machines: one address for every API server of a life."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ephemeral_castle.drivers.kubeadm.image import ENDPOINT
from ephemeral_castle.drivers.kubeadm.layout import PORT
from ephemeral_castle.errors import Transient
from ephemeral_castle.spi import marks
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.world import Result

# It carries bytes: who speaks is proven at both ends. An API server is asked whether it is ready, and who asks gives no
# key; one that is not ready loses its connections, so that clients turn to another at once.
CONFIGURATION = """\
global
  maxconn 400
  user haproxy
  group haproxy
defaults
  mode tcp
  timeout connect 500ms
  timeout check 1s
  retries 3
  timeout client 15m
  timeout server 15m
  option clitcpka
  option srvtcpka
  option redispatch 1
frontend api
  bind {gateway}:{port}
  default_backend api
backend api
  option httpchk GET /readyz
  http-check expect status 200
  default-server check check-ssl verify none inter 1s fastinter 250ms downinter 250ms fall 2 rise 1 \
on-marked-down shutdown-sessions
{servers}"""
START = 'printf %s "$1" > /run/castle/haproxy.cfg && exec haproxy -db -f /run/castle/haproxy.cfg'


def configuration(gateway: str, servers: Sequence[tuple[str, str]]) -> str:
    """HAProxy's configuration: `servers` are names and addresses. Nothing in it is secret."""
    lines = "".join(f"  server {name} {address}:{PORT}\n" for name, address in servers)
    return CONFIGURATION.format(gateway=gateway, port=PORT, servers=lines)


@dataclass(frozen=True)
class Seen:
    """A container that is. `digest`: of its configuration, as its mark says."""

    id: str
    name: str
    ours: bool
    running: bool
    life: int
    digest: str


class Endpoint:
    """The containers of one layer, in the castle's own podman, on the network of the machines."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx

    def name(self, life: int) -> str:
        """Of the container of a life."""
        return f"{self.ctx.request.castle.name}-{life}-{self.ctx.layer.id}-endpoint"

    async def all(self) -> list[Seen]:
        """Those of this layer, of every life, and whatever else has the name of one.

        Raises:
            Transient: podman does not answer.
        """
        name = f"^{self.ctx.request.castle.name}-[0-9]+-{self.ctx.layer.id}-endpoint$"
        result = await self._podman("ps", "-a", "--no-trunc", "--filter", f"name={name}", "--format", "json")
        if not result.ok:
            raise Transient("podman does not answer", why=result.last_words(), hints=["castle doctor"])
        return [self._seen(item) for item in json.loads(result.out or "[]") or []]

    async def of(self, life: int) -> Seen | None:
        """The one of that life. Raises Refused: something that is not ours has its name."""
        return (await self.found(life))[0]

    async def found(self, life: int) -> tuple[Seen | None, list[Seen]]:
        """The one of that life, and ours of all others. Raises as `of`."""
        everything = await self.all()
        found = next((seen for seen in everything if seen.name == self.name(life)), None)
        if found is not None and not (found.ours and found.life == life):
            raise marks.stranger("container", found.name, self._argv("inspect", found.name))
        return found, [seen for seen in everything if seen.ours and seen.life != life]

    def _seen(self, item: dict[str, Any]) -> Seen:
        labels = item.get("Labels") or {}
        life, digest = int(labels.get("castle.life", "0")), str(labels.get("castle.configuration", ""))
        ours = marks.is_ours(self.ctx, labels) and labels.get("castle.layer") == self.ctx.layer.id
        return Seen(item["Id"], item["Names"][0], ours, item.get("State") == "running", life, digest)

    async def start(self, life: int, text: str) -> str:
        """Runs it with this configuration, in the place of one with another; gives the container's id.

        One that only stopped is started again: it needs no image, which a computer may have lost since. Where a new one
        is needed and there is no image, that is built before the old container is touched.

        Raises:
            Refused: a container that is not ours has its name. Transient: it does not start.
        """
        seen = await self.of(life)
        if seen is not None and seen.digest == digest(text) and (seen.running or await self._again(seen)):
            return seen.id
        images = self.ctx.world.images
        if not await images.present(ENDPOINT):
            await images.build(ENDPOINT, self.ctx.progress)
        if seen is not None:  # nothing is in it that a new one would lack
            await self.remove([seen])
        marked = marks.labels(self.ctx, life=str(life), layer=self.ctx.layer.id, configuration=digest(text))
        result = await self._podman(
            "run", "-d", "--name", self.name(life), *marked, "--network", "host",
            "--tmpfs", "/run/castle", images.reference(ENDPOINT),
            "sh", "-c", START, "castle-endpoint", text,
        )  # fmt: skip
        if not result.ok:
            left = marks.holder(result.err)
            if left:
                await self._podman("rm", "-f", "-t", "0", left)
            raise Transient("the load balancer of the cluster does not start", why=result.last_words())
        return result.out.strip()

    async def _again(self, seen: Seen) -> bool:
        return (await self._podman("start", seen.id)).ok

    async def last_words(self, life: int) -> str:
        """Why the one of a life does not run; "" when it does."""
        seen = await self.of(life)
        if seen is None:
            return "its load balancer is not there"
        if seen.running:
            return ""
        logs = await self._podman("logs", "--tail", "3", seen.id)
        return f"its load balancer ended: {logs.last_words()}"

    async def remove(self, seen: Sequence[Seen]) -> None:
        """Removes containers of ours, by id; no error when they are gone.

        Raises:
            Transient: one does not go.
        """
        if not seen:
            return
        result = await self._podman("rm", "-f", "-t", "0", *(each.id for each in seen))
        said = [line for line in result.err.splitlines() if line.strip() and "no such container" not in line]
        if not result.ok and said:
            raise Transient("the load balancer of the cluster does not go", why=result.last_words())

    def _argv(self, *args: str) -> list[str]:
        return self.ctx.world.enclosure.podman(*args)

    async def _podman(self, *args: str) -> Result:
        env = self.ctx.world.enclosure.podman_env()
        return await self.ctx.world.exec.run(self._argv(*args), env=env, timeout=60.0)


def digest(text: str) -> str:
    """Twelve hex digits of a configuration."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]
