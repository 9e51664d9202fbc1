"""The probe's own objects, and what its pods say: pure.

One pod for each node, each behind a Service of its own: a pod that reaches itself by its Service shows that an answer
to oneself finds back (hairpin), which is where networks of pods fail in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ephemeral_castle.spi.kubernetes import Manifest, Readiness
from ephemeral_castle.spi.kubernetes import Stage as Stage  # noqa: PLC0414

SPACE = "castle-probe"
PORT = 8080
CLAIM = "claim"
SERVE = f"mkdir -p /tmp/www && echo here > /tmp/www/index.html && exec httpd -f -p {PORT} -h /tmp/www"
# Arguments: HOST:PORT each. Names are asked of the cluster's DNS, whole, with a dot at the end; then the port is tried.
# Exit status: how many do not answer. busybox' nc crashes on names where it is linked statically: it gets addresses.
ASK = """\
failed=0
for each; do
  host=${each%:*} port=${each##*:}
  said=$(nslookup "$host" 2>&1)
  address=$(printf '%s\\n' "$said" | sed -n '/^Name:/,$s/^Address[^:]*: *//p' | head -n 1)
  if [ -z "$address" ]; then
    echo "$each|the cluster's DNS has no answer: $(printf '%s' "$said" | tail -n 1)"
    failed=$((failed + 1))
  elif ! nc -w 3 "$address" "$port" </dev/null >/dev/null 2>&1; then
    echo "$each|nothing answers at $address"
    failed=$((failed + 1))
  fi
done
exit $failed
"""


def name_of(node: str) -> str:
    """Of the pod and of the Service of a node; names of nodes may hold dots."""
    return f"on-{node.replace('.', '-')}"[:63].rstrip("-")


def manifests(nodes: Sequence[str], image: str, labels: Mapping[str, str], *, claim: bool) -> list[Manifest]:
    """All objects, the namespace first.

    Args:
        nodes: names of those that take pods.
        image: of the pods.
        labels: that mark all of it.
        claim: whether a claim without a class is to be tried.
    """
    found: list[Manifest] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE, "labels": dict(labels)}}
    ]
    for node in nodes:
        own = {**labels, "castle.probe": name_of(node)}
        meta = {"name": name_of(node), "namespace": SPACE, "labels": own}
        ports = [{"port": 80, "targetPort": PORT}]
        found.append(
            {"apiVersion": "v1", "kind": "Service", "metadata": meta,
             "spec": {"selector": {"castle.probe": name_of(node)}, "ports": ports}}
        )  # fmt: skip
        found.append({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": pod(image, node)})
    if claim:
        meta = {"name": CLAIM, "namespace": SPACE, "labels": dict(labels)}
        wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
        found.append({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": wanted})
        found.append({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": pod(image, claim=CLAIM)})
    return found


def pod(image: str, node: str = "", claim: str = "") -> Manifest:
    """A pod that serves a page; on a node, or with a volume."""
    container: Manifest = {
        "name": "probe",
        "image": image,
        "command": ["sh", "-c", SERVE],
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "5m", "memory": "8Mi"}, "limits": {"memory": "32Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False, "runAsNonRoot": True, "runAsUser": 65534,
            "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
        },
    }  # fmt: skip
    spec: Manifest = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 0,
        "containers": [container],
    }
    if node:
        spec["nodeName"] = node
    if claim:
        container["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
        spec["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]
    return spec


def asked(node: str, services: Iterable[str], domain: str) -> list[str]:
    """HOST:PORT that the pod of a node asks: the API server, itself by its Service, and the wanted ones."""
    own = ["default/kubernetes:443", f"{SPACE}/{name_of(node)}:80"]
    parts = (each.rpartition(":") for each in (*own, *services))
    return [f"{name.partition('/')[2]}.{name.partition('/')[0]}.svc.{domain}.:{port}" for name, _, port in parts]


def takes_pods(node: Manifest) -> bool:
    """Whether a pod without tolerations may run there."""
    spec = node.get("spec") or {}
    hard = [each for each in spec.get("taints") or () if each.get("effect") != "PreferNoSchedule"]
    return not spec.get("unschedulable") and not hard


def serving(manifest: Manifest | None) -> Readiness:
    """Whether a pod is ready."""
    conditions = ((manifest or {}).get("status") or {}).get("conditions") or ()
    well = any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)
    return Readiness(Stage.READY) if well else Readiness(Stage.WAITING, "it is not ready")
