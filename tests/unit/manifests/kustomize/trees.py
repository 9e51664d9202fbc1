# ruff: noqa: E501, a table of texts
"""Trees of kustomizations, each of them about one thing."""

from __future__ import annotations

Tree = dict[str, str | bytes]

DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      serviceAccountName: robot
      initContainers:
      - name: prepare
        image: registry.local:5000/tools/prepare:v1@sha256:aaaa
        envFrom: [{secretRef: {name: keys}}]
      containers:
      - name: web
        image: nginx:1.25
        ports:
        - {containerPort: 80, protocol: TCP}
        - {containerPort: 443, protocol: TCP}
        env:
        - {name: A, value: "1"}
        - {name: B, valueFrom: {configMapKeyRef: {name: settings, key: b}}}
        volumeMounts: [{name: data, mountPath: /data}]
      - name: side
        image: nginx
      volumes:
      - {name: data, persistentVolumeClaim: {claimName: disk}}
      - {name: settings, configMap: {name: settings}}
      - {name: both, projected: {sources: [{secret: {name: keys}}, {configMap: {name: settings}}]}}
"""
SERVICE = """apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports:
  - {port: 80, targetPort: 80, name: http}
  - {port: 443, targetPort: 443, name: https}
"""
REST = """apiVersion: v1
kind: ServiceAccount
metadata: {name: robot}
imagePullSecrets: [{name: keys}]
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: disk}
spec: {storageClassName: fast}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: fast}
provisioner: x
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reads}
rules: [{apiGroups: [""], resources: [configmaps], resourceNames: [settings], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reads}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reads}
subjects:
- {kind: ServiceAccount, name: robot, namespace: old}
- {kind: ServiceAccount, name: default, namespace: old}
- {kind: ServiceAccount, name: robot}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: all}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: all}
subjects: [{kind: ServiceAccount, name: robot, namespace: default}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: all}
rules: []
---
apiVersion: v1
kind: Namespace
metadata: {name: here}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
  annotations: {nginx.ingress.kubernetes.io/auth-secret: keys}
