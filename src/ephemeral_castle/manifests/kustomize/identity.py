"""What names a resource while it is rendered: group, version, kind, name, namespace. Pure."""

from __future__ import annotations

from typing import NamedTuple

DEFAULT, NONE = "default", "_non_namespaceable_"
WITHOUT_NAMESPACE = frozenset(
    f"{group}{version}/{kind}"
    for group, versions, kinds in (
        ("", "v1", "ComponentStatus Namespace Node NodeProxyOptions PersistentVolume"),
        ("admissionregistration.k8s.io/", "v1 v1beta1", "MutatingWebhookConfiguration ValidatingWebhookConfiguration"),
        ("apiextensions.k8s.io/", "v1 v1beta1", "CustomResourceDefinition"),
        ("apiregistration.k8s.io/", "v1 v1beta1", "APIService"),
        ("certificates.k8s.io/", "v1 v1beta1", "CertificateSigningRequest"),
        ("flowcontrol.apiserver.k8s.io/", "v1beta1", "FlowSchema PriorityLevelConfiguration"),
        ("networking.k8s.io/", "v1 v1beta1", "IngressClass"),
        ("node.k8s.io/", "v1 v1beta1", "RuntimeClass"),
        ("policy/", "v1beta1", "PodSecurityPolicy"),
        ("rbac.authorization.k8s.io/", "v1 v1beta1", "ClusterRole ClusterRoleBinding"),
        ("scheduling.k8s.io/", "v1 v1beta1", "PriorityClass"),
        ("storage.k8s.io/", "v1 v1beta1", "CSIDriver CSINode StorageClass VolumeAttachment"),
    )
    for version in versions.split()
    for kind in kinds.split()
)  # as of the OpenAPI of 1.21 that kustomize carries; what it does not know it takes for namespaced


class Id(NamedTuple):
    """A resource's identity. `cluster`: it is known to have no namespace."""

    group: str
    version: str
    kind: str
    name: str
    namespace: str
    cluster: bool = False

    @property
    def space(self) -> str:
        """The namespace that counts: "default" where none is written."""
        if self.cluster:
            return NONE
        return self.namespace or DEFAULT

    def same(self, other: Id) -> bool:
        """Whether both name one resource."""
        return self[:4] == other[:4] and self.space == other.space

    def is_of(self, group: str, version: str, kind: str) -> bool:
        """Whether it is of a group, version and kind; "" is any."""
        return group in ("", self.group) and version in ("", self.version) and kind in ("", self.kind)

    def __str__(self) -> str:
        gvk = f"{self.kind or '[noKind]'}.{self.version or '[noVer]'}.{self.group or '[noGrp]'}"
        return f"{gvk}/{self.name or '[noName]'}.{self.namespace or '[noNs]'}"


def parted(api: str) -> tuple[str, str]:
    """Group and version of an `apiVersion`."""
    group, found, version = api.partition("/")
    return (group, version) if found else ("", api)
