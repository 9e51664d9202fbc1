"""Releases that give up for good after one failed installation."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules.fields import NOTE, dig, fault
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "helm-retries"


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at every release."""
    for one in repository.of("HelmRelease", "helm.toolkit.fluxcd.io"):
        strategy = dig(one.manifest, "spec", "install", "strategy", "name")
        retries = dig(one.manifest, "spec", "install", "remediation", "retries")
        if strategy == "RetryOnFailure" or (isinstance(retries, int) and retries != 0):
            continue
        hints = ("add `install: {strategy: {name: RetryOnFailure}}`, or `install: {remediation: {retries: -1}}`",)
        path = ("spec", "install") if dig(one.manifest, "spec", "install") is not None else ("spec",)
        message = "if its first installation fails it is never tried again"
        says = "Failed to install after 1 attempt(s)"
        yield fault(ID, NOTE, one, path, message, hints=hints, says=says, key=True)


RULE = Rule(
    ID,
    "a HelmRelease gives up after its first failure",
    "By default Flux does not try a failed installation again: the release is `Stalled`, `RetriesExceeded`, until "
    "its spec, its chart or its values change. In a rebirth a first try fails easily, because a webhook does not "
    "serve or an image is slow; and what depends on the release fails at once with it.",
    "Flux' helm-controller: install.remediation.retries is 0, install.strategy",
    find,
    ("F55",),
)
