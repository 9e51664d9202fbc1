"""Judges objects of built-in kinds: fields, types, enumerations and required fields by OpenAPI, names by rule.

The server decodes them into structures of Go and checks them by rules that are written in Go by hand, of which
`builtin_rules` has a few. What is said here stops there: an object without findings may still be refused.

Source: swagger.json of Kubernetes 1.36, package json of sigs.k8s.io, `ValidateName` of each kind's registry.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ephemeral_castle.manifests.schemas import builtin_rules, metadata, names
from ephemeral_castle.manifests.schemas.amounts import amount
from ephemeral_castle.manifests.schemas.checks import kind as kind_of
from ephemeral_castle.manifests.schemas.durations import go_duration
from ephemeral_castle.manifests.schemas.fault import (
    BLOCKING,
    INVALID,
    REQUIRED,
    UNKNOWN,
    UNSUPPORTED,
    Cause,
    Fault,
    Step,
    cause,
    go_json,
    quoted,
    written,
)
from ephemeral_castle.manifests.schemas.formats import is_datetime
from ephemeral_castle.manifests.schemas.openapi import Definitions
from ephemeral_castle.manifests.schemas.structural import Mode, Verdict

_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_SELECTOR: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector"  # a pointer, unlike other structures
_QUANTITY: Final = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_EITHER: Final = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_DURATION: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.Duration"
_ANYTHING: Final = frozenset(
    {
        "io.k8s.apimachinery.pkg.runtime.RawExtension",
        "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1",
        *(
            f"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.{each}"
            for each in ("JSON", "JSONSchemaPropsOrArray", "JSONSchemaPropsOrBool", "JSONSchemaPropsOrStringArray")
        ),
    }
)
_GO: Final = {"array": "array", "object": "object", "string": "string", "boolean": "bool"}
_BITS: Final = {"int32": 31, "int64": 63}
_SEGMENT: Final = names.completed(names.path_segment)
_LABEL: Final = names.completed(names.dns1123_label)
_SUBDOMAIN: Final = names.completed(names.dns1123_subdomain)
# Kinds whose names are not subdomains of DNS.
_NAMES: Final[Mapping[str, names.NameRule]] = {
    **dict.fromkeys(("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"), _SEGMENT),
    **dict.fromkeys(("Namespace", "StatefulSet"), _LABEL),
}
_SERVICE_RELAXED: Final = (1, 36)  # the first version in which a Service may begin with a digit


class _Undecodable(Exception):
    """A value that the server's decoder does not take; its words, and where."""

    def __init__(self, says: str, path: tuple[Step, ...]) -> None:
        super().__init__(says)
        self.path = path


