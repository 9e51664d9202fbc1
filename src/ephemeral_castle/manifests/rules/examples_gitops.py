"""Examples of the rules about references and GitOps: what fails, and what passes."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, str]] = {
    "api-version-gone": (
        ("apiVersion: external-secrets.io/v1beta1\nkind: ExternalSecret\n"),
        ("apiVersion: external-secrets.io/v1\nkind: ExternalSecret\n"),
    ),
    "secret-missing": (
        "env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: acount, key: pw}}}]\n",
        "env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: account, key: pw}}}]\n",
    ),
    "config-map-missing": (
        "volumes: [{name: settings, configMap: {name: settings}}]   # settings.yaml is in no kustomization\n",
        "resources: [web.yaml, settings.yaml]   # of the kustomization\n",
    ),
    "service-account-missing": (
        "serviceAccountName: runner\n",
        "serviceAccountName: web   # of which a manifest is there\n",
    ),
    "claim-missing": (
        "volumes: [{name: files, persistentVolumeClaim: {claimName: uploads}}]\n",
        "volumes: [{name: files, persistentVolumeClaim: {claimName: files}}]   # of which a manifest is there\n",
    ),
    "storage-class-missing": (
        "storageClassName: archive\n",
        "storageClassName: fast   # of which a manifest is there\n",
    ),
    "secret-store-missing": (
        "secretStoreRef: {name: vault}   # a SecretStore of this namespace\n",
        "secretStoreRef: {kind: ClusterSecretStore, name: vault}\n",
    ),
    "issuer-missing": (
        "issuerRef: {name: letsencrypt}   # an Issuer of this namespace\n",
        "issuerRef: {kind: ClusterIssuer, name: letsencrypt}\n",
    ),
    "source-missing": (
        "sourceRef: {kind: HelmRepository, name: podinfo}   # of the release's own namespace\n",
        "sourceRef: {kind: HelmRepository, name: podinfo, namespace: flux-system}\n",
    ),
    "key-missing": (
        "secretKeyRef: {name: login, key: pass}\n",
        "secretKeyRef: {name: login, key: password}   # as its ExternalSecret writes it\n",
    ),
    "depends-on-missing": (
        "dependsOn: [{name: bases}]\n",
        "dependsOn: [{name: base}]\n",
    ),
    "depends-on-cycle": (
        ("metadata: {name: apps}\nspec: {dependsOn: [{name: base}]}   # and base depends on apps\n"),
        ("metadata: {name: apps}\nspec: {dependsOn: [{name: base}]}   # and base depends on nothing\n"),
    ),
    "needs-cycle": (
        (
            "# base holds an object in namespace `tools`, which apps makes\n"
            "metadata: {name: apps}\n"
            "spec: {dependsOn: [{name: base}]}\n"
        ),
        ("# namespace `tools` is made by base\nmetadata: {name: apps}\nspec: {dependsOn: [{name: base}]}\n"),
    ),
    "crd-beside-operator": (
        "resources: [cert-manager.yaml, issuer.yaml]   # a HelmRelease, and a ClusterIssuer\n",
        "resources: [cert-manager.yaml]   # issuer.yaml in another Kustomization, which depends on this one\n",
    ),
    "crd-too-late": (
        ("metadata: {name: issuers}\nspec: {path: ./issuers}\n"),
        (
            "metadata: {name: issuers}\n"
            "spec: {path: ./issuers, dependsOn: [{name: infra}]}   # and infra has `wait: true`\n"
        ),
    ),
    "namespace-missing": (
        "metadata: {name: web, namespace: blog}   # and no Namespace blog\n",
        ("kind: Namespace\nmetadata: {name: blog}\n"),
    ),
    "namespace-too-late": (
        ("metadata: {name: apps}\nspec: {path: ./apps}   # with objects in a namespace that `base` makes\n"),
        ("metadata: {name: apps}\nspec: {path: ./apps, dependsOn: [{name: base}]}\n"),
    ),
    "wait-heavy": (
        "spec: {wait: true, path: ./infra}   # kube-prometheus-stack and reloader; apps depends on it\n",
        "spec: {wait: true, path: ./infra}   # reloader; the stack is in another Kustomization\n",
    ),
    "wait-blind": (
        "spec: {wait: true, path: ./data}   # a PostgresCluster\n",
        (
            "spec:\n"
            "  wait: true\n"
            "  healthCheckExprs:\n"
            "  - {apiVersion: …, kind: PostgresCluster, current: has(status.patroni)}\n"
        ),
    ),
    "wait-ignores-checks": (
        "spec: {wait: true, healthChecks: [{kind: Deployment, name: web}]}\n",
        "spec: {healthChecks: [{kind: Deployment, name: web}]}\n",
    ),
    "retry-interval": (
        "spec: {interval: 1h}\n",
        "spec: {interval: 1h, retryInterval: 30s}\n",
    ),
    "helm-retries": (
        ("kind: HelmRelease\nspec: {interval: 10m}\n"),
        ("kind: HelmRelease\nspec: {interval: 10m, install: {strategy: {name: RetryOnFailure}}}\n"),
    ),
    "prunes-data": (
        ("kind: PostgresCluster\nmetadata: {name: db}\n"),
        ("kind: PostgresCluster\nmetadata: {name: db, annotations: {kustomize.toolkit.fluxcd.io/prune: disabled}}\n"),
    ),
}
