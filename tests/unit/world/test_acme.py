"""The client of ACME: what answers mean, over a network that is played. Real ones: tests/e2e/test_acme.py."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from ephemeral_castle.errors import CastleError, Damaged, Denied, NotFound, Transient, Unreachable
from ephemeral_castle.spi.acme import AcmeAccount, RateLimited
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.world import jose
from ephemeral_castle.world.acme import NONCES, HttpAcme
from ephemeral_castle.world.simulated import ManualClock

URL = "https://ca.example"
DIRECTORY = {"newNonce": f"{URL}/nonce", "newAccount": f"{URL}/account", "newOrder": f"{URL}/order", "meta": {}}
KEY = ec.generate_private_key(ec.SECP256R1())
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
ACCOUNT = AcmeAccount(f"{URL}/dir", "", Secret(PEM), f"{URL}/account/1")
ORDER = {"status": "pending", "identifiers": [{"type": "dns", "value": "a.example"}], "authorizations": [f"{URL}/z/1"],
         "finalize": f"{URL}/f/1"}  # fmt: skip


def problem(kind: str, status: int, **headers: str) -> httpx.Response:
    body = {"type": f"urn:ietf:params:acme:error:{kind}", "detail": f"detail of {kind}", "status": status}
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json", **headers})


class Ca:
    """Answers as told; keeps what was asked."""

    def __init__(self, answer: Callable[[int], httpx.Response]) -> None:
        self.answer = answer
        self.posts: list[dict[str, Any]] = []
        self.nonces = 0
        self.client = HttpAcme(ManualClock(), httpx.MockTransport(self.play))

    def play(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/dir":
            return httpx.Response(200, json=DIRECTORY, headers={"date": "Sun, 06 Nov 1994 08:49:37 GMT"})
        if request.url.path == "/nonce":
            self.nonces += 1
            return httpx.Response(200, headers={"replay-nonce": f"fresh-{self.nonces}"})
        self.posts.append(json.loads(request.content))
        return self.answer(len(self.posts))

    def head(self, post: int) -> dict[str, Any]:
        text = self.posts[post]["protected"]
        found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return found


def ordered(_post: int) -> httpx.Response:
    return httpx.Response(201, json=ORDER, headers={"location": f"{URL}/o/1", "replay-nonce": "next"})


async def test_a_request_is_signed_by_the_accounts_key() -> None:
    ca = Ca(ordered)
    order = await ca.client.order(ACCOUNT, ["a.example"])
    assert (order.url, order.status, order.names) == (f"{URL}/o/1", "pending", ("a.example",))
    assert ca.head(0) == {"alg": "ES256", "nonce": "fresh-1", "url": f"{URL}/order", "kid": ACCOUNT.url}
    post = ca.posts[0]
    raw = base64.urlsafe_b64decode(post["signature"] + "==")
    signature = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    KEY.public_key().verify(signature, f"{post['protected']}.{post['payload']}".encode(), ec.ECDSA(hashes.SHA256()))


async def test_the_nonce_of_an_answer_is_used_next() -> None:
    ca = Ca(ordered)
    await ca.client.order(ACCOUNT, ["a.example"])
    await ca.client.read(ACCOUNT, f"{URL}/o/1")
    assert ca.head(1)["nonce"] == "next"
    assert ca.posts[1]["payload"] == ""
    assert ca.nonces == 1


async def test_a_bad_nonce_is_tried_again_with_the_new_one() -> None:
    ca = Ca(lambda post: ordered(post) if post > 2 else problem("badNonce", 400, **{"replay-nonce": f"new-{post}"}))
    await ca.client.order(ACCOUNT, ["a.example"])
    assert [ca.head(post)["nonce"] for post in range(3)] == ["fresh-1", "new-1", "new-2"]


async def test_nonces_that_are_never_good_end() -> None:
    ca = Ca(lambda post: problem("badNonce", 400))
    with pytest.raises(Transient):
        await ca.client.order(ACCOUNT, ["a.example"])
    assert len(ca.posts) == NONCES


@pytest.mark.parametrize(
    ("answer", "error", "word"),
    [
        (problem("rateLimited", 429, **{"retry-after": "3600"}), RateLimited, "detail of rateLimited"),
        (problem("serverInternal", 500), Transient, "serverInternal"),
        (problem("malformed", 404), NotFound, "malformed"),
        (problem("unauthorized", 403), Denied, "unauthorized"),
        (problem("rejectedIdentifier", 400), Denied, "rejectedIdentifier"),
        (httpx.Response(503, text="<html>"), Transient, "status 503"),
        (httpx.Response(400, text="[]", headers={"content-type": "application/json"}), Denied, "status 400"),
    ],
)
async def test_what_a_no_means(answer: httpx.Response, error: type[CastleError], word: str) -> None:
    with pytest.raises(error) as caught:
        await Ca(lambda post: answer).client.order(ACCOUNT, ["a.example"])
    assert word in caught.value.why


@pytest.mark.parametrize("after", ["3600", "Tue, 14 Nov 2023 23:13:20 GMT"])
async def test_a_limit_says_until_when(after: str) -> None:
    with pytest.raises(RateLimited) as caught:
        await Ca(lambda post: problem("rateLimited", 429, **{"retry-after": after})).client.order(ACCOUNT, ["a.b"])
    assert caught.value.until == 1_700_000_000.0 + 3600


async def test_the_directory_tells_the_time() -> None:
    assert (await Ca(ordered).client.directory(f"{URL}/dir", "")).now == 784111777.0


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(200, json={"newNonce": "http://plain"}), Denied),
        (httpx.Response(200, text="hello"), Denied),
        (httpx.Response(404, text=""), Denied),
        (httpx.Response(502, text=""), Transient),
        (httpx.Response(302, headers={"location": "https://elsewhere.example"}), Denied),
    ],
)
async def test_what_is_no_directory(answer: httpx.Response, error: type[CastleError]) -> None:
    client = HttpAcme(ManualClock(), httpx.MockTransport(lambda request: answer))
    with pytest.raises(error):
        await client.directory(f"{URL}/dir", "")


async def test_silence_is_unreachable() -> None:
    def silent(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused")

    with pytest.raises(Unreachable):
        await HttpAcme(ManualClock(), httpx.MockTransport(silent)).directory(f"{URL}/dir", "")


async def test_an_authority_that_points_to_plain_http_is_not_followed() -> None:
    with pytest.raises(Denied):
        await Ca(ordered).client.read(ACCOUNT, "http://ca.example/o/1")


async def test_an_account_is_told_by_its_key_and_the_answers_place() -> None:
    made = httpx.Response(201, json={"status": "valid"}, headers={"location": f"{URL}/account/7"})
    ca = Ca(lambda post: made)
    found = await ca.client.enter(AcmeAccount(f"{URL}/dir", "", Secret(PEM)), "a@b.example")
    assert found.url == f"{URL}/account/7"
    assert "kid" not in ca.head(0)
    assert ca.head(0)["jwk"]["crv"] == "P-256"
    assert "d" not in ca.head(0)["jwk"]


async def test_another_contact_is_told() -> None:
    known = httpx.Response(200, json={"contact": ["mailto:old@b.example"]}, headers={"location": f"{URL}/account/7"})
    ca = Ca(lambda post: known)
    await ca.client.enter(AcmeAccount(f"{URL}/dir", "", Secret(PEM)), "new@b.example")
    assert ca.head(1)["url"] == f"{URL}/account/7"


async def test_an_authorization_without_an_answer_by_the_dns() -> None:
    body = {
        "identifier": {"type": "dns", "value": "a.example"},
        "status": "pending",
        "challenges": [{"type": "http-01"}],
    }
    proof = await Ca(lambda post: httpx.Response(200, json=body)).client.proof(ACCOUNT, f"{URL}/z/1")
    assert (proof.name, proof.challenge, proof.text) == ("a.example", "", "")


def test_the_text_of_an_answer() -> None:
    """Computed a second time, from RFC 8555 section 8.4 and RFC 7638."""
    numbers = KEY.public_key().public_numbers()

    def b64(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    x, y = b64(numbers.x.to_bytes(32, "big")), b64(numbers.y.to_bytes(32, "big"))
    thumbprint = b64(hashlib.sha256(f'{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'.encode()).digest())
    assert jose.dns_text(PEM, "token") == b64(hashlib.sha256(f"token.{thumbprint}".encode()).digest())


def test_a_key_that_is_none_is_not_quoted() -> None:
    with pytest.raises(Damaged) as caught:
        jose.key_of("top secret")
    assert "top secret" not in str(caught.value.as_dict())
