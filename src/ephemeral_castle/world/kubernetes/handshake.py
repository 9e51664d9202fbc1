"""Opening a conversation with a command in a pod: the WebSocket, and what a "no" means.

A command must not be started twice. Until TLS stands nothing was asked for, and an answer of 4xx or 5xx says that
nothing was started; a connection that breaks in between leaves it open, and is not tried again.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit

from ephemeral_castle.errors import CastleError, Denied, NotFound, Permanent, Unreachable
from ephemeral_castle.world.kubernetes import answers, tls
from ephemeral_castle.world.kubernetes.answers import Said
from ephemeral_castle.world.kubernetes.wire import AGENT, ATTEMPTS, CONNECT, Wire, delay

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

V5 = "v5.channel.k8s.io"
CLOSING = 1.0  # seconds for the other side to say goodbye
PING, PONG = 10.0, 20.0  # seconds: how soon a silent connection is noticed

Target = tuple[str, str, str]  # namespace, pod, container


def name_of(target: Target, argv: Sequence[str]) -> str:
    """The command, for messages."""
    namespace, pod, container = target
    return f"pod {namespace}/{pod}" + (f", container {container}" if container else "") + f": {argv[0]}"


async def connect_to(wire: Wire, target: Target, argv: Sequence[str], *, stdin: bool) -> ClientConnection:
    """Starts the command.

    Raises:
        Unreachable: nobody answers; its state says whether the command may have been started. Denied, NotFound.
    """
    namespace, pod, container = target
    name = name_of(target, argv)
    query = [("command", each) for each in argv] + [("stdout", "true"), ("stderr", "true")]
    query += [("stdin", "true")] if stdin else []
    query += [("container", container)] if container else []
    path = f"/api/v1/namespaces/{quote(namespace, safe='')}/pods/{quote(pod, safe='')}/exec?{urlencode(query)}"
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return await _connect(wire, path)
        except _Lost as lost:
            if attempt == ATTEMPTS or lost.started:
                tries = f", after {attempt} tries" if attempt > 1 else ""
                state = "the command may have been started" if lost.started else ""
                raise Unreachable(
                    "no connection to the command in the pod came about", where=name, why=f"{lost}{tries}", state=state
                ) from None
            await wire.clock.sleep(delay(attempt, 0.0))
        except _Refused as refused:
            raise _failure(refused.said, name) from None
    raise AssertionError("unreachable: the loop returns or raises")


class _Lost(Exception):
    """No conversation came about. `started`: the command may have been, all the same."""

    def __init__(self, why: str, *, started: bool) -> None:
        super().__init__(why)
        self.started = started


class _Refused(Exception):
    """The API server's answer to the wish to talk."""

    def __init__(self, said: Said) -> None:
        self.said = said


async def _connect(wire: Wire, path: str) -> ClientConnection:
    from websockets.asyncio.client import ClientConnection, connect
    from websockets.exceptions import InvalidHandshake, InvalidStatus
    from websockets.typing import Subprotocol

    headers = {name: value for name, value in wire.headers.items() if name != "user-agent"}
    asked = False

    class Marked(ClientConnection):
        """Knows from when on the command may have been started: once TLS stands, the wish is sent."""

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            nonlocal asked
            asked = True
            super().connection_made(transport)

    try:
        socket = await connect(
            "wss" + wire.base.removeprefix("https") + path,
            ssl=wire.context,
            server_hostname=wire.access.name or urlsplit(wire.base).hostname,
            subprotocols=[Subprotocol(V5)],
            additional_headers=headers,
            user_agent_header=AGENT,
            proxy=None,  # of the environment: it would see what is said
            compression=None,
            max_size=None,
            open_timeout=CONNECT * 2,
            close_timeout=CLOSING,
            ping_interval=PING,
            ping_timeout=PONG,
            create_connection=Marked,
        )
    except InvalidStatus as error:
        answer = error.response
        said = Said(
            answer.status_code, {k.lower(): v for k, v in answer.headers.raw_items()}, bytes(answer.body or b"")
        )
        if answers.worth_another_try(said):
            raise _Lost(said.words, started=False) from None
        raise _Refused(said) from None
    except (OSError, TimeoutError, InvalidHandshake, EOFError) as error:
        why = tls.refusal(error) if isinstance(error, ssl.SSLError) else ""
        if why:
            raise Denied("the API server is not the one that is expected", where=wire.where, why=why) from None
        raise _Lost(str(error) or type(error).__name__, started=asked) from None
    if socket.subprotocol != V5:
        await socket.close()
        why = f"it does not speak {V5}, which Kubernetes has since 1.30"
        raise Permanent("the API server cannot carry commands into pods", where=wire.where, why=why)
    return socket


def _failure(said: Said, name: str) -> CastleError:
    # 400 is how it says that there is no such container, or that the pod has no machine yet.
    if said.status in (400, 404):
        return NotFound("no such pod or container runs", where=name, why=said.words)
    return answers.failure(said, "running a command in a pod", name)
