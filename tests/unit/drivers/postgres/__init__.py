"""The driver `postgres` at home on Kubernetes."""
