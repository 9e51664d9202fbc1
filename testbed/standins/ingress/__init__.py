"""A stand-in for Traefik: Caddy, told what to serve by Ingresses and IngressRoutes."""
