"""Which backup, and which treasure, the words of a command line mean."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from ephemeral_castle.errors import UsageError
from ephemeral_castle.model.castle import Role, Verb

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ephemeral_castle.model.castle import Site


def chosen(request: Mapping[str, Any], site: Site, verb: Verb) -> dict[str, Any]:
    """The fields of a request with every picked backup given to its treasure.

    Args:
        request: as `request_of` gives it: `set_label` holds the words of every `--set`, `only` those of `--layer`.
        site: where the castle stands or lands.
        verb: a restore that picks backups restores the treasures that they are of, and no other.

    Raises:
        UsageError: a word that names no treasure of the site, two for one treasure, or a backup that could be of any.
    """
    kept = {name: value for name, value in request.items() if name not in ("set_label", "only")}
    treasures = [layer.id for layer in site.layers if layer.role is Role.TREASURES]
    only = list(dict.fromkeys(request.get("only", ())))
    for name in only:
        _known(name, f"--layer {name}", treasures, site, "--layer {}")
    labels = _sorted(request.get("set_label", ()), only or treasures, treasures, site)
    others = [name for name in labels if only and name and name not in only]
    if others:
        raise UsageError(
            f"--set picks a backup of `{others[0]}`, which --layer leaves out",
            why="what is not restored needs no backup",
            hints=(f"add `--layer {others[0]}`, or leave that --set out",),
        )
    nobodys = labels.pop("", "")  # a site without treasures has nothing to bring back
    if verb is Verb.RESTORE and labels:
        only = only or list(labels)
    fields = {"set_label": nobodys, "set_labels": labels, "only": only}
    return {**kept, **{name: value for name, value in fields.items() if value}}


def _sorted(words: Sequence[str], owners: Sequence[str], treasures: Sequence[str], site: Site) -> dict[str, str]:
    """Labels by treasure; without the name of one it is that of the only `owner`."""
    labels: dict[str, str] = {}
    for word in words:
        layer, named, label = word.partition("=")
        if not named:
            layer, label = _owner(word, owners, site), word
        if not label or (named and not layer):
            why = "it is LABEL or LAYER=LABEL"
            raise UsageError(f"`--set {word}` names no backup", why=why, hints=_forms(treasures))
        if named:
            _known(layer, f"--set {word}", treasures, site, "--set {}=" + label)
        if layer in labels:
            raise UsageError(
                f"--set picks two backups of `{layer}`",
                why=f"`{labels[layer]}` and `{label}`: only one can come back",
                hints=_forms(treasures),
            )
        labels[layer] = label
    return labels


def _owner(label: str, names: Sequence[str], site: Site) -> str:
    """The treasure of a label that names none: where there is one only."""
    if len(names) > 1:
        raise UsageError(
            f"`--set {label}` does not say which treasure's backup it is",
            where=f"site {site.name}",
            why=f"it has {len(names)}: {', '.join(names)}",
            hints=tuple(f"`--set {name}={label}`" for name in names),
        )
    return names[0] if names else ""


def _known(name: str, said: str, treasures: Sequence[str], site: Site, form: str) -> None:
    if name in treasures:
        return
    near = get_close_matches(name, treasures, n=1) or treasures[:1]
    raise UsageError(
        f"`{said}`: there is no treasure `{name}`",
        where=f"site {site.name}",
        why=f"its treasures are {', '.join(treasures)}" if treasures else "it has no treasures",
        hints=tuple(f"`{form.format(each)}`" for each in near),
    )


def _forms(treasures: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"`--set {name}=LABEL`" for name in treasures) or ("`--set LABEL`",)
