"""Rules for names, labels and annotations, with the sentences of the API server.

Source: packages validation and content of k8s.io/apimachinery 0.36.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

# What is wrong with a name; `prefix`: it is the beginning of a name that the server completes.
NameRule = Callable[[str, bool], list[str]]

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = rf"{_LABEL}(\.{_LABEL})*"
_DNS1035: Final = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_is_label = re.compile(_LABEL + r"\Z").match
_is_subdomain = re.compile(_SUBDOMAIN + r"\Z").match
_is_dns1035 = re.compile(_DNS1035 + r"\Z").match
_is_qualified = re.compile(_QUALIFIED + r"\Z").match
_QUALIFIED_SAYS: Final = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    f"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_QUALIFIED}')"
)


def _long(name: str, most: int, unit: str = "characters") -> list[str]:
    return [f"must be no more than {most} {unit}"] if len(name.encode(errors="replace")) > most else []


def dns1123_label(name: str) -> list[str]:
    """One part of a host name, at most 63 characters."""
    faults = _long(name, 63)
    if not _is_label(name):
        faults.append(
            "must not contain dots"
            if _is_subdomain(name)
            else "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
            "and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
            f"'{_LABEL}')"
        )
    return faults


def dns1123_subdomain(name: str, unit: str = "characters") -> list[str]:
    """A host name, at most 253 characters: what nearly every object may be called."""
    faults = _long(name, 253, unit)
    if not _is_subdomain(name):
        faults.append(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
            "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
            f"'{_SUBDOMAIN}')"
        )
    return faults


def dns1035_label(name: str) -> list[str]:
    """One part of a host name that begins with a letter: what a kind or an old Service may be called."""
    faults = _long(name, 63)
    if not _is_dns1035(name):
        faults.append(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
            "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "
            f"validation is '{_DNS1035}')"
        )
    return faults


def path_segment(name: str) -> list[str]:
    """What can stand in a path of the API at all: the rule for RBAC and a few others."""
    if name in (".", ".."):
        return [f"may not be '{name}'"]
    return [f"may not contain '{each}'" for each in ("/", "%") if each in name]


def qualified(name: str) -> list[str]:
    """The key of a label or, in lower case, of an annotation."""
    parts = name.split("/")
    if len(parts) > 2:
        prefixed = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return [f"a valid label key {_QUALIFIED_SAYS} {prefixed}"]
    faults = []
    if len(parts) == 2:
        prefix = parts[0]
        faults += [
            f"prefix part {each}" for each in (dns1123_subdomain(prefix, "bytes") if prefix else ["must be non-empty"])
        ]
    last = parts[-1]
    if not last:
        faults.append("name part must be non-empty")
    faults += [f"name part {each}" for each in _long(last, 63, "bytes")]
    if not _is_qualified(last):
        faults.append(f"name part {_QUALIFIED_SAYS}")
    return faults


def label_value(value: str) -> list[str]:
    """The value of a label."""
    faults = _long(value, 63, "bytes")
    if value and not _is_qualified(value):
        faults.append(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
            "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
            f"validation is '({_QUALIFIED})?')"
        )
    return faults


def config_key(key: str) -> list[str]:
    """A key of a ConfigMap's or a Secret's data."""
    faults = _long(key, 253)
    if not re.match(r"[-._a-zA-Z0-9]+\Z", key):
        faults.append(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
            "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
        )
    if key in (".", ".."):
        faults.append(f"must not be '{key}'")
    elif key.startswith(".."):
        faults.append("must not start with '..'")
    return faults


def completed(rule: Callable[[str], list[str]]) -> NameRule:
    """A rule for names and for their beginnings, of which a last hyphen is forgiven."""

    def judge(name: str, prefix: bool) -> list[str]:  # noqa: FBT001 the shape of NameRule
        if prefix and len(name) > 1 and name.endswith("-"):
            name = name[:-2] + "a"
        return rule(name)

    return judge
