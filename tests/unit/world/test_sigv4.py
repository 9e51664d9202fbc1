"""AWS's published examples: S3 API Reference, "Signature Calculations for the Authorization Header", single chunk."""

import hashlib
from datetime import UTC, datetime

import pytest

from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.world.sigv4 import (
    EMPTY_PAYLOAD,
    Credentials,
    Request,
    Scope,
    canonical_request,
    encode_path,
    encode_query,
    sign,
)

EXAMPLE = Credentials("AKIAIOSFODNN7EXAMPLE", Secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"))
MAY_24 = datetime(2013, 5, 24, tzinfo=UTC).timestamp()
HOST = {"host": "examplebucket.s3.amazonaws.com"}

GET = Request("GET", encode_path("/test.txt"), "", {**HOST, "Range": "bytes=0-9"})
PUT = Request(
    "PUT",
    encode_path("/test$file.text"),
    "",
    {**HOST, "Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
    b"Welcome to Amazon S3.",
)
LIFECYCLE = Request("GET", "/", encode_query([("lifecycle", "")]), HOST)
LIST = Request("GET", "/", encode_query([("prefix", "J"), ("max-keys", "2")]), HOST)


@pytest.mark.parametrize(
    ("request_", "canonical", "signature"),
    [
        (
            GET,
            "7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            PUT,
            "9e0e90d9c76de8fa5b200d8c849cd5b8dc7a3be3951ddb7f6a76b4158342019d",
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            LIFECYCLE,
            "9766c798316ff2757b517bc739a67f6213b4ab36dd5da2f94eaebf79c77395ca",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            LIST,
            "df57d21db20da04d7fa30298dd4488ba3a2b47ca3a489c74750e0f1e7df1b9b7",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
    ids=["get", "put", "lifecycle", "list"],
)
def test_published_example(request_, canonical, signature):
    headers = sign(request_, EXAMPLE, Scope("us-east-1"), MAY_24)
    complete = {**request_.headers, **{k: v for k, v in headers.items() if k.startswith("x-amz-")}}
    text, signed = canonical_request(Request(request_.method, request_.path, request_.query, complete, request_.body))
    assert hashlib.sha256(text.encode()).hexdigest() == canonical
    assert headers["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        f"SignedHeaders={signed}, Signature={signature}"
    )
    assert headers["x-amz-date"] == "20130524T000000Z"


def test_the_payload_is_part_of_the_signature():
    assert GET.payload_hash == EMPTY_PAYLOAD
    changed = Request(PUT.method, PUT.path, PUT.query, PUT.headers, b"Welcome to Amazon S4.")
    one, other = (sign(r, EXAMPLE, Scope("us-east-1"), MAY_24)["authorization"] for r in (PUT, changed))
    assert one != other


def test_the_key_is_derived_for_day_and_region():
    signatures = {
        sign(GET, EXAMPLE, Scope(region), MAY_24 + days * 86400)["authorization"].rpartition("=")[2]
        for region in ("us-east-1", "eu-central-1")
        for days in (0, 1)
    }
    assert len(signatures) == 4


def test_encoding():
    assert encode_path("/a b/c+d/ü~_-.%2F") == "/a%20b/c%2Bd/%C3%BC~_-.%252F"
    assert encode_query([("b", "2 3/4"), ("a", ""), ("a", "1")]) == "a=&a=1&b=2%203%2F4"
    text, signed = canonical_request(Request("GET", "/", "", {"X-B": " two   words ", "host": "h"}))
    assert "host:h\nx-b:two words\n" in text
    assert signed == "host;x-b"
