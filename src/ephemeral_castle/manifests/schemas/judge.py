"""Judges objects by their schemas and tells the faults as findings: in plain words, with the server's own beside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from ephemeral_castle.manifests.repository import Object
from ephemeral_castle.manifests.schemas import applied
from ephemeral_castle.manifests.schemas.amounts import likely
from ephemeral_castle.manifests.schemas.fault import DUPLICATE, REQUIRED, UNKNOWN, UNSUPPORTED, Cause, Step, written
from ephemeral_castle.manifests.schemas.known import Judge, Schemas
from ephemeral_castle.manifests.schemas.kubernetes import GROUPS, package
from ephemeral_castle.manifests.schemas.misfits import misfit
from ephemeral_castle.manifests.schemas.whole import whole
from ephemeral_castle.manifests.tree import place
from ephemeral_castle.model.finding import Finding, Mark, Severity

INVALID: Final = "schema-invalid"
UNKNOWN_FIELD: Final = "schema-unknown-field"
UNSERVED: Final = "schema-unserved-version"
DEPRECATED: Final = "schema-deprecated-version"
CEL: Final = "schema-cel"
UNKNOWN_KIND: Final = "schema-unknown-kind"

_NO_QUANTITY: Final = "quantities must match"  # how the decoder's words begin
_HIDDEN: Final = "ENC["  # how sops begins an encrypted value
_FEW: Final = 12  # names that a hint lists at most


def judge(objects: Iterable[Object], schemas: Schemas, kubernetes: tuple[int, int] = (1, 36)) -> Iterator[Finding]:
    """The findings of every object, in their order. `kubernetes`: the version whose built-in kinds a hint pulls.

    A kind without a schema is told once, as UNDECIDED, with the number of its objects: it is never passed as valid.
    What hangs on a value that nobody knows yet (an undecided substitution, an encrypted value) is UNDECIDED too.
    """
    unknown: dict[tuple[str, str], list[Object]] = {}
    for each in objects:
        found = schemas.find(each.api, each.kind)
        served = schemas.served(each.group, each.kind)
        if found is None and (not served or _version(each) in served):
            unknown.setdefault((each.api, each.kind), []).append(each)
        elif found is None or not found.served:
            yield _unserved(each, served)
        else:
            yield from _judged(each, found, schemas)
    for (api, kind), left in unknown.items():
        yield _unknown_kind(api, kind, left, _mend(left[0], schemas, kubernetes))


def _version(of: Object) -> str:
    return of.api.rpartition("/")[2]


def _judged(of: Object, by: Judge, schemas: Schemas) -> Iterator[Finding]:
    if by.deprecated:
        yield _deprecated(
            of, by, [each for each in schemas.served(of.group, of.kind) if not of.api.endswith(f"/{each}")]
        )
    verdict = whole(by, _plain(of.manifest))
    known = [cause for cause in verdict.causes if cause.path or cause.field != "<nil>"]
    undecided = [cause for cause in known if _undecidable(of.manifest, cause)]
    for cause in known:
        if cause not in undecided:
            yield _told(of, by, cause)
    if not known and verdict.code >= 400:
        yield _finding(of, INVALID, "the API server does not understand this object", ("metadata",), verdict.message)
    if undecided:
        fields = ", ".join(dict.fromkeys(cause.field for cause in undecided))
        yield _finding(
            of,
            INVALID,
            f"cannot be decided before its values are known: {fields}",
            undecided[0].path,
            severity=Severity.UNDECIDED,
        )
    if verdict.unchecked:
        says = f"{verdict.unchecked} rules of its schema cannot be evaluated here"
        yield _finding(of, CEL, says, (), severity=Severity.UNDECIDED)


def _plain(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object as the server would get it: what sops adds beside it is taken out when it is decrypted."""
    sops = manifest.get("sops")
    if isinstance(sops, Mapping) and "mac" in sops:
        return {key: value for key, value in manifest.items() if key != "sops"}
    return manifest


def _told(of: Object, by: Judge, cause: Cause) -> Finding:
    if cause.reason == UNKNOWN:
        flux = applied.sentence(by.node, of.manifest, cause.path)
        says = f'{cause.message} "{cause.field}"; server-side apply: {flux}'
        name, parent = cause.path[-1], written(cause.path[:-1]) or of.kind
        hints = _likely(str(name), list(by.node(cause.path[:-1]).get("properties") or ()))
        return _finding(of, UNKNOWN_FIELD, f'{parent} has no field "{name}"', cause.path, says, hints=hints)
    says = f"{cause.field}: {cause.message}"
    if cause.rule:
        told = cause.message.removeprefix("Invalid value: ")
        hints = () if cause.rule in told else (f"the rule of its schema: {cause.rule}",)
        return _finding(of, CEL, f"{_where(cause)}: {told}", cause.path, says, hints=hints)
    if cause.message.startswith(_NO_QUANTITY):
        value = str(_value(of.manifest, cause.path))
        message = f"{_where(cause)}: `{value}` is no quantity"
        return _finding(of, INVALID, message, cause.path, says, hints=(likely(value),))
    return _finding(of, INVALID, _sentence(cause), cause.path, says, hints=_hints(cause))


def _where(cause: Cause) -> str:
    return written(cause.path) or "the object"


