"""Options of `certificates`: what is refused before anything runs."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ephemeral_castle.drivers.certificates.options import CertificatesOptions
from ephemeral_castle.spi.options import read_options

DNS: dict[str, Any] = {"server": "127.0.0.1:5353", "zone": "castle.example", "key": "dns/tsig"}
ACME: dict[str, Any] = {"directory": "https://ca.example/dir", "dns": DNS}
NAMES = ["blog.castle.example"]


def test_names_are_enough() -> None:
    options = read_options(CertificatesOptions, {"names": NAMES})
    assert (options.issuer, options.acme, options.renew_before) == ("own", None, 21 * 86400.0)


def test_a_ca_by_acme() -> None:
    options = read_options(CertificatesOptions, {"names": ["*.castle.example", *NAMES], "issuer": ACME})
    assert options.acme is not None
    assert (options.acme.timeout, options.acme.ca, options.acme.dns.secondaries) == (120.0, "", [])


@pytest.mark.parametrize(
    "wrong",
    [
        {"names": []}, {"names": ["10.0.0.1"]}, {"names": ["::1"]}, {"names": ["*"]}, {"names": ["a.*.example"]},
        {"names": ["Blog.example"]}, {"names": ["blog.example."]}, {"names": [*NAMES, *NAMES]}, {"names": ["a b"]},
        {"names": NAMES, "issuer": "letsencrypt"}, {"names": NAMES, "issuer": {"directory": "https://ca.example"}},
        {"names": NAMES, "issuer": {**ACME, "directory": "http://ca.example/dir"}},
        {"names": NAMES, "issuer": {**ACME, "contact": "castle"}},
        {"names": NAMES, "issuer": {**ACME, "dns": {**DNS, "server": "http://ns"}}},
        {"names": ["blog.other.example"], "issuer": ACME}, {"names": ["xcastle.example"], "issuer": ACME},
        {"names": NAMES, "renew_before": "1m"}, {"names": NAMES, "renew_before": "800d"}, {"names": NAMES, "key": "x"},
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        read_options(CertificatesOptions, wrong)
