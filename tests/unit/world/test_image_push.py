"""A registry is asked for an image before it is handed one."""

from __future__ import annotations

import httpx
import pytest

from ephemeral_castle.errors import Denied, Unreachable
from ephemeral_castle.world import image_push, registry

NAME = "localhost/castle-postgres:9463473bc19b"


def answering(status: int) -> tuple[httpx.MockTransport, list[httpx.Request]]:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(status)

    return httpx.MockTransport(answer), asked


@pytest.mark.parametrize(("status", "there"), [(200, True), (404, False), (401, False)])
async def test_a_manifest_is_there_or_not(status: int, there: bool) -> None:
    transport, asked = answering(status)
    assert await image_push.has("127.0.0.1:5000", NAME, transport) is there
    assert str(asked[0].url) == "http://127.0.0.1:5000/v2/castle-postgres/manifests/9463473bc19b"
    assert asked[0].method == "HEAD"


async def test_a_registry_elsewhere_is_asked_by_tls() -> None:
    transport, asked = answering(200)
    await image_push.has("registry.example.org", NAME, transport)
    assert asked[0].url.scheme == "https"


async def test_a_registry_that_is_broken_has_not_said_no() -> None:
    transport, _ = answering(503)
    with pytest.raises(Unreachable):
        await image_push.has("127.0.0.1:5000", NAME, transport)
    with pytest.raises(Unreachable):
        await image_push.has("127.0.0.1:1", NAME)


@pytest.mark.parametrize(
    ("at", "plain"),
    [("127.0.0.1:5000", True), ("localhost:5000", True), ("127.0.0.1", True), ("10.89.77.1:5000", False),
     ("registry.example.org", False), ("127.0.0.1.example.org:5000", False)],
)  # fmt: skip
def test_plain_text_goes_to_the_own_loopback_only(at: str, plain: bool) -> None:
    assert image_push.plain(at) is plain
    assert ("--tls-verify=false" in image_push.words(at, NAME)) is plain


def test_a_refusal_names_the_registry() -> None:
    error = registry.refusal(NAME, "unauthorized: authentication required", to="registry.example.org")
    assert isinstance(error, Denied)
    assert "handed to registry registry.example.org" in error.message
