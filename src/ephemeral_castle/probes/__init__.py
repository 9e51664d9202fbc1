"""Probes: what says at last that a castle serves. Each is a driver of a layer with the role `proof`."""
