"""The key to the Git host, fetched by what is fetched with it."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules.contents import same, target
from ephemeral_castle.manifests.rules.fields import NOTE, dig, fault, text
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "source-secret-loop"


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at the Secrets of sources, for an ExternalSecret that makes one."""
    for kind in ("GitRepository", "OCIRepository", "Bucket"):
        for source in repository.of(kind):
            name = text(dig(source.manifest, "spec", "secretRef", "name"))
            if not name or f"Secret {source.namespace}/{name}" in setting.brought:
                continue
            for external in repository.of("ExternalSecret"):
                if target(external) == name and same(external.namespace, source.namespace) and external.unit:
                    message = f"Flux needs `{name}` to fetch the ExternalSecret that makes it ({external.mark})"
                    hints = ("bring the first one from outside, and let the ExternalSecret take it over later",)
                    at = ("spec", "secretRef", "name")
                    yield fault(ID, NOTE, source, at, message, hints=hints)


RULE = Rule(
    ID,
    "the Secret of a source comes from what the source brings",
    "Flux cannot clone without the token, the ExternalSecret that writes the token lies in the repository, and its "
    "operator too. In a living cluster the Secret is there; in a new one somebody has to put the first one. That "
    "is no fault if it is done; it must not be forgotten.",
    "a rebirth whose token never arrived",
    find,
    ("F133",),
)
