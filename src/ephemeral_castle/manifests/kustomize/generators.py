"""`configMapGenerator` and `secretGenerator`. Pure."""

from __future__ import annotations

import base64
import posixpath
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ephemeral_castle.manifests.kustomize.faults import Broken
from ephemeral_castle.manifests.kustomize.identity import Id
from ephemeral_castle.manifests.kustomize.resource import Resource, Resources, words
from ephemeral_castle.manifests.tree import Map
from ephemeral_castle.model.finding import Mark

LINE = 70  # characters of one line of a Secret's value
Load = Callable[[str, Mark], bytes]  # a file by its path relative to the kustomization


class Pair(NamedTuple):
    """One key and its value. `at`: what says so."""

    key: str
    value: bytes
    at: Mark


def generate(args: Map, common: Map, kind: str, load: Load, chain: Sequence[Mark]) -> Resource:
    """The ConfigMap or Secret of one entry.

    Args:
        args: the entry.
        common: `generatorOptions`.
        kind: "ConfigMap" or "Secret".
        load: reads a file.
        chain: the lines that include the kustomization.

    Raises:
        Broken: an entry that kustomize refuses, or a file that is not there.
    """
    mark, named = args.begin, args.at.get("name", args.begin)
    if not args.get("name"):
        raise Broken(f"a generated {kind} needs a `name`", mark, "a configmap must have a name")
    manifest = _map(mark, apiVersion="v1", kind=kind)
    manifest.put("metadata", Map(mark), mark)
    manifest["metadata"].put("name", args["name"], args.named["name"], named)
    if args.get("namespace"):
        manifest["metadata"].put("namespace", args["namespace"], args.named["namespace"], args.at["namespace"])
    if kind == "Secret":
        manifest.put("type", args.get("type") or "Opaque", args.named.get("type", mark), args.at.get("type", mark))
        manifest.put("data", Map(mark), mark)
    _fill(manifest, args["name"], list(_pairs(args, load)))
    hashed = _options(manifest, args, common)
    return Resource(manifest, tuple(chain), hashed=hashed, behavior=args.get("behavior") or "")


def absorb(resources: Resources, new: Resource) -> None:
    """Adds what was generated, or merges it into what it names.

    Raises:
        Broken: its behaviour does not fit what is there.
    """
    found, mark = new.id, new.manifest.begin
    matches = resources.by_any_id(found.same)
    joins = new.behavior in ("merge", "replace")
    if len(matches) > 1:
        raise Broken(f"there are several {words(found)}", mark, _says(found, "could accept merge of"))
    if not matches:
        if joins:
            says = f"id {_go(found)} does not exist; cannot merge or replace"
            raise Broken(f"there is no {words(found)} to {new.behavior}", mark, says)
        resources.add(new, mark)
        return
    if not joins:
        says = f"id {_go(found)} exists; can not use behavior: '{new.behavior or 'unspecified'}'"
        hint = f"the first is {matches[0].manifest.begin}; `behavior: merge` adds to it"
        raise Broken(f"there is a {words(found)} already", mark, f"{says}, behavior must be merge or replace", hint)
    _join(new, matches[0])
    resources.list[resources.list.index(matches[0])] = new
    resources.reindex()


def _join(new: Resource, old: Resource) -> None:
    """Takes over what the old one is called, and for `merge` what it holds."""
    for key in ("labels", "annotations"):
        _under(new.manifest, old.manifest, ("metadata", key))
    meta, had = new.meta, old.meta
    for key in ("name", "namespace"):
        if key in had:
            meta.put(key, had[key], had.named[key], had.at[key])
        else:
            meta.drop(key)
    if new.behavior == "merge":
        _under(new.manifest, old.manifest, ("data",))
        _under(new.manifest, old.manifest, ("binaryData",))
    new.earlier, new.prefixes, new.suffixes = old.earlier, old.prefixes, old.suffixes
    new.hashed, new.behavior = new.hashed and old.hashed, old.behavior


def _under(new: Map, old: Map, path: Sequence[str]) -> None:
    """Lays a map of the new one over that of the old."""
    below: Map | None = old
    for key in path:
        below = below.get(key) if isinstance(below, Map) else None
    if not isinstance(below, Map) or not below:
        return
    *above, last = path
    for key in above:
        new = new[key]
    found = new.get(last)
    own = found if isinstance(found, Map) else Map(below.begin)
    made = Map(own.begin)
    for each in (below, own):
        for key, value in each.items():
            made.put(key, value, each.named[key], each.at[key])
    new.put(last, made, new.named.get(last, below.begin), new.at.get(last, below.begin))


