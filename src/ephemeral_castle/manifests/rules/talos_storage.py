"""What Longhorn needs of Talos' machines."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules import charts, talos
from ephemeral_castle.manifests.rules.fields import ERROR, WARNING, Path, dig, each, fault, listed, text
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "talos-storage"
MOUNT = "/var/lib/longhorn"
MOUNTS: Path = ("machine", "kubelet", "extraMounts")
GONE = "iscsi_generic"
HINT = (
    f"add `{{destination: {MOUNT}, type: bind, source: {MOUNT}, options: [bind, rshared, rw]}}` to "
    "`machine.kubelet.extraMounts`, and the extensions iscsi-tools and util-linux-tools"
)


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at whole machine configurations, where the repository installs Longhorn."""
    machines = list(talos.machines(repository))
    for machine in machines:
        for path, module in each(machine.manifest, "machine", "kernel", "modules"):
            if module.get("name") == GONE:
                message = f"the kernel module `{GONE}` is part of another one in newer kernels: it is not found"
                yield fault(
                    ID, WARNING, machine, (*path, "name"), message, hints=("take it out; `iscsi_tcp` is enough",)
                )
    if not any(release.name == "longhorn" for release in charts.releases(repository)):
        return
    for machine in machines:
        mounts = [mount for _, mount in each(machine.manifest, *MOUNTS)]
        ours = next((mount for mount in mounts if text(mount.get("destination")).startswith(MOUNT)), None)
        if ours is None and _whole(machine) and not any(_mounts(other) for other in machines):
            message = f"Longhorn is installed, and the kubelet does not mount {MOUNT} with `rshared`"
            yield fault(ID, ERROR, machine, ("machine",), message, hints=(HINT,), key=True)
        elif ours is not None and "rshared" not in listed(ours.get("options")):
            message = f"{MOUNT} is mounted without `rshared`: volumes are seen on the machine and not in pods"
            yield fault(ID, ERROR, machine, MOUNTS, message, hints=(HINT,), key=True)


def _whole(machine: Object) -> bool:
    """Whether it is a whole configuration, rather than a patch of one."""
    return dig(machine.manifest, "machine", "type") is not None and dig(machine.manifest, "cluster") is not None


def _mounts(machine: Object) -> bool:
    return any(text(one.get("destination")).startswith(MOUNT) for _, one in each(machine.manifest, *MOUNTS))


RULE = Rule(
    ID,
    "Talos' machines are not prepared for Longhorn",
    "Talos runs the kubelet in a container: a volume that is mounted on the machine is seen in pods only if "
    "Longhorn's directory is bound into it with `rshared`. Longhorn also needs the system extensions iscsi-tools "
    "and util-linux-tools, which the image of the machine brings.",
    "Longhorn's documentation of Talos",
    find,
    ("F46", "F59", "F101"),
)
