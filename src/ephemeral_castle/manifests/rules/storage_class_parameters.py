"""Fields of a StorageClass that stand among its parameters, where nobody reads them."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules.fields import ERROR, WARNING, fault, mapping
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "storage-class-parameters"
FIELDS = ("reclaimPolicy", "volumeBindingMode", "allowVolumeExpansion", "mountOptions", "allowedTopologies")


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at the parameters of every class."""
    for one in repository.of("StorageClass", "storage.k8s.io"):
        parameters = mapping(one.manifest.get("parameters"))
        for name in FIELDS:
            if name in parameters:
                lost = ": volumes are deleted with their claims" if name == "reclaimPolicy" else ""
                message = f"`{name}` among the parameters has no effect{lost}"
                hints = (f"write `{name}` beside `provisioner`; a class is not changed, so make one of another name",)
                yield fault(ID, WARNING, one, ("parameters", name), message, hints=hints, key=True)
        for name, value in parameters.items():
            if not isinstance(value, str):
                message = f"the parameter `{name}` is no text"
                says = (
                    f"json: cannot unmarshal {_kind(value)} into Go struct field StorageClass.parameters of type string"
                )
                yield fault(ID, ERROR, one, ("parameters", name), message, hints=("put it into quotes",), says=says)


def _kind(value: object) -> str:
    return "bool" if isinstance(value, bool) else "number" if isinstance(value, int | float) else "object"


RULE = Rule(
    ID,
    "fields of a StorageClass stand among its parameters",
    "`parameters` goes to the driver as it is, all of it text. A `reclaimPolicy: Retain` there does nothing: the "
    "class deletes its volumes when their claims go, and the data with them. A class cannot be changed: write a "
    "new one.",
    "Kubernetes' documentation of storage classes; a published excerpt that lost its volumes",
    find,
    ("L16",),
)
