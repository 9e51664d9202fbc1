"""The lock before a PostgresCluster: an admission policy that is written from castle's answer. Pure.

It holds for whoever asks, a person, Flux or castle itself: no birth that contradicts the answer, no `dataSource` added
to a living cluster, no backups taken away, no end but by a wipe. What the operator does to a cluster passes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ephemeral_castle.drivers.postgres.pgo.birth import CREATE, RESTORE, Birth, token
from ephemeral_castle.drivers.postgres.pgo.vocabulary import API, CLUSTER, GROUP, KIND, PLURAL, REPO
from ephemeral_castle.spi.kubernetes import Manifest

ADMISSION = "admissionregistration.k8s.io/v1"
POLICY, BINDING = "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"
MADE_FROM = "castle.guard"  # annotation: what the lock was made from
PROBE = "-castle-probe"  # behind a cluster's name: refused always, so that a dry run shows whether the lock is active


@dataclass(frozen=True)
class Guard:
    """What the lock is made from.

    Attributes:
        castle: id of the castle. layer: of the database.
        namespace, cluster: of the PostgresCluster.
        path: of its repository in the bucket.
        birth: castle's answer; a cluster that stands may not be born again.
        life: whose answer it is.
        wiping: whether its end was ordered.
        beside: whether it is a copy beside a living one: it archives into a volume of its own, and may be deleted.
    """

    castle: str
    layer: str
    namespace: str
    cluster: str
    path: str
    birth: Birth
    life: int
    wiping: bool = False
    beside: bool = False

    @property
    def name(self) -> str:
        """Of policy and binding: they are the whole cluster's, where other castles may have databases."""
        return f"castle-{self.castle[:8]}-{self.layer}{'-side' if self.beside else ''}"

    @property
    def token(self) -> str:
        """Differs with everything that the lock refuses, and with how it says so."""
        return token([self.name, self.life, self.wiping, _ours(self), *_holds(self)])

    @property
    def sign(self) -> str:
        """What the refusal of a probe says."""
        return signed(self.token)

    def probe(self) -> Manifest:
        """A cluster that is refused when the lock is active; for a dry run only."""
        meta = {"name": f"{self.cluster}{PROBE}", "namespace": self.namespace}
        claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        spec = {"postgresVersion": 17, "instances": [{"name": "a", "dataVolumeClaimSpec": claim}]}
        return {"apiVersion": API, "kind": KIND, "metadata": meta, "spec": spec}


def manifests(guard: Guard, labels: Mapping[str, str]) -> list[Manifest]:
    """Policy and binding; the policy first."""
    meta = {"name": guard.name, "labels": dict(labels), "annotations": {MADE_FROM: guard.token}}
    changed = {"apiGroups": [GROUP], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE", "DELETE"],
               "resources": [PLURAL]}  # fmt: skip
    # A namespace that ends takes the volumes with it, whatever becomes of the PostgresCluster.
    ended = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["DELETE"],
             "resources": ["namespaces", "persistentvolumeclaims"]}  # fmt: skip
    policy = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [changed, ended]},
        "matchConditions": [{"name": "ours", "expression": _ours(guard)}],
        "validations": [{"expression": expression, "message": message} for expression, message in rules(guard)],
    }
    binding = {"policyName": guard.name, "validationActions": ["Deny"]}
    return [
        {"apiVersion": ADMISSION, "kind": POLICY, "metadata": meta, "spec": policy},
        {"apiVersion": ADMISSION, "kind": BINDING, "metadata": meta, "spec": binding},
    ]


def rules(guard: Guard) -> list[tuple[str, str]]:
    """Conditions in CEL that must hold, each with what is said to whoever breaks it. The first is for a probe alone."""
    return [(f"!({_probed(guard)})", guard.sign), *_holds(guard)]


def _probed(guard: Guard) -> str:
    return f"{_during('CREATE')} && object.metadata.name == '{guard.cluster}{PROBE}'"


