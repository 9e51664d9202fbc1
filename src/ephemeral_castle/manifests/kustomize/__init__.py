"""Kustomizations rendered as `kubectl kustomize` does, with places, for the subset that repositories use. Pure.

Source of the rules: sigs.k8s.io/kustomize v5.8 as kubectl 1.36 has it; the tests compare with that program.
"""