def _pairs(args: Map, load: Load) -> Iterator[Pair]:
    """All keys in the order in which kustomize reads them."""
    sources = [(each, at) for key in ("envs",) for each, at in _each(args, key)]
    if args.get("env"):
        sources.append((args["env"], args.at["env"]))
    for path, at in sources:
        yield from _env(load(path, at), at)
    for source, at in _each(args, "literals"):
        key, found, value = source.partition("=")
        if not found or not key:
            says = f"invalid literal source {source}, expected key=value"
            raise Broken("a literal is `key=value`", at, says)
        yield Pair(key, _unquoted(value).encode(), at)
    for source, at in _each(args, "files"):
        key, path = _file_source(source, at)
        yield Pair(key, load(path, at), at)


def _each(args: Map, key: str) -> Iterator[tuple[str, Mark]]:
    found = args.get(key)
    return zip(found, found.at, strict=True) if found else iter(())


def _env(content: bytes, at: Mark) -> Iterator[Pair]:
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n")):
        try:
            text = line.removesuffix(b"\r").decode().lstrip()
        except UnicodeDecodeError:
            raise Broken(f"line {number + 1} of the file is not UTF-8", at, "has invalid utf8 bytes") from None
        if text and not text.startswith("#"):
            key, _, value = text.partition("=")
            if key:
                yield Pair(key, value.encode(), at)


def _file_source(source: str, at: Mark) -> tuple[str, str]:
    count = source.count("=")
    if count == 0:
        return posixpath.basename(source), source
    key, _, path = source.partition("=")
    if count > 1:
        says = f"source \"{source}\" key name or file path contains '='"
    elif not key:
        says = f'missing key name for file path "{path}" in source "{source}"'
    elif not path:
        says = f'missing file path for key name "{key}" in source "{source}"'
    else:
        return key, path
    raise Broken("a file is `path` or `key=path`", at, says)


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value


def _fill(manifest: Map, name: str, pairs: list[Pair]) -> None:
    seen = set()
    for pair in pairs:
        if pair.key in seen:
            says = f"configmap {name} illegally repeats the key `{pair.key}`"
            raise Broken(f"`{pair.key}` comes a second time", pair.at, says)
        seen.add(pair.key)
    for pair in sorted(pairs, key=lambda each: each.key):
        holder, value = _value(pair.value, secret=manifest["kind"] == "Secret")
        if holder not in manifest:
            manifest.put(holder, Map(manifest.begin), manifest.begin)
        manifest[holder].put(pair.key, value, pair.at)


def _value(content: bytes, *, secret: bool) -> tuple[str, str]:
    """In which field a value stands, and how it is written there."""
    if secret:
        return "data", _base64(content)
    try:
        return "data", content.decode()
    except UnicodeDecodeError:
        return "binaryData", _base64(content)


def _base64(content: bytes) -> str:
    written = base64.b64encode(content).decode()
    if len(written) < LINE:
        return written
    return "".join(f"{written[at : at + LINE]}\n" for at in range(0, len(written), LINE))


def _options(manifest: Map, args: Map, common: Map) -> bool:
    """Labels, annotations and `immutable`; whether its name shall end in a hash."""
    own = args.get("options") or Map()
    meta = manifest["metadata"]
    for key in ("labels", "annotations"):
        made = Map(manifest.begin)
        for options in (common, own):
            found = options.get(key) or Map()
            for name, value in found.items():
                made.put(name, value, found.named[name], found.at[name])
        if made:
            meta.put(key, made, made.begin)
    if own.get("immutable") or common.get("immutable"):
        manifest.put("immutable", value=True, named=(own if own.get("immutable") else common).at["immutable"])
    return not (own.get("disableNameSuffixHash") or common.get("disableNameSuffixHash"))


def _map(mark: Mark, **values: str) -> Map:
    made = Map(mark)
    for key, value in values.items():
        made.put(key, value, mark)
    return made


def _says(found: Id, what: str) -> str:
    return f"found multiple objects that {what} {found}"


def _go(found: Id) -> str:
    """An identity as Go prints it."""
    gvk = f'resid.Gvk{{Group:"{found.group}", Version:"{found.version}", Kind:"{found.kind}", isClusterScoped:false}}'
    return f'resid.ResId{{Gvk:{gvk}, Name:"{found.name}", Namespace:"{found.namespace}"}}'
