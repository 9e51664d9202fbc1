"""Commands in containers over a WebSocket of our own: frames, channels, and how a command ended."""

from __future__ import annotations

import json
import socket
import struct
import threading

import pytest
from testbed.standins import execs
from testbed.standins.api import Refused, Silent

pytestmark = pytest.mark.evidence("stand-in", "pgo")


@pytest.fixture
def pair():
    here, there = socket.socketpair()
    with here, there:
        here.settimeout(5)
        there.settimeout(5)
        yield here, there


def frame(payload: bytes, kind: int = execs.BINARY, *, last: bool = True) -> bytes:
    """A message of the server's: never masked."""
    head = bytes([(0x80 if last else 0) | kind])
    if len(payload) < 126:
        return head + bytes([len(payload)]) + payload
    if len(payload) < 65536:
        return head + bytes([126]) + struct.pack("!H", len(payload)) + payload
    return head + bytes([127]) + struct.pack("!Q", len(payload)) + payload


def ended(code: int) -> bytes:
    """The last message of a command."""
    if code == 0:
        said: dict[str, object] = {"status": "Success"}
    else:
        causes = [{"reason": "ExitCode", "message": str(code)}]
        said = {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}}
    return frame(bytes([execs.STATUS]) + json.dumps(said).encode())


def collected(pair, *frames: bytes) -> execs.Ended:
    here, there = pair
    there.sendall(b"".join(frames))
    return execs._collect(execs._Stream(here, b""), "data/db-0")


def test_output_and_errors_come_apart_with_the_exit_status(pair):
    assert collected(pair, frame(b"\x01one "), frame(b"\x02bad"), frame(b"\x01two"), ended(28)) == execs.Ended(
        28, "one two", "bad"
    )


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 200_000])
def test_every_size_of_message(pair, size):
    here, there = pair
    whole = frame(b"\x01" + b"x" * size) + ended(0)
    sender = threading.Thread(target=there.sendall, args=(whole,))
    sender.start()
    found = execs._collect(execs._Stream(here, b""), "data/db-0")
    sender.join()
    assert found == execs.Ended(0, "x" * size, "")


def test_a_message_in_parts_is_whole(pair):
    parts = [frame(b"\x01a", last=False), frame(b"b", execs.CONTINUATION, last=False), frame(b"c", execs.CONTINUATION)]
    assert collected(pair, *parts, ended(0)).out == "abc"


def test_what_came_with_the_answer_is_not_lost(pair):
    here, there = pair
    whole = frame(b"\x01early") + ended(0)
    there.sendall(whole[5:])
    assert execs._collect(execs._Stream(here, whole[:5]), "data/db-0").out == "early"


def test_a_ping_is_answered(pair):
    _here, there = pair
    assert collected(pair, frame(b"hello", execs.PING), ended(0)).code == 0
    answer = there.recv(100)
    assert answer[0] == 0x80 | execs.PONG
    mask, payload = answer[2:6], answer[6:]
    assert bytes(byte ^ mask[number % 4] for number, byte in enumerate(payload)) == b"hello"


def test_a_connection_that_ends_before_the_command_is_no_end_of_the_command(pair):
    here, there = pair
    there.sendall(frame(b"\x01half"))
    there.close()
    with pytest.raises(ConnectionError):
        execs._collect(execs._Stream(here, b""), "data/db-0")


def test_a_server_that_closes_without_a_status_told_nothing(pair):
    with pytest.raises(Silent, match="data/db-0"):
        collected(pair, frame(b"\x01half"), frame(b"", execs.END))


def test_what_the_server_refuses_is_told_in_its_words(pair):
    said = {"status": "Failure", "reason": "InternalError", "message": "container not found"}
    with pytest.raises(Refused, match="container not found"):
        collected(pair, frame(bytes([execs.STATUS]) + json.dumps(said).encode()))


def test_input_ends_with_the_closing_of_its_channel(pair):
    here, there = pair
    execs._feed(execs._Stream(here, b""), b"SELECT 1")
    received = there.recv(1000)
    first, rest = received[: 6 + 9], received[6 + 9 :]
    unmasked = [
        bytes(byte ^ each[2 + number % 4] for number, byte in enumerate(each[6:])) for each in (first, rest)
    ]  # fmt: skip
    assert unmasked == [b"\x00SELECT 1", bytes([execs.CLOSE, execs.STDIN])]
