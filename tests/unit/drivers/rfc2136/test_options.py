"""Options of `rfc2136`: what is refused before anything runs."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ephemeral_castle.drivers.rfc2136.options import Rfc2136Options
from ephemeral_castle.spi.names import TsigKey, split_server
from ephemeral_castle.spi.options import read_options
from ephemeral_castle.spi.secret import Secret

GOOD: dict[str, Any] = {
    "server": "127.0.0.1:5353", "zone": "castle.example", "key": "dns/tsig", "records": {"blog": "edge"},
}  # fmt: skip


def test_four_keys_are_enough() -> None:
    options = read_options(Rfc2136Options, GOOD)
    assert (options.ttl, options.lowered_ttl, options.secondaries, options.maintenance) == (60, 5, [], "")


@pytest.mark.parametrize(
    "wrong",
    [
        {"server": "http://ns1"}, {"server": "ns1:0"}, {"server": "ns1:99999"}, {"server": ""},
        {"zone": "Castle.example"}, {"zone": "-a.example"}, {"zone": "a..b"}, {"zone": ""},
        {"records": {}}, {"records": {"*": "edge"}}, {"records": {"blog.castle.example.": "edge"}},
        {"records": {"a b": "edge"}}, {"ttl": "500ms"}, {"ttl": "0s"}, {"ttl": "30d"}, {"ttl": 60},
        {"maintenance": "page.example"}, {"key": "hmac-sha256:castle:c2VjcmV0"}, {"secondaries": ["a b"]},
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        read_options(Rfc2136Options, {**GOOD, **wrong})


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("ns1.example.org", "ns1.example.org", 53),
        ("10.0.0.1:5353", "10.0.0.1", 5353),
        ("[::1]", "::1", 53),
        ("[2001:db8::1]:54", "2001:db8::1", 54),
    ],
)
def test_servers(text: str, host: str, port: int) -> None:
    assert split_server(text) == (host, port)


def test_a_key_is_read() -> None:
    key = TsigKey.parse(Secret("HMAC-SHA256:Castle.:c2VjcmV0\n"))
    assert (key.algorithm, key.name, key.secret.reveal()) == ("hmac-sha256", "castle", "c2VjcmV0")
    assert "c2VjcmV0" not in repr(key)


@pytest.mark.parametrize("text", ["c2VjcmV0", "hmac-sha1024:a:c2VjcmV0", "hmac-sha256:a b:c2VjcmV0", "hmac-sha256:a:§",
                                  "hmac-sha256:a:", "hmac-sha256::c2VjcmV0", "hmac-sha256:a:c2VjcmV0:x"])  # fmt: skip
def test_what_is_no_key_is_told_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        TsigKey.parse(Secret(text))
    assert "c2VjcmV0" not in str(caught.value)
