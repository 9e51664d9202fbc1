"""Formats of strings that the API server checks in a CRD; it ignores all others.

Source: `supportedVersionedFormats` of k8s.io/apiextensions-apiserver 0.36, package strfmt of k8s.io/kube-openapi.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from datetime import date
from typing import Final
from unicodedata import category

from ephemeral_castle.manifests.schemas import durations, urls

Holds = Callable[[str], bool]

_DATE: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z"
_TIME: Final = r"([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|[+-][0-9]{2}:[0-9]{2})\Z"
_LABEL: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z"
_BASE64: Final = r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})\Z"
_MAC: Final = (
    r"(?:[0-9a-fA-F]{2}([:-]))(?:[0-9a-fA-F]{2}\1){4}(?:(?:[0-9a-fA-F]{2}\1){2}(?:(?:[0-9a-fA-F]{2}\1){12})?)?"
    r"[0-9a-fA-F]{2}\Z|[0-9a-fA-F]{4}\.(?:[0-9a-fA-F]{4}\.)(?:(?:[0-9a-fA-F]{4}\.)(?:(?:[0-9a-fA-F]{4}\.){6})?)?"
    r"[0-9a-fA-F]{4}\Z"
)
_CARD: Final = (
    r"(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|(222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"
    r"|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35[0-9]{3})[0-9]{11}"
    r"|6[27][0-9]{14})\Z"
)
_SPACES: Final = r"[\s-]+"


def _of(pattern: str, flags: int = 0) -> Holds:
    whole = pattern + r"\Z"
    return lambda text: re.match(whole, text, flags | re.ASCII) is not None


def is_date(text: str) -> bool:
    """A full date of RFC 3339."""
    if not re.match(_DATE, text):
        return False
    year, month, day = (int(each) for each in text.split("-"))
    try:
        date(year or 4, month, day)  # the year 0 is a leap year, and Python's first is 1
    except ValueError:
        return False
    return True


def is_datetime(text: str) -> bool:
    """A date and time of RFC 3339, as strictly as the server: seconds to 59, any character before a fraction."""
    day, mark, rest = text.lower().partition("t")
    found = re.match(_TIME, rest.split("t")[0]) if mark and is_date(day) else None
    return bool(found) and found[1] <= "23" and found[2] <= "59" and found[3] <= "59" if found else False


def _ipv4(text: str) -> bool:
    """Leading zeros are let through, as the server does."""
    parts = text.split(".")
    plain = all(each.isascii() and each.isdigit() and len(each) <= 4 and int(each) < 256 for each in parts)
    return (len(parts) == 4 and plain) or ("." in text and _ipv6(text))


def _ipv6(text: str) -> bool:
    try:
        return ":" in text and "%" not in text and bool(ipaddress.IPv6Address(text))
    except ValueError:
        return False


def _cidr(text: str) -> bool:
    address, slash, bits = text.partition("/")
    if not slash or not bits.isdigit() or not bits.isascii() or len(bits) > 3:
        return False
    return int(bits) <= (32 if ":" not in address else 128) and (_ipv6(address) if ":" in address else _ipv4(address))


def _hostname(text: str) -> bool:
    """Oddly, of the server: a name without dots may have its only hyphen in the second place."""
    *labels, last = text.split(".")
    if len(text.encode(errors="replace")) > 255 or any(
        len(each.encode(errors="replace")) > 63 for each in (*labels, last)
    ):
        return False
    if not labels:
        return bool(text) and _wordy(text[0]) and all(map(_wordy, text[1:].removeprefix("-")))
    inner = all(
        each and _wordy(each[0]) and _wordy(each[-1]) and all(map(_wordy, each.replace("-", ""))) for each in labels
    )
    return inner and len(last) > 1 and all(category(each)[0] == "L" for each in last)


def _wordy(char: str) -> bool:
    """A letter, a symbol, or a digit of ASCII."""
    return (char.isascii() and char.isalnum()) or category(char)[0] in "LS"


def _email(text: str) -> bool:
    """An address as Go's `mail.ParseAddress` takes it: alone or as `Name <address>`."""
    inner = text.strip()
    if inner.endswith(">") and "<" in inner:
        inner = inner[inner.index("<") + 1 : -1]
    local, at, domain = inner.rpartition("@")
    atom = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
    dotted = rf"{atom}(\.{atom})*"
    sides = rf'(?:{dotted}|"[^"\\\r\n]+")\Z', rf"(?:{dotted}|\[[^\]\s]+\])\Z"
    return bool(at) and all(re.match(each, part) for each, part in zip(sides, (local, domain), strict=True))


