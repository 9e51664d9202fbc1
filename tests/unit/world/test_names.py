"""Name servers over TCP: what is believed of an answer, against a server that is played byte by byte."""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import dns.message
import dns.rcode
import dns.tsig
import dns.update
import pytest

from ephemeral_castle.errors import Conflict, Denied, Permanent, Transient, Unreachable
from ephemeral_castle.spi.names import NameChange, NameSet, TsigKey
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.world import names
from ephemeral_castle.world.clock import SystemClock
from ephemeral_castle.world.names import TcpNames

KEY = TsigKey.parse(Secret("hmac-sha256:castle:c2VjcmV0c2VjcmV0c2VjcmV0"))
SIGNER = dns.tsig.Key("castle.", "c2VjcmV0c2VjcmV0c2VjcmV0", "hmac-sha256.")
OTHER = dns.tsig.Key("castle.", "b3RoZXJvdGhlcm90aGVyb3RoZXI=", "hmac-sha256.")
CHANGE = NameChange("castle.example", put=(NameSet("blog.castle.example", "A", ("10.0.0.1",), 60),))
Player = Callable[[bytes], bytes | None]


@asynccontextmanager
async def server(play: Player) -> AsyncIterator[str]:
    """Answers one question as told; None hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        if (answer := play(await reader.readexactly(length))) is not None:
            writer.write(struct.pack("!H", len(answer)) + answer)
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"


def answered(code: str, *, signer: dns.tsig.Key | None = SIGNER, error: int = 0, other: bytes = b"") -> Player:
    """An update's answer with this code, signed or not."""

    def play(wire: bytes) -> bytes:
        asked = dns.message.from_wire(wire, keyring=SIGNER)
        answer = dns.update.UpdateMessage("castle.example.", id=asked.id)
        answer.flags |= 0x8000
        answer.set_rcode(dns.rcode.from_text(code))
        if signer is not None:
            answer.use_tsig(signer, tsig_error=error, other_data=other)
            answer.request_mac = asked.mac or b""
        return bytes(answer.to_wire())

    return play


def update(play: Player) -> Awaitable[None]:
    async def once() -> None:
        async with server(play) as at:
            await TcpNames(SystemClock()).update(at, CHANGE, KEY)

    return once()


async def test_a_signed_yes_is_a_yes() -> None:
    await update(answered("NOERROR"))


@pytest.mark.parametrize("code", ["YXDOMAIN", "NXDOMAIN", "YXRRSET", "NXRRSET"])
async def test_an_expectation_that_does_not_hold_is_a_conflict(code: str) -> None:
    with pytest.raises(Conflict, match="not as it was"):
        await update(answered(code))


async def test_an_unsigned_yes_is_not_believed() -> None:
    with pytest.raises(Denied, match="not signed"):
        await update(answered("NOERROR", signer=None))
    with pytest.raises(Denied, match="not signed"):
        await update(answered("NXRRSET", signer=None))


async def test_a_yes_signed_by_another_key_is_not_believed() -> None:
    with pytest.raises(Denied, match="cannot be trusted"):
        await update(answered("NOERROR", signer=OTHER))


@pytest.mark.parametrize("code", ["REFUSED", "NOTAUTH", "NOTIMP", "NOTZONE", "FORMERR"])
async def test_a_no_names_its_code(code: str) -> None:
    for signer in (SIGNER, None):
        with pytest.raises(Denied) as caught:
            await update(answered(code, signer=signer))
        assert code in caught.value.why


async def test_a_server_that_cannot_now_is_asked_again() -> None:
    with pytest.raises(Transient):
        await update(answered("SERVFAIL"))


@pytest.mark.parametrize(
    ("error", "text"),
    [(dns.rcode.BADKEY, "BADKEY"), (dns.rcode.BADSIG, "BADSIG"), (dns.rcode.BADTRUNC, "BADTRUNC")],
)
async def test_what_it_does_not_like_about_the_key_is_told(error: int, text: str) -> None:
    with pytest.raises(Denied) as caught:
        await update(answered("NOTAUTH", error=error))
    assert text in caught.value.why
    assert "c2Vj" not in str(caught.value.as_dict())


async def test_the_servers_own_time_is_told() -> None:
    theirs = int(SystemClock().now()) - 7200
    with pytest.raises(Denied) as caught:
        await update(answered("NOTAUTH", error=dns.rcode.BADTIME, other=theirs.to_bytes(6, "big")))
    assert re.search(r"720\d s behind this computer's", caught.value.why)  # a second or two pass meanwhile
    assert "BADTIME" in caught.value.why


async def test_silence_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "ANSWER", 0.2)
    with pytest.raises(Unreachable):
        await update(lambda wire: None)
    with pytest.raises(Unreachable, match="does not answer"):
        await TcpNames(SystemClock()).query("127.0.0.1:1", "castle.example", "SOA")

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    listening = await asyncio.start_server(hang, "127.0.0.1", 0)
    async with listening:
        at = f"127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        with pytest.raises(Unreachable) as caught:
            await TcpNames(SystemClock()).query(at, "castle.example", "SOA")
    assert "no answer within" in caught.value.why


@pytest.mark.parametrize("body", [b"", b"\0" * 11, b"HTTP/1.1 400 Bad Request\r\n\r\n"])
async def test_nonsense_is_no_answer(body: bytes) -> None:
    with pytest.raises(Permanent, match="cannot be read"):
        await update(lambda wire: body)


async def test_an_answer_to_another_question_is_refused() -> None:
    def play(wire: bytes) -> bytes:
        return dns.message.make_response(dns.message.make_query("other.example.", "A")).to_wire()

    async with server(play) as at:
        with pytest.raises(Permanent, match="something else"):
            await TcpNames(SystemClock()).query(at, "castle.example", "SOA")


async def test_a_value_that_no_zone_takes_is_refused() -> None:
    change = NameChange("castle.example", put=(NameSet("blog.castle.example", "A", ("10.0.0.300",), 60),))
    with pytest.raises(Permanent, match="cannot stand in a zone"):
        await TcpNames(SystemClock()).update("127.0.0.1:1", change, KEY)
