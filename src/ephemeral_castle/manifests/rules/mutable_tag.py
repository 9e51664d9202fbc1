"""Images whose name means something else tomorrow."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Repository
from ephemeral_castle.manifests.rules.fields import WARNING, fault, text
from ephemeral_castle.manifests.rules.pods import pods
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.model.finding import Finding

ID = "mutable-tag"
TAGS = re.compile(
    r"latest|stable|unstable|edge|nightly|main|master|develop(ment)?|dev|rolling|canary|testing|beta|alpha"
)


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at the image of every container."""
    for found in pods(repository):
        for path, container in found.containers():
            image = text(container.get("image"))
            name, _, tag = image.rpartition("/")[2].partition(":")
            if not image or "@" in image or "$" in image or not name:
                continue
            if not tag or TAGS.fullmatch(tag):
                said = f"`:{tag}`" if tag else "no tag, which means `:latest`"
                message = f"`{image}` has {said}: each life of the castle gets another program"
                hints = ("name a version, or better a digest: `NAME@sha256:…`",)
                yield fault(ID, WARNING, found.thing, (*path, "image"), message, hints=hints)


RULE = Rule(
    ID,
    "an image is named by a tag that moves",
    "`latest`, `unstable`, `main` or no tag at all are whatever was pushed last. A rebirth months later starts "
    "another program, whose options and files changed, beside data of the old one; and there is no way back, "
    "because the old one has no name. A digest is exact, a version nearly.",
    "two rebirths that met a helper's new file format and an unknown flag",
    find,
    ("F125", "F176"),
)