def _sentence(cause: Cause) -> str:
    where = _where(cause)
    if cause.reason == REQUIRED:
        return f"{where} is missing"
    if cause.reason == DUPLICATE:
        return f"{where} is there twice: {cause.message.partition(': ')[2]}"
    if cause.reason == UNSUPPORTED:
        value = cause.message.removeprefix("Unsupported value: ").partition(": supported values:")[0]
        return f"{where} is none of the values that its schema allows: {value}"
    if sorts := misfit(cause.message):
        return f"{where} is {sorts.given}, and has to be {sorts.wanted}"
    said = cause.message.removeprefix("Invalid value: ").replace(f": {cause.field} in body ", " ")
    return f"{where}: {said}"


def _hints(cause: Cause) -> tuple[str, ...]:
    if (sorts := misfit(cause.message)) and sorts.hint:
        return (sorts.hint,)
    if cause.reason != UNSUPPORTED:
        return ()
    value, _, allowed = cause.message.removeprefix("Unsupported value: ").partition(": supported values: ")
    names = [each.strip('"') for each in allowed.split(", ")]
    return _likely(value.strip('"'), names)


def _likely(name: str, names: Sequence[str]) -> tuple[str, ...]:
    """What was meant, and else what there is."""
    near = get_close_matches(name, names, n=2)
    if near:
        return (f"did you mean {' or '.join(near)}?",)
    shown = sorted(names)
    more = f", and {len(shown) - _FEW} more" if len(shown) > _FEW else ""
    return (f"there are: {', '.join(shown[:_FEW])}{more}",) if shown else ()


def _undecidable(manifest: Any, cause: Cause) -> bool:
    """Whether a fault hangs on a value that nobody knows yet."""
    if cause.reason in (UNKNOWN, REQUIRED):
        return False
    value = manifest
    for step in cause.path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            break
    return _open(value)


def _open(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_open(each) for each in value.values())
    if isinstance(value, list):
        return any(_open(each) for each in value)
    return isinstance(value, str) and (value.__class__ is not str or value.startswith(_HIDDEN))


def _unserved(of: Object, served: Sequence[str]) -> Finding:
    newest = [f"{of.group}/{each}" if of.group else each for each in served]
    message = f"{of.api} of {of.kind} is no longer served" if newest else f"{of.kind} is not served in {of.api}"
    says = f'no matches for kind "{of.kind}" in version "{of.api}"'
    hints = (f"write apiVersion: {newest[-1]}",) if newest else ()
    return _finding(of, UNSERVED, message, ("apiVersion",), says, hints=hints)


def _deprecated(of: Object, by: Judge, others: Sequence[str]) -> Finding:
    hints = (f"write apiVersion: {of.group}/{others[-1]}",) if others else ()
    return _finding(
        of,
        DEPRECATED,
        f"{of.api} of {of.kind} is deprecated",
        ("apiVersion",),
        f"Warning: {by.deprecated}",
        severity=Severity.WARNING,
        hints=hints,
    )


class _Mend(NamedTuple):
    """Why no schema is known of a kind, and what changes that."""

    why: str
    hint: str


def _mend(of: Object, schemas: Schemas, kubernetes: tuple[int, int]) -> _Mend:
    if _version(of) in schemas.served(of.group, of.kind):
        hint = "castle schemas pull, which fetches all that castle-schemas.lock pins"
        return _Mend("the schema of {} is pinned, and not on this computer", hint)
    if of.group not in GROUPS:
        hint = "castle schemas pull SOURCE, the operator's CRDs: a directory, a URL, a Go module or a cluster"
        return _Mend("no schema is known for {}", hint)
    if schemas.served("", "ConfigMap"):
        return _Mend("the schemas of Kubernetes that are pinned have no {}", "castle explain api-version-gone")
    return _Mend("no schema is known for {}", f"castle schemas pull {package(kubernetes)}, for the built-in kinds")


def _unknown_kind(api: str, kind: str, found: Sequence[Object], mend: _Mend) -> Finding:
    """Kinds that nobody here can judge."""
    many = f"{len(found)} objects" if len(found) > 1 else "1 object"
    message = f"{mend.why.format(f'{kind} ({api})')}: {many} not looked into"
    return _finding(found[0], UNKNOWN_KIND, message, ("kind",), severity=Severity.UNDECIDED, hints=(mend.hint,))


def _finding(
    of: Object,
    rule: str,
    message: str,
    path: Sequence[Step],
    says: str = "",
    *,
    severity: Severity = Severity.ERROR,
    hints: tuple[str, ...] = (),
) -> Finding:
    return Finding(
        rule=rule,
        severity=severity,
        message=message,
        mark=_mark(of, path, key=rule == UNKNOWN_FIELD or not _scalar(of.manifest, path)),
        hints=hints,
        says=says,
        subject=of.subject,
        path=written(path),
        chain=of.chain,
    )


def _scalar(manifest: Any, path: Sequence[Step]) -> bool:
    """Whether a plain value stands at a path: of a block, or of what is missing in it, people look for the key."""
    try:
        return not isinstance(_value(manifest, path), Mapping | list)
    except (KeyError, IndexError, TypeError):
        return False


def _value(manifest: Any, path: Sequence[Step]) -> Any:
    """The value at a path; LookupError or TypeError where there is none."""
    for step in path:
        manifest = manifest[step]
    return manifest


def _mark(of: Object, path: Sequence[Step], *, key: bool) -> Mark:
    found = place(of.manifest, path, key=key)
    return found if found.file or found.line else of.mark
