"""The functions that Kubernetes adds to CEL, for cel-cpp.

The library hands only plain values to Python, so what has a type of its own in the server (a quantity, an address) is
a map here, in a canonical form: equal ones are equal maps.

Source: package library of k8s.io/apiserver 0.36, `ext.Sets` of cel-go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from itertools import pairwise
from typing import Any, Final
from urllib.parse import parse_qs, unquote

from ephemeral_castle.manifests.schemas import names, patterns, urls
from ephemeral_castle.manifests.schemas.amounts import amount
from ephemeral_castle.manifests.schemas.formats import FORMATS

Value = Mapping[str, Any]

_SEMVER: Final = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?\Z"
)


def _quantity(text: str) -> Value:
    found = amount(text)
    if found is None:
        raise ValueError(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            if re.search(r"[^0-9.+\-eEinumkKMGTP]", text) or not text
            else "unable to parse quantity's suffix"
        )
    return {"@quantity": str(found)}


def _as_amount(value: Value) -> Fraction:
    if "@quantity" not in value:
        raise TypeError("no such overload")
    return Fraction(value["@quantity"])


def _added(sign: int) -> Callable[[Value, Any], Value]:
    def add(one: Value, other: Any) -> Value:
        more = Fraction(other) if isinstance(other, int) else _as_amount(other)
        return {"@quantity": str(_as_amount(one) + sign * more)}

    return add


def _semver_key(text: str) -> Value | None:
    found = _SEMVER.match(text)
    return {"@semver": text.partition("+")[0], "n": [int(found[each]) for each in (1, 2, 3)]} if found else None


def _semver_says(text: str) -> str:
    parts = text.split(".", 2)
    if len(parts) != 3:
        return "No Major.Minor.Patch elements found"
    for name, part in zip(("major", "minor", "patch"), (*parts[:2], re.split(r"[-+]", parts[2])[0]), strict=True):
        if re.search(r"[^0-9]", part):
            return f'Invalid character(s) found in {name} number "{part}"'
        if len(part) > 1 and part[0] == "0":
            return f'{name.capitalize()} number must not contain leading zeroes "{part}"'
    return f'Invalid character(s) found in prerelease "{text}"'


def _semver(text: str) -> Value:
    found = _semver_key(text)
    if found is None:
        raise ValueError(_semver_says(text))
    return found


def _compared(one: Value, other: Value) -> int:
    if "@quantity" in one and "@quantity" in other:
        left, right = _as_amount(one), _as_amount(other)
        return (left > right) - (left < right)
    if "@semver" not in one or "@semver" not in other:
        raise TypeError("no such overload")
    if one["n"] != other["n"]:
        return 1 if one["n"] > other["n"] else -1
    return _prerelease(one["@semver"].partition("-")[2], other["@semver"].partition("-")[2])


def _prerelease(one: str, other: str) -> int:
    if not one or not other:
        return (not one) - (not other)
    left, right = (
        [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in each.split(".")] for each in (one, other)
    )
    return (left > right) - (left < right)


def _url(text: str) -> Value:
    try:
        found = urls.request(text)
    except urls.BadUrlError as error:
        raise ValueError(f"URL parse error during conversion from string: {error}") from None
    return {
        "@url": text,
        "scheme": found.scheme,
        "host": found.host,
        "hostname": found.hostname,
        "port": found.port,
        "path": found.path,
        "query": found.query,
    }


def _query(value: Value) -> Value:
    return {unquote(key): each for key, each in parse_qs(value["query"], keep_blank_values=True).items()}


def _address(text: str) -> IPv4Address | IPv6Address:
    if "%" in text:
        raise ValueError(f'IP Address "{text}" with zone value is not allowed')
    try:
        found = ip_address(text)
    except ValueError:
        raise ValueError(
            f'IP Address "{text}" parse error during conversion from string: ParseAddr("{text}"): unable to parse IP'
        ) from None
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        raise ValueError(f'IPv4-mapped IPv6 address "{text}" is not allowed')
    return found


def _network(text: str) -> Any:
    address, slash, bits = text.partition("/")
    says = "network address parse error during conversion from string"
    if not slash or not re.match(r"(0|[1-9][0-9]{0,2})\Z", bits):
        why = "bad bits after slash" if slash else "no '/'"
        raise ValueError(f'{says}: {says}: netip.ParsePrefix("{text}"): {why}')
    _address(address)
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f'{says}: {says}: netip.ParsePrefix("{text}"): prefix length out of range') from None


def _ip(text: str) -> Value:
    return {"@ip": str(_address(text))}


def _cidr(text: str) -> Value:
    _network(text)
    return {"@cidr": text}


def _contains_ip(value: Value, other: Any) -> bool:
    address = _address(other if isinstance(other, str) else other["@ip"])
    network = _network(value["@cidr"])
    return bool(address.version == network.version and address in network)


def _contains_cidr(value: Value, other: Any) -> bool:
    network, inner = _network(value["@cidr"]), _network(other if isinstance(other, str) else other["@cidr"])
    return bool(network.version == inner.version and inner.subnet_of(network))


def _holds(check: Callable[[str], object]) -> Callable[[str], bool]:
    def holds(text: str) -> bool:
        try:
            check(text)
        except ValueError:
            return False
        return True

    return holds


def _find(text: str, pattern: str) -> str:
    return next(iter(_find_all(text, pattern, 1)), "")


def _find_all(text: str, pattern: str, most: int = -1) -> list[str]:
    library = patterns.engine()
    if library is None:
        raise ValueError("Unimplemented: no RE2 here")
    try:
        found = [each.group(0) for each in library.compile(pattern).finditer(text)]
    except library.error as error:
        raise ValueError(f"Illegal regex: {error}") from None
    return found if most < 0 else found[:most]


_FORMAT_RULES: Final[Mapping[str, Callable[[str], list[str]]]] = {
    "dns1123Label": names.dns1123_label,
    "dns1123Subdomain": names.dns1123_subdomain,
    "dns1035Label": names.dns1035_label,
    "qualifiedName": names.qualified,
    "dns1123LabelPrefix": lambda text: names.completed(names.dns1123_label)(text, True),
    "dns1123SubdomainPrefix": lambda text: names.completed(names.dns1123_subdomain)(text, True),
    "dns1035LabelPrefix": lambda text: names.completed(names.dns1035_label)(text, True),
    "labelValue": names.label_value,
    "uri": lambda text: [] if FORMATS["uri"](text) else ["invalid URI for request"],
    "uuid": lambda text: [] if FORMATS["uuid"](text) else ["does not match the UUID format"],
    "byte": lambda text: [] if FORMATS["byte"](text) else ["invalid base64"],
    "date": lambda text: [] if FORMATS["date"](text) else ["invalid date"],
    "datetime": lambda text: [] if FORMATS["datetime"](text) else ["invalid datetime"],
}


def _formatted(name: str, text: str) -> list[str]:
    return _FORMAT_RULES[name](text)


def _extreme(choose: Callable[[Sequence[Any]], Any], name: str) -> Callable[[Sequence[Any]], Any]:
    def extreme(values: Sequence[Any]) -> Any:
        if not values:
            raise ValueError(f"{name} called on empty list")
        return choose(values)

    return extreme


def _flat(values: Sequence[Any]) -> list[Any]:
    return [inner for each in values for inner in (each if isinstance(each, list) else [each])]


def _distinct(values: Sequence[Any]) -> list[Any]:
    out: list[Any] = []
    out.extend(each for each in values if each not in out)
    return out


def functions(cel: Any) -> list[Any]:
    """The declarations, for the library that is handed in."""
    kinds = cel.Type
    text, whole, yes, any_, real = kinds.STRING, kinds.INT, kinds.BOOL, kinds.DYN, kinds.DOUBLE
    made, many = kinds.Map(text, any_), kinds.List(any_)
    declared: dict[str, list[Any]] = {}

    def of(name: str, gives: Any, takes: list[Any], does: Callable[..., Any], *, member: bool = True) -> None:
        overloads = declared.setdefault(name, [])
        overloads.append(cel.Overload(f"{name}_{len(overloads)}", gives, takes, is_member=member, impl=does))

    def call(name: str, gives: Any, takes: list[Any], does: Callable[..., Any]) -> None:
        of(name, gives, takes, does, member=False)

    for name, does in (("quantity", _quantity), ("url", _url), ("ip", _ip), ("cidr", _cidr), ("semver", _semver)):
        call(name, made, [text], does)
    checks: dict[str, Callable[[str], object]] = {
        "isQuantity": _quantity,
        "isURL": _url,
        "isIP": _address,
        "isCIDR": _network,
        "isSemver": _semver,
    }
    for name, check in checks.items():
        call(name, yes, [text], _holds(check))
    of("sign", whole, [made], lambda one: (_as_amount(one) > 0) - (_as_amount(one) < 0))
    of("isInteger", yes, [made], lambda one: _as_amount(one).denominator == 1 and abs(_as_amount(one)) < 2**63)
    of("asInteger", whole, [made], _as_integer)
    of("asApproximateFloat", real, [made], lambda one: float(_as_amount(one)))
    of("compareTo", whole, [made, made], _compared)
    of("isGreaterThan", yes, [made, made], lambda one, other: _compared(one, other) > 0)
    of("isLessThan", yes, [made, made], lambda one, other: _compared(one, other) < 0)
    for name, sign in (("add", 1), ("sub", -1)):
        of(name, made, [made, made], _added(sign))
        of(name, made, [made, whole], _added(sign))
    for at, name in enumerate(("major", "minor", "patch")):
        of(name, whole, [made], lambda one, at=at: one["n"][at])
    for name, key in (
        ("getScheme", "scheme"),
        ("getHost", "host"),
        ("getHostname", "hostname"),
        ("getPort", "port"),
        ("getEscapedPath", "path"),
    ):
        of(name, text, [made], lambda one, key=key: one[key])
    of("getQuery", made, [made], _query)
    _addresses(of, call, (text, whole, yes, made))
    of("find", text, [text, text], _find)
    of("findAll", many, [text, text], _find_all)
    of("findAll", many, [text, text, whole], _find_all)
    call("castle.formatted", many, [text, text], _formatted)
    _collections(of, call, (whole, yes, any_, many))
    return [cel.FunctionDecl(name, overloads) for name, overloads in declared.items()]


def _as_integer(value: Value) -> int:
    found = _as_amount(value)
    if found.denominator != 1 or abs(found) >= 2**63:
        raise ValueError("cannot convert value to integer")
    return int(found)


def _addresses(of: Callable[..., None], call: Callable[..., None], kinds: tuple[Any, ...]) -> None:
    text, whole, yes, made = kinds
    call("ip.isCanonical", yes, [text], lambda one: str(_address(one)) == one)
    of("family", whole, [made], lambda one: _address(one["@ip"]).version)
    for name, does in (
        ("isUnspecified", lambda one: one.is_unspecified),
        ("isLoopback", lambda one: one.is_loopback),
        ("isLinkLocalMulticast", lambda one: one in ip_network("224.0.0.0/24" if one.version == 4 else "ff02::/16")),
        ("isLinkLocalUnicast", lambda one: one.is_link_local),
        (
            "isGlobalUnicast",
            lambda one: not (one.is_unspecified or one.is_loopback or one.is_multicast or one.is_link_local),
        ),
    ):
        of(name, yes, [made], lambda one, does=does: bool(does(_address(one["@ip"]))))
    for other in (text, made):
        of("containsIP", yes, [made, other], _contains_ip)
        of("containsCIDR", yes, [made, other], _contains_cidr)
    of("ip", made, [made], lambda one: {"@ip": one["@cidr"].partition("/")[0]})
    of("prefixLength", whole, [made], lambda one: _network(one["@cidr"]).prefixlen)
    of("masked", made, [made], lambda one: {"@cidr": str(_network(one["@cidr"]))})


def _collections(of: Callable[..., None], call: Callable[..., None], kinds: tuple[Any, ...]) -> None:
    whole, yes, any_, many = kinds
    of("isSorted", yes, [many], lambda one: all(left <= right for left, right in pairwise(one)))
    of("sum", any_, [many], sum)
    of("min", any_, [many], _extreme(min, "min"))
    of("max", any_, [many], _extreme(max, "max"))
    of("flatten", many, [many], _flat)
    of("distinct", many, [many], _distinct)
    of("sort", many, [many], sorted)
    of("slice", many, [many, whole, whole], lambda one, begin, end: one[begin:end])
    call("sets.contains", yes, [many, many], lambda one, other: all(each in one for each in other))
    call("sets.intersects", yes, [many, many], lambda one, other: any(each in one for each in other))
    call(
        "sets.equivalent",
        yes,
        [many, many],
        lambda one, other: all(each in one for each in other) and all(each in other for each in one),
    )
