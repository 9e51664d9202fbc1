"""How fast a repository is read, rendered and checked, beside `kubectl kustomize` once for each of its roots."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from castle import cpu
from figure import Figure

ROOTS, FILES = 60, 500
COLD, FASTER, START = 1.5, 3.0, 150  # seconds; times; milliseconds
RUNS, STARTS = 3, 10
OPENAPI = "k8s.io/kubernetes@v1.36.*/api/openapi-spec/swagger.json"  # among the modules that a Go has fetched
READ = """
import json, sys, time
from ephemeral_castle.cli.checking.reading import tree
began = time.perf_counter()
found = tree(sys.argv[1], offline=True).repository
print(json.dumps([time.perf_counter() - began, len(found.objects), len(found.faults)]))
"""
WORKLOAD = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {{app.kubernetes.io/name: app{0}}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app.kubernetes.io/name: app{0}}}}}
  template:
    metadata: {{labels: {{app.kubernetes.io/name: app{0}}}}}
    spec:
      serviceAccountName: web
      containers:
      - name: web
        image: registry.example.org/app{0}:v1
        ports: [{{containerPort: 8080, name: http}}]
        envFrom: [{{configMapRef: {{name: settings}}}}]
        env:
        - {{name: PASSWORD, valueFrom: {{secretKeyRef: {{name: database, key: password}}}}}}
        resources: {{requests: {{cpu: 50m, memory: 64Mi}}, limits: {{memory: 256Mi}}}}
        readinessProbe: {{httpGet: {{path: /, port: http}}}}
        volumeMounts: [{{name: data, mountPath: /data}}]
      volumes:
      - {{name: data, persistentVolumeClaim: {{claimName: data}}}}
"""
REST = {
    "service.yaml": "apiVersion: v1\nkind: Service\nmetadata: {{name: web}}\nspec:\n  selector: "
    "{{app.kubernetes.io/name: app{0}}}\n  ports: [{{port: 80, targetPort: http}}]\n---\napiVersion: v1\n"
    "kind: ServiceAccount\nmetadata: {{name: web}}\n",
    "ingress.yaml": "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: web}}\nspec:\n  rules:\n"
    "  - host: app{0}.example.org\n    http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: web, "
    "port: {{number: 80}}}}}}}}]}}\n",
    "claim.yaml": "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: data}}\nspec:\n"
    "  accessModes: [ReadWriteOnce]\n  resources: {{requests: {{storage: 1Gi}}}}\n",
    "secret.yaml": "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {{name: database}}\nspec:\n"
    "  secretStoreRef: {{kind: ClusterSecretStore, name: vault}}\n  target: {{name: database}}\n"
    "  data: [{{secretKey: password, remoteRef: {{key: app{0}, property: password}}}}]\n",
    "patch.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  template:\n    spec:\n"
    "      containers:\n      - {{name: web, env: [{{name: NUMBER, value: '{0}'}}]}}\n",
}
KUSTOMIZATION = """apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: app{0}
resources: [namespace.yaml, web.yaml, service.yaml, ingress.yaml, claim.yaml, secret.yaml]
components: [../../components/common]
labels: [{{pairs: {{team: lab}}}}]
images: [{{name: registry.example.org/app{0}, newTag: v2}}]
configMapGenerator: [{{name: settings, literals: [number={0}, host=app{0}.example.org]}}]
patches: [{{path: patch.yaml}}]
"""
COMPONENT = """apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
patches:
- target: {kind: Deployment}
  patch: |
    - {op: add, path: /spec/template/spec/securityContext, value: {runAsNonRoot: true}}
"""


def measure() -> list[Figure]:
    """The whole command from cold, reading alone, and kubectl over the same roots."""
    with tempfile.TemporaryDirectory(prefix="castle-bench-") as name:
        root = Path(name)
        roots = generate(root)
        whole = [_seconds(["castle", "check", "--offline", name], {0, 3}) for _ in range(RUNS)]
        read = [_read(name) for _ in range(RUNS)]
        figures = [
            Figure(f"castle check, {FILES} files, {ROOTS} roots, cold", whole, "s", COLD),
            Figure("of it reading and rendering", read, "s"),
            *_with_schemas(root),
        ]
        kubectl = _kubectl()
        if not kubectl:
            print("  kubectl is not built: scripts/kubernetes programs", flush=True)
            return figures
        beside = [sum(_seconds([kubectl, "kustomize", str(each)], {0}) for each in roots) for _ in range(RUNS)]
        ratios = [one / other for one, other in zip(beside, whole, strict=True)]
        return [
            *figures,
            Figure("kubectl kustomize, once for each root", beside, "s"),
            Figure("times faster than that, the whole command", ratios, "", FASTER, at_least=True),
        ]


def _with_schemas(root: Path) -> list[Figure]:
    """The same with the schemas of the built-in kinds, and one file by them, from the cache."""
    modules = Path(os.environ.get("GOMODCACHE") or Path.home() / "go/pkg/mod")
    found = sorted(modules.glob(OPENAPI))
    if not found:
        print("  Kubernetes' OpenAPI is not among Go's modules: scripts/kubernetes programs", flush=True)
        return []
    with tempfile.TemporaryDirectory(prefix="castle-bench-") as cache:
        os.environ["CASTLE_SCHEMAS"] = cache
        subprocess.run(["castle", "schemas", "pull", found[-1]], cwd=root, capture_output=True, check=True)
        whole = [_seconds(["castle", "check", "--offline", str(root)], {0, 3}) for _ in range(RUNS)]
        one = ["castle", "check", "--offline", str(root / "plain/0.yaml")]
        start = [cpu(*one)[0] * 1000 for _ in range(STARTS)]
        del os.environ["CASTLE_SCHEMAS"]
    (root / "castle-schemas.lock").unlink()
    return [
        Figure("castle check of them, with schemas", whole, "s", COLD),
        Figure("castle check of one file, schemas from the cache, processor time", start, "ms", START),
    ]


def generate(root: Path) -> list[Path]:
    """Writes the repository; gives the directories of its roots."""
    roots = []
    for number in range(ROOTS):
        here = root / "apps" / f"app{number}"
        files = {
            "kustomization.yaml": KUSTOMIZATION, "web.yaml": WORKLOAD,
            "namespace.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {{name: app{0}}}\n", **REST,
        }  # fmt: skip
        for name, text in files.items():
            _write(here / name, text.format(number))
        roots.append(here)
    _write(root / "components/common/kustomization.yaml", COMPONENT)
    for number in range(FILES - sum(1 for path in root.rglob("*") if path.is_file())):
        text = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: plain{number}, namespace: plain}}\ndata: {{a: b}}\n"
        _write(root / "plain" / f"{number}.yaml", text)
    return roots


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _seconds(command: list[str], good: set[int]) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in good:
        raise SystemExit(f"{' '.join(command[:3])}: exit status {done.returncode}\n{done.stderr or done.stdout}")
    return time.perf_counter() - began


def _read(directory: str) -> float:
    done = subprocess.run([sys.executable, "-c", READ, directory], capture_output=True, text=True, check=True)
    seconds, objects, faults = json.loads(done.stdout)
    if objects < 8 * ROOTS or faults:
        raise SystemExit(f"the generated repository has {objects} objects and {faults} faults")
    return float(seconds)


def _kubectl() -> str:
    """The kubectl that was built; "" where none was."""
    listed = ["scripts/kubernetes", "programs", "--only-present"]
    done = subprocess.run(listed, capture_output=True, text=True, check=False)
    return str(json.loads(done.stdout).get("kubectl", "")) if done.stdout.strip() else ""
