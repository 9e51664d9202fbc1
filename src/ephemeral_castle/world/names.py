"""Authoritative name servers over TCP, with signed updates; the only place where dnspython is imported."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ephemeral_castle.errors import CastleError, Conflict, Denied, Permanent, Transient, Unreachable
from ephemeral_castle.spi.names import ALGORITHMS, NameAnswer, NameChange, NameSet, TsigKey, split_server
from ephemeral_castle.spi.world import Clock

if TYPE_CHECKING:
    from dns.message import Message
    from dns.tsig import Key
    from dns.update import UpdateMessage

ANSWER = 4.0  # seconds for one question, connection included
PREREQUISITE = ("YXDOMAIN", "NXDOMAIN", "YXRRSET", "NXRRSET")
NO = {
    "REFUSED": "the server's rules do not let this key do it (or do not serve us at all)",
    "NOTAUTH": "the server does not speak for this zone, or wants the change signed",
    "NOTZONE": "the name does not lie in this zone",
    "NOTIMP": "the server knows no dynamic updates, or they are not switched on for this zone",
}


class TcpNames:
    """Implements `spi.names.Names`. By TCP alone: every authoritative server has it, and no answer is cut or forged."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    async def query(self, server: str, name: str, type_: str) -> NameAnswer:
        """See `spi.names.Names`."""
        import dns.flags
        import dns.message
        import dns.rcode

        question = dns.message.make_query(f"{name}.", type_, flags=0)
        wire = await _exchange(server, question.to_wire())
        answer = _parsed(server, wire)
        if not question.is_response(answer):
            raise Permanent("the name server answered something else", where=server)
        code = dns.rcode.to_text(answer.rcode())
        if code not in ("NOERROR", "NXDOMAIN"):
            raise _no(server, code, f"asking for {name}")
        authoritative = bool(answer.flags & dns.flags.AA)
        return NameAnswer(code, authoritative, _sets(answer.answer), _sets(answer.authority))

    async def update(self, server: str, change: NameChange, key: TsigKey | None) -> None:
        """See `spi.names.Names`."""
        import dns.rcode

        message, signer = _message(change), _signer(key)
        if signer is not None:
            message.use_tsig(signer)
        wire = await _exchange(server, message.to_wire(max_size=65535))
        if signer is not None and key is not None:
            answer = self._verified(server, wire, message, signer, key)
        else:
            answer = _parsed(server, wire)
        code = dns.rcode.to_text(answer.rcode())
        if code in PREREQUISITE:
            raise Conflict("the zone is not as it was", where=server, why=f"an expectation does not hold ({code})")
        if code != "NOERROR":
            raise _no(server, code, f"a change of zone {change.zone}")

    def _verified(self, server: str, wire: bytes, message: Message, signer: Key, key: TsigKey) -> Message:
        """The answer, when it is signed by the same key; else why the server did not like ours."""
        import dns.exception
        import dns.message
        import dns.rcode
        import dns.tsig

        seen: Any = _parsed(server, wire)
        code = dns.rcode.to_text(seen.rcode())
        if seen.tsig is None:
            if code in ("NOERROR", *PREREQUISITE):
                raise Denied("the name server's answer is not signed", where=server, why="it cannot be trusted")
            raise _no(server, code, f"a change signed with key {key.name}")
        if seen.tsig[0].error:
            raise self._disliked(server, seen.tsig[0], key)
        try:
            return dns.message.from_wire(wire, keyring=signer, request_mac=message.mac)
        except dns.tsig.BadTime:
            signed = int(seen.tsig[0].time_signed)
            raise Denied(
                "the clock of the name server and this computer's differ too much", where=server,
                why=self._apart(signed), hints=["set the clocks of both", "castle doctor"],
            ) from None  # fmt: skip
        except (dns.exception.DNSException, ValueError) as error:
            why = f"the answer is not signed with key {key.name} ({type(error).__name__})"
            raise Denied("the name server's answer cannot be trusted", where=server, why=why) from None

    def _disliked(self, server: str, record: Any, key: TsigKey) -> Denied:
        """The server's word on our signature (RFC 8945 section 5.2)."""
        import dns.rcode

        code, hints = dns.rcode.to_text(record.error, tsig=True), ["castle doctor"]
        match code:
            case "BADKEY":
                why = f"it knows no key {key.name} ({key.algorithm}), or does not let it change these names (BADKEY)"
                hints = ["compare name, algorithm and rights of the key with the server's configuration"]
            case "BADSIG":
                why = f"it knows a key {key.name}, but with another secret (BADSIG)"
                hints = ["put the secret that the server has into the key file"]
            case "BADTIME":
                # The server tells its own time in six bytes; without them its time of signing is all there is.
                told = int.from_bytes(record.other, "big") if len(record.other) == 6 else int(record.time_signed)
                why = f"{self._apart(told)} (BADTIME)"
                hints = ["set the clocks of both computers: signatures hold for 5 minutes"]
            case _:
                why = f"it says {code}"
        return Denied("the name server does not accept the signature", where=server, why=why, hints=hints)

    def _apart(self, theirs: int) -> str:
        apart = theirs - self.clock.now()
        told = datetime.fromtimestamp(theirs, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return f"by its clock it is {told}, {abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'} this computer's"


async def _exchange(server: str, wire: bytes) -> bytes:
    """One question and its answer, each with its length in two bytes ahead (RFC 7766)."""
    host, port = split_server(server)
    try:
        async with asyncio.timeout(ANSWER):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(struct.pack("!H", len(wire)) + wire)
                await writer.drain()
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                return await reader.readexactly(length)
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, EOFError, TimeoutError) as error:
        why = f"no answer within {ANSWER:g} s" if isinstance(error, TimeoutError) else str(error) or "it hung up"
        raise Unreachable("the name server does not answer", where=server, why=why) from None