def _isbn10(text: str) -> bool:
    digits = re.sub(_SPACES, "", text)
    if not re.match(r"(?:[0-9]{9}X|[0-9]{10})\Z", digits):
        return False
    total = sum((at + 1) * (10 if each == "X" else int(each)) for at, each in enumerate(digits))
    return total % 11 == 0


def _isbn13(text: str) -> bool:
    digits = re.sub(_SPACES, "", text)
    if not re.match(r"[0-9]{13}\Z", digits):
        return False
    return sum((3 if at % 2 else 1) * int(each) for at, each in enumerate(digits)) % 10 == 0


def _card(text: str) -> bool:
    digits = re.sub(_SPACES, "", text)
    if not re.match(_CARD, digits):
        return False
    total = 0
    for at, each in enumerate(reversed(digits)):
        doubled = int(each) * (2 if at % 2 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


_HEX = "[0-9a-f]"
_COLOR = r"\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*"

# By the name without hyphens, as the server compares them.
FORMATS: Final[dict[str, Holds]] = {
    "bsonobjectid": _of(r"[0-9a-fA-F]{24}"),
    "uri": urls.is_request,
    "email": _email,
    "hostname": _hostname,
    "ipv4": _ipv4,
    "ipv6": _ipv6,
    "cidr": _cidr,
    "mac": lambda text: re.match(_MAC, text) is not None,
    "uuid": _of(rf"{_HEX}{{8}}-?{_HEX}{{4}}-?{_HEX}{{4}}-?{_HEX}{{4}}-?{_HEX}{{12}}", re.IGNORECASE),
    "uuid3": _of(rf"{_HEX}{{8}}-?{_HEX}{{4}}-?3{_HEX}{{3}}-?{_HEX}{{4}}-?{_HEX}{{12}}", re.IGNORECASE),
    "uuid4": _of(rf"{_HEX}{{8}}-?{_HEX}{{4}}-?4{_HEX}{{3}}-?[89ab]{_HEX}{{3}}-?{_HEX}{{12}}", re.IGNORECASE),
    "uuid5": _of(rf"{_HEX}{{8}}-?{_HEX}{{4}}-?5{_HEX}{{3}}-?[89ab]{_HEX}{{3}}-?{_HEX}{{12}}", re.IGNORECASE),
    "isbn": lambda text: _isbn10(text) or _isbn13(text),
    "isbn10": _isbn10,
    "isbn13": _isbn13,
    "creditcard": _card,
    "ssn": lambda text: len(text) == 11 and _of(r"\d{3}[- ]?\d{2}[- ]?\d{4}")(text),
    "hexcolor": _of(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "rgbcolor": _of(rf"rgb\({_COLOR},{_COLOR},{_COLOR}\)"),
    "byte": lambda text: re.match(_BASE64, text) is not None,
    "password": lambda _: True,
    "date": is_date,
    "duration": durations.is_duration,
    "datetime": is_datetime,
    "k8sshortname": lambda text: len(text) <= 63 and re.match(_LABEL, text) is not None,
    "k8slongname": lambda text: len(text) <= 253 and all(re.match(_LABEL, each) for each in text.split(".")),
}
