"""`healthChecks` beside `wait: true` mean nothing."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules.fields import NOTE, fault, listed, spec
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "wait-ignores-checks"


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at every Kustomization."""
    for unit in repository.units:
        wanted = spec(unit.object)
        if wanted.get("wait") is True and listed(wanted.get("healthChecks")):
            message = "`healthChecks` is not read beside `wait: true`"
            hints = (
                "take one of the two away: `wait` looks at all that is applied, `healthChecks` only at what it names",
            )
            yield fault(ID, NOTE, unit.object, ("spec", "healthChecks"), message, hints=hints, key=True)


RULE = Rule(
    ID,
    "a Kustomization has both `wait: true` and `healthChecks`",
    "With `wait: true` Flux waits for every object that it applies, and leaves `healthChecks` out, also those that "
    "name objects of others. Whoever wrote them believes that they are looked at.",
    "Flux' documentation of wait",
    find,
)
