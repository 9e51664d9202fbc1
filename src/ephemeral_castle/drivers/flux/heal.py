"""A controller that hangs is named; its pod is ended, so that another one comes, where a person allowed that."""

from __future__ import annotations

from datetime import UTC, datetime

from ephemeral_castle.drivers.flux.hang import Hang
from ephemeral_castle.drivers.flux.part import Part
from ephemeral_castle.errors import CastleError, Permanent
from ephemeral_castle.manifests.ready import gone, judge
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.spi.kubernetes import Cluster, Manifest, Ref, Stage
from ephemeral_castle.spi.onward import onward

ENDED = 120.0  # seconds for a pod to go: one that hangs does not hear that it is asked to
RUNS = 120.0  # seconds for the next one
LINES = 3  # of its log
RESTART = "--heal"


async def restart(part: Part, cluster: Cluster, hang: Hang) -> None:
    """Ends every pod of the controller, and waits until it runs again.

    Raises:
        Transient: a pod does not go, or none comes, in time. Permanent: the controller is not there.
    """
    deployment = await cluster.get(_ref(part, hang))
    if deployment is None:
        raise hanging(part, hang, "its Deployment is not there any more")
    pods = await _pods(cluster, deployment)
    names = [each["metadata"]["name"] for each in pods]
    part.ctx.decided(
        f"restart {hang.controller}",
        f"{_why(part, hang)}, and {RESTART} was given",
        controller=hang.controller,
        waiting=hang.what,
        pods=names,
    )
    for pod in pods:
        ref = Ref("v1", "Pod", pod["metadata"]["name"], pod["metadata"]["namespace"])
        await cluster.delete(ref, uid=pod["metadata"]["uid"])
        await cluster.until(ref, gone(pod["metadata"]["uid"]), timeout=ENDED, title=f"end of {ref}")
    await cluster.until(Ref.of(deployment), judge, timeout=RUNS, title=f"{hang.controller} runs again")
    part.ctx.progress(f"{hang.controller} was restarted")


async def refusal(part: Part, cluster: Cluster, hang: Hang, *, again: bool) -> Permanent:
    """What is known of it. `again`: this run has restarted it already."""
    try:
        said = await _says(part, cluster, hang)
    except CastleError as error:
        said = f"its pods cannot be asked: {error.message}"
    return hanging(part, hang, said, again=again)


def hanging(part: Part, hang: Hang, said: str, *, again: bool = False) -> Permanent:
    """The error."""
    log = f"kubectl -n {part.options.namespace} logs deployment/{hang.controller}"
    offer = [] if again else healing(part)
    return Permanent(
        f"{hang.controller} of Flux hangs" + (", also after it was restarted" if again else ""),
        where=f"Deployment {part.options.namespace}/{hang.controller}, waited for by {hang.what}",
        why="; ".join(filter(None, [_why(part, hang), said])),
        state="what is ready stays; nothing else is applied until it works again",
        hints=[log, *offer] if offer else [log, onward(part.ctx)],
    )


def healing(part: Part) -> list[str]:
    """The command that may restart it, where there is one."""
    command = onward(part.ctx)
    fresh = part.ctx.request.verb is Verb.DRILL and not part.ctx.request.keep
    return [] if fresh else [f"{command} {RESTART}, which ends its pod, so that a new one takes over, and goes on"]


def _why(part: Part, hang: Hang) -> str:
    clock = part.ctx.world.clock
    silent = clock.monotonic() - hang.since
    moment = datetime.fromtimestamp(clock.now() - silent, UTC)
    return f"{hang.what} waits for it, and it has done nothing since {moment:%H:%M:%S} UTC ({silent:.0f} s)"


async def _says(part: Part, cluster: Cluster, hang: Hang) -> str:
    deployment = await cluster.get(_ref(part, hang))
    if deployment is None:
        return "its Deployment is not there any more"
    seen = judge(deployment)
    state = "its Deployment calls it ready" if seen.stage is Stage.READY else f"its Deployment says: {seen.why}"
    words = [state]
    for pod in await _pods(cluster, deployment):
        name = pod["metadata"]["name"]
        log = (await cluster.log(pod["metadata"]["namespace"], name, lines=LINES)).strip()
        words.append(f"pod {name} said last: {' / '.join(log.splitlines())}" if log else f"pod {name} says nothing")
    return "; ".join(words)


async def _pods(cluster: Cluster, deployment: Manifest) -> list[Manifest]:
    labels = deployment["spec"]["selector"].get("matchLabels") or {}
    wanted = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    return list(await cluster.list("v1", "Pod", deployment["metadata"]["namespace"], labels=wanted))


def _ref(part: Part, hang: Hang) -> Ref:
    return Ref("apps/v1", "Deployment", hang.controller, part.options.namespace)
