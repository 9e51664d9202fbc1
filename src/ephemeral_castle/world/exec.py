"""Processes on this computer: run to the end, or kept open for a conversation in lines."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from typing import TYPE_CHECKING

from ephemeral_castle.errors import Permanent, Unreachable
from ephemeral_castle.spi.world import Result

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GRACE = 1.0  # seconds between SIGTERM and SIGKILL
WRITE_TIMEOUT = 60.0  # seconds a process may leave its standard input unread
LINE_LIMIT = 64 * 1024 * 1024
ERROR_RING = 8 * 1024
# sudo and cron often leave these out, and netavark looks for iptables there.
SYSTEM_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def base_environment() -> dict[str, str]:
    """What every process gets: PATH (with the system directories), HOME, LANG. Nothing else is inherited."""
    path = [part for part in os.environ.get("PATH", "").split(":") if part]
    path += [part for part in SYSTEM_PATH if part not in path]
    return {"PATH": ":".join(path), "HOME": os.environ.get("HOME", "/root"), "LANG": "C.UTF-8"}


def command_line(argv: Sequence[str], limit: int = 160) -> str:
    """A command as a person would type it, cut to `limit` characters, for messages."""
    text = shlex.join(argv)
    return text if len(text) <= limit else text[: limit - 3] + "..."


class LocalExec:
    """Implements `spi.world.Exec`. Each process leads a session of its own, so that a whole tree can be ended."""

    async def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        timeout: float = 60.0,
    ) -> Result:
        """Runs to the end and reads both streams at the same time.

        Args:
            argv: program and arguments; no shell sees them, and no secret may be among them.
            stdin: what the process reads; without it standard input is closed.
            env: added to PATH, HOME and LANG.
            timeout: seconds until the process and its children are ended.

        Raises:
            Unreachable: the time was up. The exit status and what was said so far are lost.
            Permanent: the program does not exist or may not be run.
        """
        code, out, err = await self.capture(argv, stdin=stdin, env=env, timeout=timeout)
        return Result(code, out.decode(errors="replace"), err.decode(errors="replace"))

    async def capture(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        timeout: float = 60.0,
    ) -> tuple[int, bytes, bytes]:
        """As `run`, for output that is no text: exit status, standard output, standard error."""
        process = await _start(argv, env, keep_stdin=bool(stdin))
        try:
            async with asyncio.timeout(timeout):
                out, err = await process.communicate(stdin or None)
        except TimeoutError:
            await _end(process)
            raise Unreachable(
                "the command did not end in time",
                where=command_line(argv),
                why=f"no end after {timeout:g} s",
                state="the command and its children were ended; what it had done so far stands",
            ) from None
        except asyncio.CancelledError:
            await _end_for_certain(process)
            raise
        return process.returncode if process.returncode is not None else -1, out, err

    async def spawn(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> LocalProcess:
        """Starts a process and keeps its standard input and output open.

        Raises:
            Permanent: the program does not exist or may not be run.
        """
        return LocalProcess(await _start(argv, env, keep_stdin=True), command_line(argv))


class LocalProcess:
    """A running process that speaks lines; implements `spi.world.Process`."""

    def __init__(self, process: Process, name: str) -> None:
        self._process = process
        self._name = name
        self._errors = b""
        self._listener = asyncio.create_task(self._listen())

    @property
    def pid(self) -> int:
        """Process id on this computer."""
        return self._process.pid

    @property
    def errors(self) -> str:
        """The last lines of its standard error, for messages."""
        lines = self._errors.decode(errors="replace").strip().splitlines()
        return " / ".join(lines[-3:])

    async def write(self, text: str) -> None:
        """Writes `text` to its standard input.

        Raises:
            Unreachable: the process is gone, or left its input unread for a minute.
        """
        stdin = self._process.stdin
        if stdin is None or stdin.is_closing() or self._process.returncode is not None:
            raise await self._gone()
        try:
            stdin.write(text.encode())
            async with asyncio.timeout(WRITE_TIMEOUT):
                await stdin.drain()
        except TimeoutError:
            raise self._silent(f"its input stayed unread for {WRITE_TIMEOUT:g} s") from None
        except (BrokenPipeError, ConnectionResetError):
            raise await self._gone() from None

    async def read_line(self, timeout: float) -> str | None:
        """The next line without its end; None at the end of the stream.

        Raises:
            Unreachable: no whole line came within `timeout` seconds; what came stays for the next call.
            Permanent: a line is longer than 64 MiB.
        """
        stdout = self._process.stdout
        if stdout is None:
            return None
        try:
            async with asyncio.timeout(timeout):
                line = await stdout.readline()
        except TimeoutError:
            raise self._silent(f"no line within {timeout:g} s") from None
        except ValueError:
            raise Permanent("a line is too long", where=self._name, why=f"more than {LINE_LIMIT} bytes") from None
        return line.decode(errors="replace").removesuffix("\n") if line else None

    async def close(self) -> int:
        """Closes its standard input, waits 1 s, then ends it and its children; gives the exit status."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(GRACE):
                await self._process.wait()
        except TimeoutError:
            await _end(self._process)
        except asyncio.CancelledError:
            await _end_for_certain(self._process)
            raise
        finally:
            self._listener.cancel()
            _close_pipes(self._process)
        return self._process.returncode if self._process.returncode is not None else -1

    async def _listen(self) -> None:
        stderr = self._process.stderr
        while stderr is not None and (chunk := await stderr.read(4096)):
            self._errors = (self._errors + chunk)[-ERROR_RING:]

    async def _gone(self) -> Unreachable:
        # Its last words may still be in the pipe.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                await asyncio.shield(self._listener)
        code = self._process.returncode
        ended = "its input is closed" if code is None else f"it ended with status {code}"
        why = f"{ended}: {self.errors}" if self.errors else ended
        return Unreachable("the process is gone", where=self._name, why=why)

    def _silent(self, why: str) -> Unreachable:
        return Unreachable(
            "the process does not answer", where=self._name, why=f"{why}: {self.errors}" if self.errors else why
        )


async def _start(argv: Sequence[str], env: Mapping[str, str] | None, *, keep_stdin: bool) -> Process:
    try:
        return await asyncio.create_subprocess_exec(
            *argv,
            stdin=PIPE if keep_stdin else DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            env={**base_environment(), **(env or {})},
            start_new_session=True,
            limit=LINE_LIMIT,
        )
    except FileNotFoundError:
        raise Permanent(
            f"{argv[0]} is not installed",
            where=command_line(argv),
            why="no such program on the search path",
            hints=("castle doctor",),
        ) from None
    except OSError as error:
        raise Permanent(f"{argv[0]} cannot be started", where=command_line(argv), why=str(error)) from None


async def _end(process: Process) -> None:
    """Ends the process and all that it started: SIGTERM, 1 s, SIGKILL."""
    _signal_group(process, signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GRACE):
            await process.wait()
    # Also when the leader has gone by itself: its children may have ignored the first signal.
    _signal_group(process, signal.SIGKILL)
    await process.wait()
    _close_pipes(process)


async def _end_for_certain(process: Process) -> None:
    """As `_end` for a task that is being cancelled; a second cancellation kills at once."""
    try:
        await asyncio.shield(asyncio.ensure_future(_end(process)))
    except asyncio.CancelledError:
        _signal_group(process, signal.SIGKILL)
        raise


def _signal_group(process: Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _close_pipes(process: Process) -> None:
    # A grandchild may hold the other ends open for ever; asyncio offers no public way to let go of ours.
    process._transport.close()  # type: ignore[attr-defined]