def _holds(guard: Guard) -> list[tuple[str, str]]:
    who, create, update = f"castle `{guard.castle[:8]}`", _during("CREATE"), _during("UPDATE")
    found = [
        (f"!({create}) || {_probed(guard)} || ({_born(guard)})", f"{who}: {_birth_words(guard)}"),
        (
            f"!({update}) || {_has('oldObject', 'dataSource')} || !{_has('object', 'dataSource')}",
            f"{who}: `dataSource` added to a living database makes the operator restore over its data",
        ),
        (
            f"!({update}) || !{_has('oldObject', 'backups')} || {_has('object', 'backups')}",
            f"{who}: `backups` cannot be taken out of a living database: it would archive nothing any more",
        ),
        (f"!({update}) || !{_has('object', 'backups')} || ({_at_home(guard)})", f"{who}: {_home_words(guard)}"),
    ]
    if not (guard.wiping or guard.beside):
        words = "its volumes would go with the database, unsealed; use castle wipe, or castle rebirth"
        found.append((f"!({_during('DELETE')})", f"{who}: {words}"))
    return found


def _during(operation: str) -> str:
    return f"request.operation == '{operation}'"


def _ours(guard: Guard) -> str:
    """Only this cluster, the probe, its claims and its namespace. A deletion of many carries no name in the request."""
    about = f"({_during('DELETE')} ? oldObject : object).metadata"
    names = f"['{guard.cluster}', '{guard.cluster}{PROBE}']"
    labels = "oldObject.metadata.labels"
    claim = f"has({labels}) && '{CLUSTER}' in {labels} && {labels}['{CLUSTER}'] == '{guard.cluster}'"
    return (
        f"request.resource.resource == 'namespaces' ? request.name == '{guard.namespace}' : "
        f"request.namespace == '{guard.namespace}' && "
        f"(request.resource.resource == 'persistentvolumeclaims' ? ({claim}) : {about}.name in {names})"
    )


def _has(about: str, field: str) -> str:
    return f"has({about}.spec.{field})"


BACKREST = "object.spec.backups.pgbackrest"


def _at_home(guard: Guard) -> str:
    """Where it may archive: into its repository; a copy beside the living one only into volumes of its own."""
    if guard.beside:
        return f"has({BACKREST}.repos) && {BACKREST}.repos.all(each, has(each.volume) && !has(each.s3))"
    return _option(BACKREST, "repo1-path", guard.path)


def _home_words(guard: Guard) -> str:
    if guard.beside:
        return f"a copy beside the living database archives into a volume of its own, never into {guard.path}"
    return f"the repository of a living database stays at {guard.path}"


def _option(about: str, key: str, value: str) -> str:
    there = f"has({about}.global) && '{key}' in {about}.global"
    return f"{there} && {about}.global['{key}'] == '{value}'"


def _born(guard: Guard) -> str:
    backed = f"{_has('object', 'backups')} && ({_at_home(guard)})"
    if guard.birth.answer == CREATE:
        return f"!{_has('object', 'dataSource')} && {backed}"
    if guard.birth.answer != RESTORE:
        return "false"
    source = "object.spec.dataSource.pgbackrest"
    there = f"{_has('object', 'dataSource')} && has({source[: source.rindex('.')]}.pgbackrest)"
    options = " && ".join(f"{_quoted(each)} in {source}.options" for each in guard.birth.options)
    # Another repository than repo1 may lag behind it, and nothing is known of what it holds.
    first = f"{source}.repo.name == '{REPO}'"
    return (
        f"{there} && {first} && ({_option(source, 'repo1-path', guard.path)}) && has({source}.options) "
        f"&& size({source}.options) == {len(guard.birth.options)} && {options} && {backed}"
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _birth_words(guard: Guard) -> str:
    if guard.birth.answer == CREATE:
        return f"a new database begins without `dataSource`, with backups at {guard.path}"
    if guard.beside:
        return f"a copy is born by castle restore --side only, with options {list(guard.birth.options)}"
    if guard.birth.answer == RESTORE:
        return (
            f"an empty database would take over the repository at {guard.path}, which is full: life {guard.life} is "
            f"born from it, with dataSource.pgbackrest.options {list(guard.birth.options)}"
        )
    return "the database stands, or its end has begun: nothing is born under this name now; ask castle status"


def signed(token: str) -> str:
    """What a lock says when it refuses a probe."""
    return f"castle's lock {token} is active"


def active(answer: Any, guard: Guard) -> bool:
    """Whether an API server's refusal is that of just this lock."""
    return guard.sign in str(answer)
