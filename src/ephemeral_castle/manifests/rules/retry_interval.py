"""Kustomizations that try again only after their whole interval."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules.fields import NOTE, WARNING, fault, spec, text
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "retry-interval"
UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
PATIENT = 300  # seconds after which nobody waits without asking
LONG = 1800  # seconds of which a rebirth budget has not one


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at every Kustomization without `retryInterval`."""
    for unit in repository.units:
        wanted = spec(unit.object)
        interval = text(wanted.get("interval"))
        if wanted.get("retryInterval") is None and seconds(interval) > PATIENT:
            severity = WARNING if seconds(interval) >= LONG else NOTE
            message = f"after a failure it is tried again only in {interval}: there is no `retryInterval`"
            hints = ("add `retryInterval: 30s`",)
            yield fault(ID, severity, unit.object, ("spec", "interval"), message, hints=hints)


def seconds(duration: str) -> float:
    """A duration of Go's, "1h30m", in seconds; 0 where it is none."""
    return sum(float(number) * UNITS[unit] for number, unit in re.findall(r"([0-9.]+)(h|ms|m|s)", duration))


RULE = Rule(
    ID,
    "a Kustomization has no `retryInterval`",
    "Without one Flux tries again after `interval`, which is chosen for quiet days. In a rebirth the first try "
    "often fails, because something else is not there yet; with an interval of an hour everything then waits an "
    "hour for nothing. `retryInterval: 30s` costs nothing.",
    "Flux' documentation of retryInterval; a rebirth that idled for an hour",
    find,
    ("F121",),
)
