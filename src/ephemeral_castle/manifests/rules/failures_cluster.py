"""What went wrong with clusters, storage and GitOps."""

from __future__ import annotations

from ephemeral_castle.manifests.rules.failure import Failure, Kind

FAILURES: tuple[Failure, ...] = (
    Failure("F90", "LINT", "a shared address of the API server stands on a worker", Kind.RULE),
    Failure(
        "F91",
        "PRE HEAL",
        "members of a dead cluster answer",
        Kind.GATE,
        "volumes of a new life are new; `machines/inventory` proves the old ones gone",
    ),
    Failure(
        "F92",
        "LINT",
        "an encryption key is added to a living cluster, which then reads nothing",
        Kind.NOT,
        (
            "the change of a living machine cannot be seen in one revision; in castle a cluster is raised with its "
            "keys, never changed so"
        ),
    ),
    Failure(
        "F93",
        "LINT",
        "a name is added to certificates at the level that makes all keys anew",
        Kind.NOT,
        (
            "as F92: which change of a machine's configuration is safe is known to its vendor's tool, and to a "
            "comparison of two revisions"
        ),
    ),
    Failure(
        "F94",
        "LINT POST",
        "the configuration of the cluster's names falls back to its default",
        Kind.RULE,
        "and `cluster/dns` and `inside/inside` ask names from pods",
    ),
    Failure("F95", "LINT", "the server of names does not start with its configuration", Kind.RULE),
    Failure(
        "F96",
        "GATE",
        "pods fail: nodes were ready before their network",
        Kind.GATE,
        "`inside/pods` and `inside/inside` use a pod on every node",
    ),
    Failure(
        "F97",
        "PRE",
        "the registry's limit is reached",
        Kind.GATE,
        "`kubeadm` mirrors images into a registry of the castle; `castle prefetch` fetches ahead",
    ),
    Failure(
        "F98",
        "GATE",
        "controllers restart while a small control plane starts",
        Kind.GATE,
        "steps retry within their deadline; a restart is no failure",
    ),
    Failure("F99", "LINT", "pods are refused by the security level of their namespace", Kind.RULE),
    Failure(
        "F100",
        "LINT POST",
        "everything is green and connections are refused",
        Kind.RULE,
        "and `verify` asks through the public name",
    ),
    Failure("F101", "LINT", "volumes are mounted on the machine and not in pods", Kind.RULE),
    Failure(
        "F102",
        "LINT",
        "a trusted root is stored and works only after a reboot",
        Kind.NOT,
        "which setting works when is knowledge of the machine's vendor; castle's machines get theirs at birth",
    ),
    Failure(
        "F103",
        "PRE INV",
        "tokens are refused: another issuer, or an old key",
        Kind.GATE,
        "`secrets/store` waits until the operator itself has logged in; keys of a cluster are made with it",
    ),
    Failure("F104", "LINT GATE HEAL", "a volume wants more replicas than there are nodes", Kind.RULE),
    Failure(
        "F105",
        "HEAL",
        "a volume is attached to a dead node",
        Kind.GATE,
        "machines are destroyed before new ones are made; nothing is forced",
    ),
    Failure(
        "F106",
        "GATE",
        "claims are not bound: storage is not ready",
        Kind.RULE,
        "and `inside/inside` binds a claim and writes to it",
    ),
    Failure(
        "F107",
        "LINT",
        "a storage is upgraded over a version that must not be skipped",
        Kind.NOT,
        "one revision does not show from which version; a rebirth installs anew and restores from the treasury",
    ),
    Failure("F108", "LINT POST", "a backup target is configured and empty", Kind.RULE),
    Failure(
        "F109",
        "HEAL",
        "volumes are faulted after a power cut",
        Kind.GATE,
        "what is precious is a treasure and comes from the treasury; volumes are made anew",
    ),
    Failure(
        "F110",
        "PRE",
        "the host stays off after a power cut",
        Kind.NOT,
        "no program sees it: a setting of the computer's firmware",
    ),
    Failure(
        "F111",
        "INV",
        "certificates on volumes have wrong owners",
        Kind.GATE,
        "certificates are carried as Secrets, not as files on volumes ([certificates](../guides/certificates.md))",
    ),
    Failure("F112", "LINT", "everything waits for one heavy chart", Kind.RULE),
    Failure(
        "F113",
        "LINT",
        "a kustomization names files that were moved",
        Kind.GATE,
        "`castle check` renders every kustomization as kubectl does and says line and column",
    ),
    Failure(
        "F114",
        "POST",
        "Flux says applied, and an old version runs",
        Kind.GATE,
        "`gitops/units` waits for each unit at the run's commit",
    ),
    Failure(
        "F115",
        "LINT",
        "a variable has no value",
        Kind.GATE,
        "`castle check` fills in variables as Flux does and names each that has no value",
    ),
    Failure("F116", "LINT", "a Kustomization is refused as a whole", Kind.RULE),
    Failure("F117", "LINT", "an operator needs a namespace that waits for the operator", Kind.RULE),
    Failure("F118", "LINT", "a Secret is in Git and not in the cluster", Kind.RULE),
    Failure(
        "F119",
        "LINT",
        "indentation slips",
        Kind.GATE,
        "`schema-unknown-field` and `schema-invalid`: the API server's own schemas, offline",
    ),
    Failure("F120", "LINT POST", "a release names a source that does not exist", Kind.RULE),
    Failure(
        "F121",
        "HEAL",
        "a failure is followed by an hour of idleness",
        Kind.RULE,
        "and the driver flux nudges what waits",
    ),
    Failure(
        "F122",
        "HEAL",
        "the graph is frozen and nothing fails",
        Kind.GATE,
        "the driver flux nudges dependents when their needs are ready",
    ),
    Failure(
        "F123",
        "HEAL",
        "a change takes many minutes to reach the last layer",
        Kind.GATE,
        "the driver flux asks sources and units in order",
    ),
    Failure(
        "F124",
        "LINT",
        "an image does not know an option",
        Kind.NOT,
        "needs the image to run; `mutable-tag` keeps the version fixed, which is the usual cause",
    ),
    Failure("F125", "LINT", "tags that move: no way back", Kind.RULE),
    Failure(
        "F126",
        "POST",
        "an image holds an older version than its commit",
        Kind.NOT,
        "what an image was built from is not in a manifest; castle builds its own by content",
    ),
    Failure("F127", "LINT POST", "a rotated secret is not picked up", Kind.RULE),
    Failure(
        "F128",
        "LINT POST",
        "objects of an operator have no status and no error",
        Kind.NOT,
        (
            "a deadlock inside of a controller; the driver external-secrets waits for a status with a deadline and "
            "tells which has none"
        ),
    ),
)
