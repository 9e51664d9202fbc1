"""`configurations`: fields of other kinds that hold names, so that they follow a generated name. Pure.

Source: TransformerConfig and NameBackReferences of kustomize 5.8. Other parts of such a file are not rendered here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ephemeral_castle.manifests.kustomize.faults import Broken, NotRendered
from ephemeral_castle.manifests.kustomize.fields import Spec, split
from ephemeral_castle.manifests.kustomize.specs import Target
from ephemeral_castle.manifests.tree import Map, Seq, text
from ephemeral_castle.model.finding import Mark

KNOWN = "nameReference"


def named_fields(value: Any, mark: Mark) -> Iterator[tuple[Target, Spec]]:
    """The fields that a file of `configurations` says to hold names.

    Args:
        value: of the file.
        mark: of the line that names it.

    Raises:
        Broken: it is no configuration. NotRendered: it says more than that.
    """
    if not isinstance(value, Map):
        raise Broken("a configuration is a mapping", mark, "json: cannot unmarshal into Go value")
    for key in value:
        if key != KNOWN and value[key]:
            raise NotRendered(f"`{key}` of `configurations`", value.named[key])
    for each in _maps(value.get(KNOWN)):
        target = (text(each.get("group")), text(each.get("version")), text(each.get("kind")))
        for one in _maps(each.get("fieldSpecs")):
            group, version, kind = (text(one.get(key)) for key in ("group", "version", "kind"))
            yield target, Spec(split(text(one.get("path"))), kind, group, version)


def _maps(value: Any) -> Iterator[Map]:
    return (each for each in value if isinstance(each, Map)) if isinstance(value, Seq) else iter(())
