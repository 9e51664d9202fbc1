"""A look at a volume on which no server runs, by a pod of the image that the server had."""

from __future__ import annotations

import contextlib
import secrets
from typing import Any

from ephemeral_castle.drivers.postgres import pods
from ephemeral_castle.drivers.postgres.errand import GLIMPSE
from ephemeral_castle.drivers.postgres.own import Own
from ephemeral_castle.drivers.postgres.pgo import likeness
from ephemeral_castle.drivers.postgres.pgo.layout import VERSION
from ephemeral_castle.drivers.postgres.pgo.vocabulary import INSTANCE
from ephemeral_castle.drivers.postgres.shape import MANAGED, PART
from ephemeral_castle.errors import CastleError, Permanent, Transient, Unreachable
from ephemeral_castle.postgres import datadir
from ephemeral_castle.postgres.states import ClusterState
from ephemeral_castle.spi.kubernetes import Manifest, Ref

DATA = f"/pgdata/pg{VERSION}"
CONTROL = f"""\
for each in /usr/lib/postgresql/{VERSION}/bin/ /usr/pgsql-{VERSION}/bin/ /usr/libexec/postgresql{VERSION}/ ''; do
  ! command -v "${{each}}pg_controldata" > /dev/null || LC_ALL=C exec "${{each}}pg_controldata" {DATA}
done
exit 1"""
# What a restore left for the first start is the database, too. `datadir` looks for it under another name.
LOOK = f"""\
mkdir /tmp/volume
for each in {DATA} {DATA}_bootstrap; do
  [ ! -e $each ] || [ -e /tmp/volume/data ] || ln -s $each /tmp/volume/data
done
{datadir.LOOK}
look /tmp/volume"""


class Glimpse:
    """Sends pods to the volume of one instance.

    Args:
        own: the API server, and castle's marks.
        name: of the PostgresCluster.
    """

    def __init__(self, own: Own, name: str) -> None:
        self.own = own
        self.name = name

    async def lies(self, claim: Manifest) -> ClusterState:
        """What lies on the volume of a claim.

        Raises:
            Unreachable: it cannot be seen.
        """
        return datadir.judge((await self._said(claim, LOOK)).splitlines())

    async def control(self, claim: Manifest) -> str:
        """The control data of the server that ran on it; raises Unreachable."""
        return await self._said(claim, CONTROL)

    async def _said(self, claim: Manifest, script: str) -> str:
        for left in await self.own.of("look", "Pod"):
            await self.own.delete(left, grace=0)
        pod = await self.own.cluster.create(await self._pod(claim, script))
        try:
            found = await self.own.cluster.until(Ref.of(pod), pods.done, timeout=GLIMPSE, title=str(Ref.of(pod)))
        except (Permanent, Transient) as error:
            raise self._blind(error.why or error.message) from error
        finally:
            with contextlib.suppress(CastleError):
                await self.own.delete(pod, grace=0)
        end = pods.ended(found, "look")
        if end is None or end.get("exitCode") != 0:
            raise self._blind(str((end or {}).get("message") or (end or {}).get("reason") or "its pod was ended"))
        return str(end.get("message", ""))

    async def _pod(self, claim: Manifest, script: str) -> Manifest:
        template = await self._template(claim)
        name = f"{self.name}-look-{secrets.token_hex(3)}"
        command = ["sh", "-c", f"({script}) > /dev/termination-log"]
        data = {"persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}}
        spec = likeness.pod(template, "look", command, {"data": ("/pgdata", data)}, restartPolicy="Never")
        labels = {**MANAGED, **self.own.marks, PART: "look"}
        meta = {"name": name, "namespace": self.own.namespace, "labels": labels}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}

    async def _template(self, claim: Manifest) -> dict[str, Any]:
        instance = str((claim["metadata"].get("labels") or {}).get(INSTANCE, ""))
        found = await self.own.cluster.get(Ref("apps/v1", "StatefulSet", instance, self.own.namespace))
        if found is None:
            raise self._blind(f"nothing says any more which image ran on claim {claim['metadata']['name']}")
        template: dict[str, Any] = found["spec"]["template"]["spec"]
        return template

    def _blind(self, why: str) -> Unreachable:
        return Unreachable(
            f"the volume of PostgresCluster {self.own.namespace}/{self.name} cannot be looked at",
            why=why,
            state="nothing was changed",
            hints=["castle status"],
        )
