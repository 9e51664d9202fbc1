"""Pods that the level of their namespace refuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules.fields import ERROR, Path, dig, each, fault, labels, listed, mapping
from ephemeral_castle.manifests.rules.pods import Pods, pods
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "pod-security"
LABEL = "pod-security.kubernetes.io/enforce"
ADDABLE = frozenset(
    (
        *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE"),
        *("SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
    )
)
VOLUMES = frozenset(
    (
        *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"),
        *("image", "name"),
    )
)


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at the pods of every namespace that has a level."""
    levels = {one.name: str(labels(one).get(LABEL) or "") for one in repository.of("Namespace", "")}
    for found in pods(repository):
        level = levels.get(found.thing.namespace, "")
        if level not in ("baseline", "restricted"):
            continue
        wrong = [*_baseline(found), *(_restricted(found) if level == "restricted" else ())]
        if wrong:
            path, what = wrong[0]
            more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
            message = f"its namespace enforces `{level}`, which refuses {what}{more}"
            says = f'pods "{found.thing.name}-…" is forbidden: violates PodSecurity "{level}:latest": {what}'
            hints = (
                f"mend the pod, or label the namespace `{LABEL}: privileged` if it has to be so",
                *(f"also: {other}" for _, other in wrong[1:4]),
            )
            yield fault(ID, ERROR, found.thing, path, message, hints=hints, says=says, key=True)


def _baseline(found: Pods) -> Iterator[tuple[Path, str]]:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if found.spec.get(field) is True:
            yield found.at(field), f"{field}=true"
    for path, volume in each(found.thing.manifest, *found.at("volumes")):
        if "hostPath" in volume:
            yield (*path, "hostPath"), "hostPath volumes"
    if dig(found.spec, "securityContext", "seccompProfile", "type") == "Unconfined":
        yield found.at("securityContext", "seccompProfile", "type"), "seccompProfile Unconfined"
    for path, container in found.containers():
        context = mapping(container.get("securityContext"))
        if context.get("privileged") is True:
            yield (*path, "securityContext", "privileged"), "privileged containers"
        for index, name in enumerate(listed(dig(context, "capabilities", "add"))):
            if str(name) not in ADDABLE:
                yield (*path, "securityContext", "capabilities", "add", index), f"the capability {name}"
        for inner, port in each(found.thing.manifest, *path, "ports"):
            if port.get("hostPort"):
                yield (*inner, "hostPort"), "hostPort"
        if context.get("procMount") not in (None, "Default"):
            yield (*path, "securityContext", "procMount"), "procMount"


def _restricted(found: Pods) -> Iterator[tuple[Path, str]]:
    pod = mapping(found.spec.get("securityContext"))
    for path, volume in each(found.thing.manifest, *found.at("volumes")):
        for kind in volume:
            if kind not in VOLUMES and kind != "hostPath":
                yield (*path, kind), f"volumes of type {kind}"
    for path, container in found.containers():
        context = mapping(container.get("securityContext"))
        for what in _lacking(pod, context):
            yield (*path, "securityContext") if context else path, what


def _lacking(pod: Mapping[str, Any], context: Mapping[str, Any]) -> Iterator[str]:
    """What `restricted` demands of a container and it does not say."""
    if context.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation != false"
    if "ALL" not in listed(dig(context, "capabilities", "drop")):
        yield 'unrestricted capabilities (drop: ["ALL"] is missing)'
    if any(name != "NET_BIND_SERVICE" for name in listed(dig(context, "capabilities", "add"))):
        yield "added capabilities"
    if context.get("runAsNonRoot", pod.get("runAsNonRoot")) is not True:
        yield "runAsNonRoot != true"
    if context.get("runAsUser", pod.get("runAsUser")) == 0:
        yield "runAsUser=0"
    profile = dig(context, "seccompProfile", "type") or dig(pod, "seccompProfile", "type")
    if profile not in ("RuntimeDefault", "Localhost"):
        yield 'no seccompProfile (type must be "RuntimeDefault" or "Localhost")'


RULE = Rule(
    ID,
    "pods break the Pod Security level of their namespace",
    "A namespace with the label `pod-security.kubernetes.io/enforce` refuses pods that ask for more than its "
    "level. The workload is taken, and then has no pods: only an event says why. Host network, host paths and node "
    "exporters need `privileged`; at `restricted` every container says that it is not root, drops all capabilities "
    "and has a seccomp profile. Talos enforces `baseline` where a namespace has no label; this rule looks at "
    "labels only.",
    "Kubernetes' Pod Security Standards",
    find,
    ("F99",),
)
