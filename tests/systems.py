"""The systems that castle drives or stands on: tests name them in `evidence`, `docs/reference/systems.md` shows them.

`python -m tests.systems_page` writes the page; `scripts/docs` calls it.
"""

from __future__ import annotations

from dataclasses import dataclass

REAL, STAND_IN, SIMULATED = "real", "stand-in", "simulated"
KINDS = (REAL, STAND_IN, SIMULATED)


@dataclass(frozen=True)
class System:
    """One row of the page.

    Attributes:
        name: what it is called there.
        driver: the driver that drives it, or the part of castle that stands on it.
        version: that was tried.
        see: command that shows it, or a page.
        note: what a reader must know about the evidence: what stands in for what, what was not tried.
        pinned: file that pins the version, when there is one: a test compares them.
        by_hand: how it was tried, when no test does.
    """

    name: str
    driver: str
    version: str
    see: str
    note: str = ""
    pinned: str = ""
    by_hand: str = ""


DEBIAN = "(Debian 12)"
STANDIN = "the vendor's CRDs are real"

SYSTEMS = {
    "podman": System(
        "podman, with netavark and runc",
        "`podman`: machines, and the containers inside them",
        f"4.3.1, 1.4.0, 1.1.5 {DEBIAN}",
        "`castle doctor`, `castle status`",
        "a machine is a privileged container and plays a virtual machine",
    ),
    "debian": System(
        "Debian, built by mmdebstrap",
        "`podman`: the system of machines and images",
        "12 (mmdebstrap 1.3.5)",
        "`castle prefetch`",
    ),
    "postgresql": System(
        "PostgreSQL",
        "`postgres`, `pgo`",
        f"15.20 {DEBIAN}",
        "`castle status`, `castle report`",
        "17 (Debian 13) in the pods of PGO",
    ),
    "pgbackrest": System(
        "pgBackRest",
        "`postgres`: backup, archive, proof, restore",
        f"2.45 {DEBIAN}",
        "`castle logs --step database/backup`",
    ),
    "pgbouncer": System(
        "PgBouncer", "`postgres`: pooler, fence", f"1.18.0 {DEBIAN}", "`castle status` (addresses)"
    ),
    "psql": System(
        "PostgreSQL's client `psql`",
        "`postgres-probe`: a login as every user, outside the machines",
        f"15.20 {DEBIAN}",
        "`castle logs --step answers`",
    ),
    "curl": System(
        "curl",
        "`http-probe`: pages and files by their name, from inside the castle's network",
        f"7.88.1 {DEBIAN}",
        "`castle logs --step page/get`",
    ),
    "podman-compose": System(
        "podman-compose",
        "`compose`: services on the machines",
        "1.6.0 (PyPI), run by Python 3.11 of Debian 12",
        "`castle status`, [Compose](../guides/compose.md)",
        "order and health are castle's ([why](../decisions/0014-compose-files-stay-as-they-are.md))",
        pinned="pyproject.toml",
    ),
    "registry": System(
        "a registry of images",
        "`compose`: images that are pulled; `kubeadm`: `mirror`",
        f"docker-registry 2.8.2 {DEBIAN}",
        "`castle prefetch`",
        "on the loopback; no other registry was tried",
    ),
    "restic": System(
        "restic",
        "`restic`: snapshots of a volume, proof, restore",
        "0.18.0 (Debian 13, in an image of its own)",
        "`castle status`, `castle report`",
    ),
    "blog": System(
        "Caddy, Bottle, Waitress, Psycopg",
        "none: the demo's blog, services of Compose projects like any other",
        f"2.6.2, 0.12.23, 2.1.2, 2.9.5 {DEBIAN}",
        "`make demo`",
    ),
    "openssh": System("OpenSSH", "`transport: ssh` into machines", f"9.2p1 {DEBIAN}", "`castle doctor`"),
    "versitygw": System(
        "versitygw",
        "`treasury: {server: here}`",
        "1.8.0, built from source",
        "`castle doctor` (conditions, versions, accounts)",
        "a real S3 server; it plays a cloud's S3",
        pinned="testbed/versitygw/go.mod",
    ),
    "s3": System(
        "another S3 server",
        "`treasury: {endpoint: https://…}`",
        "versitygw 1.8.0 outside of every castle",
        "`castle doctor`",
        "stopped, damaged, with an expired certificate, slow, overloaded, cut off; no other product was tried",
        pinned="testbed/versitygw/go.mod",
    ),
    "git": System(
        "Git",
        "`repository`: HTTPS (`git http-backend`, TLS, token), SSH (OpenSSH 9.2p1), a path; bundles in the treasury",
        f"2.39.5 {DEBIAN}",
        "`castle logs`, `git ls-remote URL`",
        "no other host's software was tried",
    ),
    "knot": System(
        "Knot DNS",
        "`rfc2136`: names by dynamic updates with TSIG",
        f"3.2.6 {DEBIAN}, messages by dnspython 2.9.2",
        "`castle status`, `castle report`, [names](../guides/names.md)",
        "outside of the machines; unpacked beside castle for tests and demo, never started by Debian",
    ),
    "bind": System(
        "BIND",
        "`rfc2136`",
        f"9.18.49 {DEBIAN}",
        "[names](../guides/names.md)",
        by_hand="real, once, by the suite of `tests/contract/names.py`; in no test",
    ),
    "pebble": System(
        "Pebble, a CA that speaks ACME",
        "`certificates`: issue, renewal",
        "2.10.1, built from source",
        "`castle status`, [certificates](../guides/certificates.md)",
        "the CA that Let's Encrypt publishes for tests",
        pinned="testbed/pebble/go.mod",
    ),
    "public-ca": System(
        "a public CA",
        "`certificates`: its limits",
        "`testbed/pebble/limits.py` ahead of Pebble",
        "[certificates](../guides/certificates.md)",
        "no public CA was tried",
    ),
    "openssl": System(
        "OpenSSL",
        "`certificates`: its own CA, read by somebody else",
        f"3.0 {DEBIAN}",
        "`castle secret get certificate/LAYER/ca`",
        "`openssl verify`",
    ),
    "kubeadm": System(
        "kubeadm, and HAProxy before its API servers",
        "`kubeadm`: one or three control planes, workers, reboots, drill",
        f"1.36.3, 2.6.12 {DEBIAN}",
        "`castle status`, `castle kubeconfig`",
        "on machines of the driver `podman`; other machines were not tried",
        pinned="testbed/kubernetes/kubernetes/go.mod",
    ),
    "api-server": System(
        "Kubernetes' API server",
        "castle's client: waits, watches, objects, commands in pods",
        "1.36.3, built from source",
        "`castle status`",
        pinned="testbed/kubernetes/kubernetes/go.mod",
    ),
    "kubernetes": System(
        "Kubernetes",
        "`postgres` with `namespace`: StatefulSet, volumes on a node or of a class, Services",
        "1.36.3, raised by the driver `kubeadm`",
        "[how](../guides/database-on-kubernetes.md)",
        "load balancers in memory only",
        pinned="testbed/kubernetes/kubernetes/go.mod",
    ),
    "guest": System(
        "a cluster that castle did not raise",
        "`kubeconfig`: looked at, adopted, rehearsed beside",
        "Kubernetes 1.36.3, raised by another castle",
        "`castle adopt`, [Adopt](../guides/adopt.md)",
        "no distribution of a vendor's was tried",
        pinned="testbed/kubernetes/kubernetes/go.mod",
    ),
    "local-path": System(
        "local-path-provisioner",
        "`postgres` with `storage_class`",
        "0.0.30, built from source",
        "`kubectl get storageclass`",
        pinned="testbed/kubernetes/local-path/go.mod",
    ),
    "openbao": System(
        "OpenBao",
        "the store of `external-secrets`, outside of the castle, on disk",
        "2.7.2 (repackaged on PyPI, pinned by its hashes)",
        "`scripts/openbao`",
        pinned="scripts/openbao",
    ),
    "external-secrets": System(
        "External Secrets Operator",
        "`external-secrets`",
        "its CRDs of 1.3.2 (Go module), and those of 2.9.0",
        "`castle status`, [secrets from a store](../guides/external-secrets.md)",
        f"{STANDIN}; the operator is played ([what](../../testbed/standins/external_secrets/README.md))",
    ),
    "kustomize-controller": System(
        "Flux: kustomize-controller",
        "`flux`",
        "1.9.5, built from source",
        "`castle status`, [Flux](../guides/flux.md)",
        "HelmReleases are only suspended and woken, and were tried in memory",
        pinned="testbed/kubernetes/flux/go.mod",
    ),
    "source-controller": System(
        "Flux: source-controller",
        "`flux`",
        "its CRDs of 1.9.5 (Go module)",
        "`castle report` prints its title",
        f"{STANDIN}, and so are Git and its hosts; the controller is played "
        "([what](../../testbed/standins/source_controller/README.md))",
    ),
    "cert-manager": System(
        "cert-manager's controllers",
        "`cert-manager`: a certificate that is carried, and not issued again",
        "1.21.2, built from source with a main of ours",
        "`castle status`, [certificates](../guides/certificates.md#in-a-cluster-with-cert-manager)",
        "without webhook and cainjector",
        pinned="testbed/kubernetes/cert-manager/go.mod",
    ),
    "pods": System(
        "pods' names, services, volumes; webhooks",
        "`kubernetes-probe`",
        "Kubernetes 1.36.3, CoreDNS 1.14.2, kube-proxy with nftables, CNI `ptp`",
        "`castle report`, [what pods see](../guides/kubernetes.md#what-pods-see)",
        "names, services and volumes are asked for by `make demo-kubernetes`",
    ),
    "traefik": System(
        "Traefik: Ingress and IngressRoute",
        "none: a unit of the demo's Flux, known to castle by its pages",
        "IngressRoute as in 3.7.13",
        "`make demo-kubernetes`",
        "the controller is played ([what](../../testbed/standins/ingress/README.md)); Caddy 2.6.2 (Debian 13), which "
        "serves behind it, is real",
    ),
    "pgo": System(
        "CrunchyData's PostgreSQL operator (PGO)",
        "`pgo`: PostgresCluster, restore, PgBouncer, admission policy; `pgbackrest`: its return rehearsed",
        "6.0.3, the fields that the stand-in serves",
        "[PGO](../guides/pgo.md)",
        "the operator is played ([what](../../testbed/standins/pgo/README.md)); API server, admission and nodes, and "
        "PostgreSQL 17, pgBackRest and PgBouncer (Debian 13) in its pods are real",
    ),
    "age": System(
        "age",
        "`secrets.age`, key file",
        f"format v1; opened by age 1.1.1 {DEBIAN}",
        "[how](../guides/living-with-it.md#passwords)",
    ),
    "systemd": System(
        "systemd",
        "timers that `castle init` prints",
        "not started",
        "`castle init`",
        by_hand="nothing: the text of the units is tested, and no systemd has read them",
    ),
    "sqlite": System("SQLite", "the journal", f"3.40.1 {DEBIAN}", "`castle runs`"),
    "python": System(
        "Python",
        "castle itself",
        f"3.11 {DEBIAN}",
        "`castle --version`",
        by_hand="real: it runs every test",
    ),
}  # fmt: skip

# What every castle with a database stands on; for `evidence("real", *CASTLE)`.
CASTLE = ("podman", "debian", "postgresql", "pgbackrest", "pgbouncer", "psql", "versitygw", "age", "sqlite")
# And the whole example castle besides.
WHOLE = (*CASTLE, "podman-compose", "restic", "blog", "git", "knot", "curl")
# What every cluster stands on.
CLUSTER = ("podman", "debian", "kubeadm", "api-server", "registry", "versitygw")
GROUPS = {"CASTLE": CASTLE, "WHOLE": WHOLE, "CLUSTER": CLUSTER}