def _parsed(server: str, wire: bytes) -> Message:
    """A message whose signature nobody has looked at yet."""
    import dns.exception
    import dns.message

    try:
        return dns.message.from_wire(wire, keyring=False)
    except (dns.exception.DNSException, ValueError) as error:
        raise Permanent("the name server's answer cannot be read", where=server, why=str(error)) from None


def _sets(section: Iterable[Any]) -> tuple[NameSet, ...]:
    import dns.rdatatype

    return tuple(
        NameSet(
            rrset.name.to_text(omit_final_dot=True).lower(),
            dns.rdatatype.to_text(rrset.rdtype),
            tuple(sorted(rdata.to_text() for rdata in rrset)),
            rrset.ttl,
        )
        for rrset in section
    )


def _message(change: NameChange) -> UpdateMessage:
    import dns.exception
    import dns.name
    import dns.rdata
    import dns.rdataclass
    import dns.update

    message = dns.update.UpdateMessage(f"{change.zone}.")
    try:
        for each in change.expect:
            name = dns.name.from_text(f"{each.name}.")
            for value in each.values:
                message.present(name, dns.rdata.from_text(dns.rdataclass.IN, each.type, value))
            if not each.values:
                message.absent(name, each.type)
        for each in change.put:
            name = dns.name.from_text(f"{each.name}.")
            message.delete(name, each.type)
            for value in each.values:
                message.add(name, each.ttl, dns.rdata.from_text(dns.rdataclass.IN, each.type, value))
    except (dns.exception.DNSException, ValueError) as error:
        raise Permanent("a name or its value cannot stand in a zone", where=change.zone, why=str(error)) from None
    return message


def _signer(key: TsigKey | None) -> Key | None:
    import dns.tsig

    if key is None:
        return None
    return dns.tsig.Key(f"{key.name}.", key.secret.reveal(), f"{ALGORITHMS[key.algorithm]}.")


def _no(server: str, code: str, what: str) -> CastleError:
    """A code that says no; one that may pass is Transient."""
    if code == "SERVFAIL":
        return Transient(f"{what}: the name server cannot at the moment", where=server, why=f"it says {code}")
    return Denied(f"{what}: the name server says no", where=server, why=f"{NO.get(code, 'it says so')} ({code})")
