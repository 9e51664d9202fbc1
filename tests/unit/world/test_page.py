"""The maintenance page: its one answer, its certificate from memory, its end."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ephemeral_castle.errors import Permanent
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.world.certificates import ensure_certificates
from ephemeral_castle.world.clock import SystemClock
from ephemeral_castle.world.exec import LocalExec
from ephemeral_castle.world.page import response, secured
from ephemeral_castle.world.pages import GatewayPage

HOST = "127.0.0.83"


def test_the_answer_is_503_and_tells_when_to_come_back() -> None:
    head, _, body = response("a<b", 30).decode().partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 503 ")
    assert "Retry-After: 30" in head
    assert f"Content-Length: {len(body.encode())}" in head
    assert "a&lt;b" in body
    assert "<b<" not in body
    assert response("a", 30, body=False).endswith(b"\r\n\r\n")


def test_a_key_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(ssl.SSLError):
        secured("no certificate", "no key")


class Here:
    """An enclosure that is this computer."""

    name, gateway = "here", HOST

    def enter(self, argv: Any) -> list[str]:
        return list(argv)


async def ask(port: int, context: ssl.SSLContext | None, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(
        HOST, port, ssl=context, server_hostname="blog.castle.example" if context else None
    )
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer


def shown(page: GatewayPage) -> bool:
    return page.shown


@pytest.mark.machines
async def test_it_answers_on_both_ports_and_ends_at_its_time(tmp_path: Path) -> None:
    clock = SystemClock()
    files = ensure_certificates(tmp_path / "tls", ["blog.castle.example"], datetime.now(UTC).timestamp())
    page = GatewayPage(LocalExec(), clock, Here(), tmp_path / "run")  # type: ignore[arg-type]
    assert not shown(page)
    await page.end(0)
    await page.show("home", 30, files.chain.read_text(), Secret(files.key.read_text()))
    try:
        assert shown(page)
        trusting = ssl.create_default_context(cafile=str(files.ca))
        for port, context in ((80, None), (443, trusting)):
            answer = await ask(port, context, b"GET / HTTP/1.1\r\nHost: blog.castle.example\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"home" in answer
        assert (await ask(80, None, b"HEAD / HTTP/1.1\r\n\r\n")).endswith(b"\r\n\r\n")
        assert await ask(80, None, b"x" * 40_000 + b"\r\n\r\n") == b""
        assert "PRIVATE" not in "".join(path.read_text() for path in (tmp_path / "run").iterdir())
        with pytest.raises(Permanent):  # its ports are taken: another page in the same place, with pid files of its own
            await GatewayPage(LocalExec(), clock, Here(), tmp_path / "other").show("x", 1, "", None)  # type: ignore[arg-type]
        assert not page.ending
        await page.end(clock.now() + 0.3)
        assert shown(page)
        assert page.ending
        await asyncio.sleep(1.0)
        assert not shown(page)
    finally:
        await page.end(0)
    assert not shown(page)
