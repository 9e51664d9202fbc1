"""Names of Traefik and of Kubernetes, as clients see them. Source: Traefik 3.7, its chart 41.3."""

from __future__ import annotations

COMPONENT = "traefik"
TITLE = "stand-in for Traefik"
VERSION = "v3.7.13"
CONTROLLER = "traefik.io/ingress-controller"  # of the IngressClass
API, ROUTE = "traefik.io/v1alpha1", "IngressRoute"
NETWORKING, INGRESS, CLASS = "networking.k8s.io/v1", "Ingress", "IngressClass"
DISCOVERY, SLICE = "discovery.k8s.io/v1", "EndpointSlice"
DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"
SERVICE_NAME = "kubernetes.io/service-name"
WEB, WEBSECURE = "web", "websecure"
PORTS = {WEB: 8000, WEBSECURE: 8443, "traefik": 8080}
