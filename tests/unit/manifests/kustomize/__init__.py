"""The renderer of kustomizations beside the real one."""
