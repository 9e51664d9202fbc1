"""Why an object is not ready, asked of the cluster: its conditions, its events, its pods and their last words."""

from __future__ import annotations

from ephemeral_castle.errors import CastleError, NotFound
from ephemeral_castle.manifests import words
from ephemeral_castle.spi.kubernetes import Manifest, Ref
from ephemeral_castle.world.kubernetes.discovery import Kinds
from ephemeral_castle.world.kubernetes.objects import Objects
from ephemeral_castle.world.kubernetes.wire import Wire

PODS = 3  # told of; the others are counted
LINES = 6  # of a log
LOG_BYTES = 16 * 1024


class Explaining:
    """Finds reasons. Whatever cannot be read is left out: a reason must not fail."""

    def __init__(self, wire: Wire, kinds: Kinds, objects: Objects) -> None:
        self._wire = wire
        self._kinds = kinds
        self._objects = objects

    async def explain(self, ref: Ref) -> str:
        """See `spi.kubernetes.Cluster.explain`."""
        try:
            manifest = await self._objects.get(ref)
            if manifest is None:
                return ""
            lines = words.bad_conditions(manifest) + words.events(await self._events(ref, manifest))
            return "\n".join(dict.fromkeys(lines + await self._pods(ref, manifest)))
        except CastleError as error:
            return f"the reason cannot be asked for: {error.message}"

    async def log(self, namespace: str, pod: str, *, container: str, lines: int, previous: bool) -> str:
        """See `spi.kubernetes.Cluster.log`."""
        pods = await self._kinds.find("v1", "Pod")
        query = [("tailLines", str(lines)), ("limitBytes", str(LOG_BYTES * max(1, lines // LINES)))]
        query += [("container", container)] if container else []
        query += [("previous", "true")] if previous else []
        path = pods.path(pod, namespace, "log")
        # 400: the container has not started, or there is no earlier one.
        said = await self._wire.call(
            "GET", path, doing=f"reading the log of pod {namespace}/{pod}", query=query, expect=(400, 404)
        )
        return said.body.decode(errors="replace") if said.ok else ""

    async def _events(self, ref: Ref, manifest: Manifest) -> list[Manifest]:
        kind = await self._kinds.find("v1", "Event")
        uid = (manifest.get("metadata") or {}).get("uid")
        fields = f"involvedObject.kind={ref.kind},involvedObject.name={ref.name}"
        query = (("fieldSelector", fields), ("limit", "200"))
        # Events about objects of the whole cluster lie in `default`; those about nodes carry the name as uid.
        path = kind.collection(ref.namespace or "default")
        said = await self._wire.call("GET", path, doing=f"reading events of {ref}", query=query)
        found = said.json().get("items") or []
        return [each for each in found if (each.get("involvedObject") or {}).get("uid") in (uid, ref.name, None, "")]

    async def _pods(self, ref: Ref, manifest: Manifest) -> list[str]:
        if ref.kind == "Pod":
            return await self._pod(manifest)
        labels = words.selector(manifest)
        if not labels or not ref.namespace:
            return []
        try:
            pods = await self._objects.list("v1", "Pod", ref.namespace, labels)
        except NotFound:
            return []
        bad = [each for each in pods if not words.is_well(each)]
        lines = [line for each in bad[:PODS] for line in await self._pod(each)]
        if not pods:
            return ["it has no pods"]
        return lines + ([f"and {len(bad) - PODS} more pods"] if len(bad) > PODS else [])

    async def _pod(self, pod: Manifest) -> list[str]:
        ref = Ref("v1", "Pod", pod["metadata"]["name"], pod["metadata"]["namespace"])
        lines = [words.pod_line(pod), *words.events(await self._events(ref, pod), most=2)]
        for name, why, earlier in words.containers_in_trouble(pod):
            lines.append(words.short(f"container {name}: {why}"))
            said = await self.log(ref.namespace, ref.name, container=name, lines=LINES, previous=earlier)
            lines += [f"  {name}> {words.short(each)}" for each in said.splitlines()[-LINES:] if each.strip()]
        return lines