spec:
  tls: [{hosts: [a.b], secretName: keys}]
  rules: [{host: a.b, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: hook}
webhooks:
- {name: a.b.c, clientConfig: {service: {name: web, namespace: default}}}
- {name: d.b.c, clientConfig: {service: {name: other, namespace: default}}}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.org}
spec:
  conversion: {webhook: {clientConfig: {service: {name: web, namespace: default}}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  jobTemplate:
    spec:
      template:
        spec:
          containers: [{name: a, image: nginx, envFrom: [{configMapRef: {name: settings}}]}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {selector: {matchLabels: {app: web}}}
---
apiVersion: example.org/v1
kind: Thing
metadata: {name: thing, namespace: own}
spec:
  list: [{name: a, value: 1}, {name: b, value: 2}]
  secretName: keys
"""
STATEFUL = """apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: web
  selector: {matchLabels: {app: db}}
  template:
    metadata: {}
    spec:
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
          - {topologyKey: node, labelSelector: {matchLabels: {app: db}}}
      containers: [{name: db, image: "postgres:17"}]
      imagePullSecrets: [{name: keys}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {storageClassName: fast}
"""
BASE = {"web.yaml": DEPLOYMENT, "service.yaml": SERVICE, "rest.yaml": REST, "db.yaml": STATEFUL}
GENERATED = """configMapGenerator:
- name: settings
  literals: [a=1, 'b="x y"', "c=<&>"]
secretGenerator:
- name: keys
  literals: [user=me, pass=secret]
"""


def tree(kustomization: str, **more: str) -> Tree:
    """The files above under one kustomization, and others; `__` in a name is a `/`."""
    resources = "resources: [web.yaml, service.yaml, rest.yaml, db.yaml]\n"
    return {**BASE, "kustomization.yaml": resources + kustomization, **named(more)}


def named(files: dict[str, str]) -> Tree:
    """Files by path, from keyword arguments."""
    return {name.replace("__", "/") + ("" if "." in name else ".yaml"): text for name, text in files.items()}


def overlay(base: str, over: str, **more: str) -> Tree:
    """The files above in `base`, and a kustomization on top of it."""
    below = {f"base/{path}": text for path, text in tree(base).items()}
    return {**below, "kustomization.yaml": f"resources: [base]\n{over}", **named(more)}


SET_IMAGE = """- op: replace
  path: /spec/template/spec/containers/0/image
  value: caddy:2
- op: add
  path: /spec/template/spec/containers/-
  value: {name: third, image: x}
- op: add
  path: /metadata/annotations
  value: {a.b/c: d}
- op: remove
  path: /spec/replicas
- {op: copy, from: /metadata/name, path: /metadata/annotations/a.b~1d}
- {op: move, from: /metadata/labels/app, path: /metadata/labels/was}
- {op: test, path: /kind, value: Deployment}
"""
STRATEGIC = """apiVersion: apps/v1
kind: Deployment
metadata: {name: web, finalizers: [a/b]}
spec:
  replicas: null
  strategy: {type: Recreate}
  template:
    spec:
      containers:
      - name: new
        image: busybox
      - name: web
        image: caddy:2
        env:
        - {name: B, value: plain, valueFrom: null}
        - {name: C, value: "3"}
        ports:
        - {containerPort: 443, name: tls, protocol: TCP}
        - {containerPort: 53, protocol: UDP}
      - name: side
        $patch: delete
      volumes:
      - {name: more, emptyDir: {}}
      tolerations: [{key: a}]
"""
GOOD: dict[str, Tree] = {
    "plain": tree(""),
    "namespace": tree("namespace: lab\n" + GENERATED),
    "prefix and suffix": tree("namePrefix: a-\nnameSuffix: -z\n" + GENERATED),
    "all names at once": tree("namespace: lab\nnamePrefix: a-\nnameSuffix: -z\n" + GENERATED),
    "common labels": tree("commonLabels: {team: x, app: z}\n"),
    "labels": tree("labels:\n- pairs: {team: x}\n- pairs: {a: b}\n  includeSelectors: true\n"
                   "- pairs: {c: d}\n  includeTemplates: true\n"),
    "labels in own fields": tree(
        "labels:\n- pairs: {team: x}\n  fields: [{path: spec/own/labels, kind: Thing, create: true}]\n"),
    "common annotations": tree('commonAnnotations: {a.b/c: "1", d: e}\n'),
    "images": tree("images:\n- {name: nginx, newName: caddy, newTag: '2'}\n"
                   "- {name: registry.local:5000/tools/prepare, newTag: v2}\n- {name: postgres, digest: 'sha256:bbbb'}\n"),
    "images by digest and suffix": tree("images:\n- {name: nginx, tagSuffix: -alpine}\n"
                                        "- {name: postgres, newTag: '18', digest: 'sha256:cc'}\n"),
    "replicas": tree("replicas:\n- {name: web, count: 3}\n- {name: db, count: 0}\n"),
    "generators": tree(
        "generatorOptions: {labels: {made: by}, annotations: {q: o}}\n"
        "configMapGenerator:\n- name: settings\n  files: [a.txt, k=b.bin]\n  envs: [e.env]\n  literals: [x=1]\n"
        "  options: {immutable: true, labels: {own: label}}\n- name: empty\n"
        "- name: fixed\n  namespace: there\n  literals: [a=b]\n  options: {disableNameSuffixHash: true}\n"
        "secretGenerator:\n- name: keys\n  type: kubernetes.io/tls\n  files: [long.txt]\n  env: e.env\n- name: none\n",
        **{"a.txt": "line\nline two\n", "e.env": "# no\n\nONE=1\n  TWO=a=b\nTHREE\n", "long.txt": "x" * 200,
           "b.bin": "ok"},
    ),
    "old single env": tree("configMapGenerator:\n- name: settings\n  env: e.env\n", **{"e.env": "A=ü\u2028<b>\n"}),
    "json patch": tree("patches:\n- path: p.yaml\n  target: {kind: Deployment, name: web}\n", p=SET_IMAGE),
    "json patch of annotations that are not there": tree(
        "patches:\n- path: p.yaml\n  target: {kind: Service}\n- path: q.yaml\n  target: {kind: Thing}\n",
        p="- {op: add, path: /metadata/annotations/a.b~1c, value: d}\n",
        q="- {op: add, path: /metadata/annotations, value: text}\n",
    ),
    "json patch that removes annotations that are not there": tree(
        "patches:\n- path: p.yaml\n  target: {kind: Service}\n", p="- {op: remove, path: /metadata/annotations}\n"
    ),
    "json patch that replaces nothing": tree(
        "patches:\n- path: p.yaml\n  target: {kind: Service}\n",
        p="- {op: replace, path: /spec/nothing, value: 1}\n- {op: copy, from: /spec/none, path: /spec/more}\n"),
    "no resources": {"kustomization.yaml": "resources: []\n"},
    "json patch in json": tree(
        'patches:\n- patch: \'[{"op": "add", "path": "/metadata/labels", "value": {"x": "y"}}]\'\n'
        "  target: {kind: Service|Role}\n"),
    "inline json patch": tree(
        "patches:\n- target: {kind: Service}\n  patch: |-\n    - op: replace\n      path: /spec/ports/0/port\n"
        "      value: 8080\n"),
    "json patch of a name": tree(
        GENERATED + "patches:\n- target: {kind: ServiceAccount}\n  patch: |-\n"
        "    - {op: replace, path: /metadata/name, value: machine}\n"),
    "strategic": tree("patches:\n- path: p.yaml\n", p=STRATEGIC),
    "strategic by target": tree(
        "patches:\n- target: {group: apps, name: .*b}\n  patch: |\n    apiVersion: x\n    kind: Any\n"
        "    metadata: {name: whatever, labels: {x: y}}\n    spec: {template: {spec: {hostNetwork: true}}}\n"),
    "strategic by labels": tree(
        "patches:\n- target: {labelSelector: 'app=web,!other'}\n  patch: |\n    kind: Any\n    apiVersion: a/b\n"
        "    metadata: {name: n, annotations: {seen: 'yes'}}\n"),
    "old patches": tree(
        "patchesStrategicMerge:\n- p.yaml\n- |-\n  apiVersion: v1\n  kind: Service\n  metadata: {name: web}\n"
        "  spec: {type: NodePort}\npatchesJson6902:\n- target: {version: v1, kind: Service, name: web}\n  path: j.yaml\n",
        p=STRATEGIC, j="- {op: remove, path: /spec/ports/0}\n"),
    "patches of what has no namespace": tree(
        "namespace: lab\nnamePrefix: p-\npatches:\n- path: p.yaml\n",
        p="apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: fast, annotations: {a: b}}\n---\n"
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: here, labels: {c: d}}\n---\n"
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: things.example.org}\n"
        "spec: {group: example.org}\n",
    ),
    "delete an object": tree(
        "patches:\n- patch: |\n    $patch: delete\n    apiVersion: v1\n    kind: Service\n    metadata: {name: web}\n"),
    "replace a map": tree(
        "patches:\n- patch: |\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata: {name: web}\n"
        "    spec: {selector: {$patch: replace, matchLabels: {only: this}}}\n"),
    "replace a list": tree(
        "patches:\n- patch: |\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata: {name: web}\n"
        "    spec: {template: {spec: {containers: [{name: only, image: x}, {$patch: replace}]}}}\n"),
    "replace an item": tree(
        "patches:\n- patch: |\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata: {name: web}\n"
        "    spec: {template: {spec: {containers: [{name: web, image: x, $patch: replace}]}}}\n"),
    "delete a list": tree(
        "patches:\n- patch: |\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata: {name: web}\n"
        "    spec: {template: {spec: {volumes: [{$patch: delete}]}}}\n"),
    "lists of custom kinds are replaced": tree(
        "patches:\n- patch: |\n    apiVersion: example.org/v1\n    kind: Thing\n    metadata: {name: thing, namespace: own}\n"
        "    spec: {list: [{name: b, value: 3}], more: {a: null, b: {c: null, d: 1}}}\n"),
    "ports of a service": tree(
        "patches:\n- patch: |\n    apiVersion: v1\n    kind: Service\n    metadata: {name: web}\n"
        "    spec: {ports: [{port: 443, nodePort: 30443}, {port: 53, protocol: UDP}, {port: 80, protocol: TCP}]}\n"),
    "rename by patch": tree(
        "patches:\n- path: p.yaml\n  options: {allowNameChange: true, allowKindChange: true}\n  target: {kind: Service}\n",
        p="apiVersion: v1\nkind: Service\nmetadata: {name: other}\n"),
    "merge generated": overlay(
        GENERATED,
        "configMapGenerator:\n- name: settings\n  behavior: merge\n  literals: [b=2, d=4]\n  options: {labels: {l: m}}\n"
        "secretGenerator:\n- name: keys\n  behavior: replace\n  literals: [token=t]\n"),
    "overlays": overlay("namespace: lab\nnamePrefix: a-\n" + GENERATED, "namespace: other\nnameSuffix: -b\n"
                        "commonLabels: {o: v}\n"),
    "patch under an earlier name": overlay(
        "namePrefix: a-\n" + GENERATED,
        "patches:\n- patch: |\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata: {name: web}\n"
        "    spec: {replicas: 7}\n"),
    "replicas under an earlier name": overlay("namePrefix: a-\n", "replicas: [{name: web, count: 4}]\n"),
    "component": {
        **overlay(GENERATED, "components: [part]\nnamePrefix: o-\n"),
        "part/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
        "resources: [more.yaml]\nconfigMapGenerator:\n- {name: settings, behavior: merge, literals: [z=9]}\n"
        "patches:\n- {path: p.yaml}\n",
        "part/more.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more}\n",
        "part/p.yaml": STRATEGIC,
    },
    "diamond with prefixes": {
        "kustomization.yaml": "resources: [one, two]\n",
        "one/kustomization.yaml": "resources: [../base]\nnamePrefix: one-\n",
        "two/kustomization.yaml": "resources: [../base]\nnamePrefix: two-\n",
        **{f"base/{path}": text for path, text in tree(GENERATED).items()
           if path != "rest.yaml"} | {"base/kustomization.yaml": "resources: [web.yaml, service.yaml]\n" + GENERATED},
    },
    "two namespaces": {
        "kustomization.yaml": "resources: [one, two]\n",
        "one/kustomization.yaml": "resources: [../base]\nnamespace: one\n",
        "two/kustomization.yaml": "resources: [../base]\nnamespace: two\n",
        "base/web.yaml": DEPLOYMENT,
        "base/kustomization.yaml": "resources: [web.yaml]\n" + GENERATED,
    },
    "lists": {
        "kustomization.yaml": "resources: [list.yaml]\nnamePrefix: p-\n",
        "list.yaml": "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n"
        "- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n---\napiVersion: v1\nkind: ConfigMap\n"
        "metadata: {name: c}\n---\napiVersion: v1\nkind: ConfigMapList\nitems:\n"
        "- {apiVersion: v1, kind: ConfigMap, metadata: {name: d}}\n",
    },
    "local configuration": {
        "kustomization.yaml": "resources: [a.yaml]\n",
        "a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, annotations: {config.kubernetes.io/local-config: "
        "'true'}}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b, annotations: "
        "{config.kubernetes.io/local-config: 'false'}}\n",
    },
    "sorted": tree("sortOptions: {order: legacy}\n"),
    "as they come": tree("sortOptions: {order: fifo}\n"),
    "own order": tree("sortOptions: {order: legacy, legacySortOptions: {orderFirst: [Deployment], orderLast: [Role]}}\n"),
    "values": {
        "kustomization.yaml": "resources: [a.yaml]\nnamespace: x\n",
        "a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  a: &x 'yes'\n  b: *x\n  c: \"012\"\n"
        "  d: |\n    text\n  e: '2026-01-01'\nother: {m: 0o14, n: 1e3, o: off, p: 012, q: ~, r: 1_000, s: '=', t: 12:30}\n",
    },
    "replacements": tree(
        GENERATED + "replacements:\n- source: {kind: Service, name: web, fieldPath: 'spec.ports.[name=https].port'}\n"
        "  targets:\n  - select: {kind: Deployment}\n    fieldPaths: ['spec.template.spec.containers.[name=web].ports.0."
        "containerPort']\n  - select: {kind: Thing}\n    fieldPaths: [spec.made.port]\n    options: {create: true}\n"
        "- source: {kind: Deployment, fieldPath: spec.template.spec.containers.0.image,\n"
        "           options: {delimiter: ':', index: 1}}\n"
        "  targets:\n  - select: {kind: Deployment}\n    fieldPaths: ['spec.template.spec.containers.*.image']\n"
        "    options: {delimiter: ':', index: 1}\n"
        "- sourceValue: given\n  targets:\n  - select: {name: w.*}\n    reject: [{kind: Deployment}]\n"
        "    fieldPaths: ['metadata.annotations.a\\.b/c']\n    options: {create: true}\n"),
    "replacement from a file": tree(
        "replacements: [{path: r.yaml}]\n",
        r="- source: {kind: ConfigMap, name: nobody}\n  targets: []\n".replace(
            "kind: ConfigMap, name: nobody", "kind: Service, name: web").replace(
            "[]", "[{select: {kind: Thing}, fieldPaths: [spec.secretName]}]")),
    "a map is replaced": tree(
        "replacements:\n- source: {kind: Service, name: web, fieldPath: spec.selector}\n"
        "  targets: [{select: {kind: Deployment}, fieldPaths: [spec.selector.matchLabels]}]\n"),
    "names in own fields": {
        "kustomization.yaml": "resources: [base, other.yaml]\nnamePrefix: a-\n",
        "base/kustomization.yaml": "resources: [r.yaml]\nconfigurations: [c.yaml]\n"
                                   "configMapGenerator: [{name: values, literals: [a=b]}]\n",
        "base/c.yaml": "nameReference:\n- kind: ConfigMap\n  version: v1\n"
                       "  fieldSpecs: [{path: spec/valuesFrom/name, kind: HelmRelease}]\n",
        "base/r.yaml": "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: x}\n"
                       "spec: {valuesFrom: [{kind: ConfigMap, name: values}, {kind: Secret, name: values}]}\n",
        "other.yaml": "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: y}\n"
                      "spec: {valuesFrom: [{kind: ConfigMap, name: values}]}\n"},
    "empty files": {"kustomization.yaml": "resources: [a.yaml]\nnamespace: x\n", "a.yaml": "# nothing\n---\n"},
    "keys in any case": tree("NamePrefix: p-\nLabels:\n- Pairs: {a: b}\n"),
    "old words": overlay("imageTags: [{name: nginx, newTag: '9'}]\n", "").copy() | {
        "kustomization.yaml": "bases: [base]\nnamePrefix: x-\n"},
    "binary": {
        "kustomization.yaml": "configMapGenerator:\n- {name: a, files: [b.bin]}\n"
        "secretGenerator:\n- {name: s, files: [b.bin]}\n",
        "b.bin": bytes(range(256)),
    },
}  # fmt: skip
