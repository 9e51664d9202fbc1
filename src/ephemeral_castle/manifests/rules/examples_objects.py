"""Examples of the rules about objects and their parts: what fails, and what passes."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, str]] = {
    "two-owners": (
        "resources: [../shared/settings.yaml]   # in two Kustomizations of one cluster\n",
        "resources: [settings.yaml]   # in one of them\n",
    ),
    "live-fields": (
        'metadata: {name: settings, resourceVersion: "184213"}\n',
        "metadata: {name: settings}\n",
    ),
    "flux-strips": (
        'command: [sh, -c, kubectl patch deployment web -p "$PATCH"]\n',
        'command: [sh, -c, kubectl patch deployment web --field-manager=tuner -p "$PATCH"]\n',
    ),
    "replicas-fight": (
        ("kind: Deployment\nspec: {replicas: 2}   # and a HorizontalPodAutoscaler\n"),
        ("kind: Deployment\nspec: {}   # the autoscaler sets it\n"),
    ),
    "source-secret-loop": (
        (
            "kind: GitRepository\n"
            "spec: {secretRef: {name: git-token}}   # which an ExternalSecret of this repository makes\n"
        ),
        ("kind: GitRepository\nspec: {secretRef: {name: git-token}}   # which castle brings first\n"),
    ),
    "pod-security": (
        "metadata: {name: web, labels: {pod-security.kubernetes.io/enforce: baseline}}   # hostNetwork in a pod\n",
        "metadata: {name: web, labels: {pod-security.kubernetes.io/enforce: privileged}}\n",
    ),
    "host-network-rollout": (
        "spec: {template: {spec: {hostNetwork: true}}}\n",
        (
            "spec:\n"
            "  strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}\n"
            "  template: {spec: {hostNetwork: true}}\n"
        ),
    ),
    "rwo-replicas": (
        "spec: {replicas: 3}   # which mount one claim of ReadWriteOnce\n",
        "spec: {replicas: 1}\n",
    ),
    "volume-replicas": (
        'parameters: {numberOfReplicas: "3"}   # on two nodes\n',
        'parameters: {numberOfReplicas: "2"}\n',
    ),
    "storage-class-parameters": (
        "parameters: {reclaimPolicy: Retain}\n",
        ("reclaimPolicy: Retain\nparameters: {}\n"),
    ),
    "mutable-tag": (
        "image: registry.example.org/web:latest\n",
        "image: registry.example.org/web:1.2.3\n",
    ),
    "port-chain": (
        "ports: [{port: 80, targetPort: web}]   # of the Service; the container's port is called http\n",
        "ports: [{port: 80, targetPort: http}]\n",
    ),
    "address-clash": (
        "annotations: {metallb.io/loadBalancerIPs: 192.0.2.10}   # of two Services\n",
        "annotations: {metallb.io/allow-shared-ip: edge}   # of both, beside it, and other ports\n",
    ),
    "metallb-address": (
        "annotations: {metallb.io/loadBalancerIPs: 192.0.2.99}   # and the pool ends at 192.0.2.15\n",
        "annotations: {metallb.io/loadBalancerIPs: 192.0.2.10}\n",
    ),
    "corefile": (
        ("Corefile: |\n  .:53 {\n      health { lameduck 5s }\n      forward . dns.example.org\n  }\n"),
        ("Corefile: |\n  .:53 {\n      health {\n          lameduck 5s\n      }\n      forward . 192.0.2.53\n  }\n"),
    ),
    "system-object": (
        ("kind: ConfigMap\nmetadata: {name: coredns, namespace: kube-system}\n"),
        ("kind: ConfigMap\nmetadata: {name: coredns-custom, namespace: kube-system}   # which k3s includes\n"),
    ),
    "plain-secret": (
        "stringData: {password: hunter2-and-more}\n",
        "kind: ExternalSecret   # or a file that sops encrypted\n",
    ),
    "pem-broken": (
        ("ca.crt: >-\n  -----BEGIN CERTIFICATE-----\n  MIIBdTCCARug…\n"),
        ("ca.crt: |\n  -----BEGIN CERTIFICATE-----\n  MIIBdTCCARug…\n"),
    ),
    "template-key": (
        ('template: {data: {id: "{{ .clientid }}"}}\ndata: [{secretKey: client_id, remoteRef: {key: dex}}]\n'),
        ('template: {data: {id: "{{ .client_id }}"}}\ndata: [{secretKey: client_id, remoteRef: {key: dex}}]\n'),
    ),
    "reload-annotation": (
        'spec: {template: {metadata: {annotations: {reloader.stakater.com/auto: "true"}}}}\n',
        'metadata: {annotations: {reloader.stakater.com/auto: "true"}}\n',
    ),
    "longhorn-settings": (
        'values: {defaultSettings: {backupTarget: "s3://treasury@eu-1/"}}\n',
        'values: {defaultBackupStore: {backupTarget: "s3://treasury@eu-1/"}}\n',
    ),
    "shell-separators": (
        "args: [sh, -c, cp /in/key /out/key chown 472 /out/key]\n",
        "args: [sh, -c, cp /in/key /out/key && chown 472 /out/key]\n",
    ),
    "chart-without-kinds": (
        ("chart: cert-manager\nvalues: {}\n"),
        ("chart: cert-manager\nvalues: {crds: {enabled: true}}\n"),
    ),
    "orphan-file": (
        "resources: [web.yaml]   # and settings.yaml lies beside it\n",
        "resources: [web.yaml, settings.yaml]\n",
    ),
}
