"""What the report reads from the facts of finished steps. Drivers that use these names are shown without a word here.

- `tables`: table name -> {`before`: rows or None, `after`: rows, `same`: whether the digests agree}, by data proofs
- `files`: layer -> {`before`, `after`: {`files`, `bytes`} or None, `same`: whether all manifests agree}, by file proofs
- `markers`: marker name -> {`id`: text, `found`: whether it came back}, by data proofs
- `loss`: {`rows`: number or None, `seconds`: number or None, `bound`: true for an upper bound, `text`: reason}
- `verified`: list of texts, by service probes
- `addresses`: service name -> where people reach it
- `controllers`: name -> {`image`, `title`: what it says that it is}, of those that run in the cluster
- `names`: whole name -> the address that it was given
- `stale_until`: Unix seconds until which resolvers may still give an old address for one of them
- `treasury`: ability -> true, false or text, by preflight
- `life`: number of the life that stands now
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ephemeral_castle.model.stepview import StepState

if TYPE_CHECKING:
    from ephemeral_castle.model.runview import RunView


def merged(view: RunView, name: str) -> dict[str, Any]:
    """The mappings under a name, of all finished steps, later steps last; JSON values only."""
    found: dict[str, Any] = {}
    for value in _values(view, name):
        if isinstance(value, Mapping):
            found.update({str(key): each for key, each in value.items()})
    return found


def joined(view: RunView, name: str) -> list[str]:
    """The texts under a name, of all finished steps, in the plan's order."""
    return [str(each) for value in _values(view, name) if isinstance(value, list | tuple) for each in value]


def last(view: RunView, name: str) -> Any:
    """The value under a name of the last finished step that has one, else None."""
    return next(reversed(list(_values(view, name))), None)


def losses(view: RunView) -> dict[str, dict[str, Any]]:
    """By layer: what was lost, measured or bounded."""
    found: dict[str, dict[str, Any]] = {}
    for step in view.plan.steps:
        value = view.facts(step.id).get("loss")
        if isinstance(value, Mapping):
            found[step.layer] = {str(key): each for key, each in value.items()}
    return found


def _values(view: RunView, name: str) -> Iterator[Any]:
    for step in view.in_state(StepState.DONE):
        if step.facts.get(name) is not None:
            yield step.facts[name]