class BuiltIn:
    """One version of a built-in kind."""

    served = True
    deprecated = ""

    def __init__(self, of: Definitions, kubernetes: tuple[int, int] = (1, 36)) -> None:
        self.of = of
        self._parts = of.parts
        self._name = _NAMES.get(of.kind, _SUBDOMAIN)
        if of.kind == "Service":
            self._name = _LABEL if kubernetes >= _SERVICE_RELAXED else names.completed(names.dns1035_label)

    def node(self, path: Sequence[Step]) -> Mapping[str, Any]:
        """The schema at a path; empty where there is none."""
        found = self._resolved({"$ref": self.of.root})[1]
        for step in path:
            key = "items" if isinstance(step, int) else "additionalProperties"
            part = (found.get("properties") or {}).get(step) or found.get(key) or {}
            found = self._resolved(part)[1]
        return found

    def judge(self, document: Mapping[str, Any], mode: Mode = Mode.STRICT) -> Verdict:
        """What the server would answer, as far as this module knows."""
        unknown: list[tuple[Step, ...]] = []
        try:
            self._decoded(document, {"$ref": self.of.root}, (), unknown)
        except _Undecodable as error:
            return self._refused(
                (Cause(INVALID, written(error.path, dotted=True), str(error), error.path),), str(error)
            )
        causes = tuple(Cause(UNKNOWN, written(each, dotted=True), "unknown field", each) for each in unknown)
        if causes and mode is Mode.STRICT:
            fields = ", ".join(f'unknown field "{each.field}"' for each in causes)
            return self._refused(causes, f"strict decoding error: {fields}")
        faults = metadata.faults(document.get("metadata"), namespaced=True, rule=self._name)
        self._checked(document, {"$ref": self.of.root}, faults, [])
        if not any(each.reason in BLOCKING for each in faults):
            faults += builtin_rules.faults(self.of.kind, document)
        found = tuple(dict.fromkeys(cause(each) for each in faults))
        if not found:
            return Verdict(201, warnings=causes)
        group = self.of.api.rpartition("/")[0]
        said = ", ".join(f"{each.field}: {each.message}" for each in found)
        name = quoted(str((document.get("metadata") or {}).get("name") or ""))
        whole = (
            f"{self.of.kind}{'.' if group else ''}{group} {name} is invalid: {said if len(found) == 1 else f'[{said}]'}"
        )
        return Verdict(422, found, whole, causes)

    def _refused(self, causes: tuple[Cause, ...], says: str) -> Verdict:
        kind, version = self.of.kind, self.of.api.rpartition("/")[2]
        return Verdict(400, causes, f'{kind} in version "{version}" cannot be handled as a {kind}: {says}')

    def _resolved(self, node: Any) -> tuple[str, Mapping[str, Any]]:
        name = ""
        if not isinstance(node, Mapping):  # `true`: anything
            return name, {}
        while "$ref" in node:
            name = node["$ref"]
            node = self._parts.get(name, {})
        return name, node

    def _decoded(
        self, value: Any, node: Mapping[str, Any], path: tuple[Step, ...], unknown: list[tuple[Step, ...]]
    ) -> None:
        """Goes through a value as the decoder does; raises _Undecodable at the first that it does not take."""
        name, node = self._resolved(node)
        if value is None or name in _ANYTHING:
            return
        if name in (_QUANTITY, _EITHER, _DURATION) or node.get("format") == "date-time":
            _special(value, name, path)
            return
        wanted = node.get("type") or ("object" if node.get("properties") else "")
        if not wanted:
            return
        _typed(value, wanted, str(node.get("format") or ""), path)
        if isinstance(value, Mapping):
            self._fields(value, node, path, unknown)
        elif isinstance(value, list) and node.get("items"):
            for at, each in enumerate(value):
                self._decoded(each, node["items"], (*path, at), unknown)

    def _fields(
        self, value: Mapping[str, Any], node: Mapping[str, Any], path: tuple[Step, ...], unknown: list[tuple[Step, ...]]
    ) -> None:
        properties, more = node.get("properties"), node.get("additionalProperties")
        if not properties and more is None and path:
            return
        for key, each in value.items():
            part = (properties or {}).get(key, more)
            if part is None:
                unknown.append((*path, key))
            else:
                self._decoded(each, part, (*path, key), unknown)

    def _checked(self, value: Any, node: Mapping[str, Any], faults: list[Fault], path: list[Step]) -> None:
        name, node = self._resolved(node)
        if isinstance(value, Mapping) and name != _META and name not in _ANYTHING:
            properties, more = node.get("properties") or {}, node.get("additionalProperties")
            for key in node.get("required") or ():
                if value.get(key) is None:
                    self._missing(properties.get(key, {}), faults, [*path, key])
            for key, each in value.items():
                part = properties.get(key, more)
                if part is not None and (path or key != "status"):
                    self._checked(each, part, faults, [*path, key])
        elif isinstance(value, list) and node.get("items"):
            for at, each in enumerate(value):
                self._checked(each, node["items"], faults, [*path, at])
        elif node.get("enum") and value is not None and value not in node["enum"] and path:
            listed = ", ".join(quoted(str(each)) for each in node["enum"])
            faults.append(Fault(UNSUPPORTED, value, f"supported values: {listed}", list(reversed(path))))

    def _missing(self, node: Mapping[str, Any], faults: list[Fault], path: list[Step]) -> None:
        """A structure that is left out is an empty one to the server, which then asks for what it needs in it."""
        name, found = self._resolved(node)
        if found.get("properties") and name != _SELECTOR:
            self._checked({}, node, faults, path)
        else:
            faults.append(Fault(REQUIRED, steps=list(reversed(path))))


def _typed(value: Any, wanted: str, form: str, path: tuple[Step, ...]) -> None:
    what = kind_of(value)
    if wanted in _GO:
        if what != wanted:
            raise _wrong(value, _GO[wanted], path)
        if form == "byte" and not _is_base64(value):
            raise _Undecodable("illegal base64 data", path)
    elif wanted == "integer":
        bits = _BITS.get(form, 63)
        if what != "integer" or not -(2**bits) <= value < 2**bits:
            raise _wrong(value, form or "int64", path)
    elif wanted == "number" and what not in ("integer", "number"):
        raise _wrong(value, "float64", path)


def _wrong(value: Any, wanted: str, path: tuple[Step, ...]) -> _Undecodable:
    what = {"integer": "number", "boolean": "bool"}.get(kind_of(value), kind_of(value))
    shown = f"{what} {go_json(value)}" if what == "number" and wanted.startswith(("int", "float")) else what
    where = written(path, dotted=True)
    return _Undecodable(f"json: cannot unmarshal {shown} into Go struct field {where} of type {wanted}", path)


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _special(value: Any, name: str, path: tuple[Step, ...]) -> None:
    what = kind_of(value)
    if name == _QUANTITY:
        if what not in ("string", "integer", "number") or (what == "string" and amount(value) is None):
            form = "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            raise _Undecodable(f"quantities must match the regular expression {form}", path)
    elif name == _EITHER:
        if what not in ("string", "integer") or (what == "integer" and not -(2**31) <= value < 2**31):
            raise _wrong(value, "int32", path)
    elif what != "string":
        raise _wrong(value, "string", path)
    elif name == _DURATION:
        if go_duration(value) is None:
            raise _Undecodable(f'time: invalid duration "{value}"', path)
    elif not is_datetime(value):
        raise _Undecodable(
            f'parsing time "{value}" as "2006-01-02T15:04:05Z07:00": cannot parse "{value}" as "2006"', path
        )
