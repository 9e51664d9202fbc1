"""What one part of a definition says about another: needs, circles, layers of sites, names inside options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ephemeral_castle.definition.diagnostic import Diagnostic, Span
from ephemeral_castle.definition.explain import value_span
from ephemeral_castle.definition.nodes import Entry, Node, Path, Scalar, follow
from ephemeral_castle.definition.nodes import Mapping as MappingNode
from ephemeral_castle.definition.nodes import Sequence as SequenceNode
from ephemeral_castle.definition.shape import namings
from ephemeral_castle.definition.suggest import did_you_mean
from ephemeral_castle.model.castle import Role
from ephemeral_castle.model.excerpt import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import BaseModel

    from ephemeral_castle.definition.source import Source

_MOST_CIRCLES = 10


def entries(root: Node, *path: str) -> dict[str, Entry]:
    """The entries of the mapping at a path; empty when there is none."""
    node = root
    for step in path:
        if not isinstance(node, MappingNode) or step not in node.entries:
            return {}
        node = node.entries[step].node
    return node.entries if isinstance(node, MappingNode) else {}


def check_needs(source: Source, root: Node) -> Iterator[Diagnostic]:
    """Needs that name no layer, or name one twice, or themselves; and circles."""
    layers = entries(root, "layers")
    edges: dict[str, dict[str, Span]] = {}
    for layer, entry in layers.items():
        edges[layer] = {}
        for item in _items(entry.node):
            need, span = item.text, item.span
            if need == layer:
                yield source.error(span, f"layer `{shown(layer)}` needs itself", ("remove it",))
            elif need not in layers:
                hints = did_you_mean(need, layers, what="layers")
                yield source.error(span, f"layer `{shown(layer)}` needs `{shown(need)}`, which does not exist", hints)
            elif need in edges[layer]:
                yield source.error(span, f"layer `{shown(layer)}` needs `{need}` twice", ("keep one of them",))
            else:
                edges[layer][need] = span
    yield from _circles(source, edges)


def _items(layer: Node) -> list[Scalar]:
    if not isinstance(layer, MappingNode) or "needs" not in layer.entries:
        return []
    needs = layer.entries["needs"].node
    if not isinstance(needs, SequenceNode):
        return []
    return [item for item in needs.items if isinstance(item, Scalar) and isinstance(item.value, str)]


def _circles(source: Source, edges: Mapping[str, Mapping[str, Span]]) -> Iterator[Diagnostic]:
    """Each way back found by one depth-first walk, spelled out: every circle has at least one."""
    finished: set[str] = set()
    told = 0
    for start in edges:
        way: dict[str, Iterator[str]] = {} if start in finished else {start: iter(edges[start])}
        while way:
            here = next(reversed(way))
            need = next(way[here], None)
            if need is None:
                finished.add(here)
                del way[here]
            elif need in way:
                told += 1
                if told > _MOST_CIRCLES:
                    return
                names = list(way)
                circle = [*names[names.index(need) :], need]
                text = " needs ".join(f"`{shown(name)}`" for name in circle)
                hint = "a layer stands only after those it needs: remove one of these"
                yield source.error(edges[here][need], f"needs go in a circle: {text}", (hint,))
            elif need not in finished:
                way[need] = iter(edges[need])


def check_sites(source: Source, root: Node) -> Iterator[Diagnostic]:
    """Sites that say how to make a layer that is not defined, or say nothing about one that is not ground."""
    layers = entries(root, "layers")
    if not layers:
        return  # said already: the definition lacks them
    for site, entry in entries(root, "sites").items():
        if not isinstance(entry.node, MappingNode) or "layers" not in entry.node.entries:
            continue
        here = entry.node.entries["layers"]
        made = entries(here.node)
        for layer, found in made.items():
            if layer not in layers:
                hints = did_you_mean(layer, [name for name in layers if name not in made] or layers, what="layers")
                yield source.error(found.key, f"site `{shown(site)}` makes a layer `{shown(layer)}`, which does not "
                                   "exist", (*hints, "layers are defined under `layers:` at the top"))  # fmt: skip
        for layer in layers:
            # A site may land in a cluster that is there already: then it makes no machines.
            if layer not in made and _role(layers, layer) != Role.GROUND:
                hint = f"add `{shown(layer)}: {{driver: ...}}` under its `layers`"
                yield source.error(here.key, f"site `{shown(site)}` does not say how to make `{shown(layer)}`", (hint,))


def check_names(source: Source, root: Node, site: str, options: Mapping[str, BaseModel]) -> Iterator[Diagnostic]:
    """Options that name a layer or machine which is not there.

    Args:
        source: the file.
        root: its tree.
        site: name of the site.
        options: validated options by layer. Machines are judged only when every ground layer of the site is among
            them and one of them tells its machines: what cannot be known is never missing.
    """
    layers = entries(root, "layers")
    made = entries(root, "sites", site, "layers")
    complete = all(layer in options for layer in made if _role(layers, layer) in {"", Role.GROUND})
    found = [(layer, naming) for layer, model in options.items() for naming in namings(model)]
    known: dict[str, list[str]] = {"layer": list(layers)}
    for _, naming in found:
        if not naming.refers:
            known.setdefault(naming.kind, []).append(naming.name)
    for layer, naming in found:
        there = known.get(naming.kind, [])
        judged = naming.kind == "layer" or (complete and naming.kind in known)
        if naming.refers and judged and naming.name not in there:
            path: Path = ("sites", site, "layers", layer, *naming.path)
            span = value_span(list(follow(root, path)), root)
            hints = did_you_mean(naming.name, there, what=f"{naming.kind}s")
            yield source.error(span, f"there is no {naming.kind} `{shown(naming.name)}` on site `{shown(site)}`", hints)


def _role(layers: Mapping[str, Entry], layer: str) -> str:
    """The role as written, or "" when it cannot be told."""
    what = layers[layer].node if layer in layers else None
    role = what.entries["role"].node if isinstance(what, MappingNode) and "role" in what.entries else None
    return role.text if isinstance(role, Scalar) else ""
