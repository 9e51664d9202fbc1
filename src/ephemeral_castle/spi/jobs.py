"""Long commands on a machine, which outlive whoever asked for them.

A job is a process of its own session on the machine, known by the run it belongs to and by a name. Its pid with its
start time, its exit status and what it said lie in the machine's memory (`/dev/shm`), so they end with the machine, as
the process does. Who asks again under the same key finds the job and waits for it: a second one is never started
beside it. Everything is one `sh` script sent through any way in (`podman exec`, SSH): starting and waiting together
cost one call.

One runner at a time holds a castle, so a job of another run that still goes on is an orphan: it is ended before a new
one starts, since both would work on the same thing.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from ephemeral_castle.errors import CastleError, Unreachable
from ephemeral_castle.spi.world import Result

FOLDER = "/dev/shm/castle-jobs"  # noqa: S108 - memory of the machine; only its owner may look inside
HEAD = "castle-job"
SHORT = 30.0  # seconds for a call that waits for nothing
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


class JobState(StrEnum):
    """How a job stands."""

    ABSENT = "absent"
    RUNNING = "running"
    ENDED = "ended"
    LOST = "lost"  # its process vanished without leaving an exit status


@dataclass(frozen=True)
class JobKey:
    """What a job is known by. `run`: id of the run. `name`: what it does; one of a name per run and machine.

    Raises:
        ValueError: a part holds more than letters, digits, `_`, `.` and `-`.
    """

    run: str
    name: str

    def __post_init__(self) -> None:
        for part in (self.run, self.name):
            if not NAME.fullmatch(part):
                raise ValueError(f"{part!r} cannot be part of a job's key")


@dataclass(frozen=True)
class JobStatus:
    """What was seen. `pid`: on the machine, while it runs. `code`: its exit status, once it has ended."""

    state: JobState
    pid: int = 0
    code: int = 0


class Enter(Protocol):
    """A way in: runs a command on the machine to its end, as `spi.world.Transport.run` does."""

    async def __call__(self, argv: Sequence[str], *, timeout: float) -> Result:
        """Runs it; raises Unreachable when the machine does not answer or the time is up."""
        ...


class Jobs:
    """Jobs on one machine, or in one container.

    Args:
        enter: the way in.
        where: the machine, for messages.
        folder: where jobs are kept; in memory.
    """

    def __init__(self, enter: Enter, where: str, folder: str = FOLDER) -> None:
        self._enter = enter
        self._where = where
        self._folder = folder

    async def do(self, key: JobKey, argv: Sequence[str], *, timeout: float, again: bool = False) -> Result:
        """Starts the job, or finds it, and waits for its end. When the caller is cancelled, the job is stopped.

        Args:
            key: what it is known by.
            argv: the command; no secret may be among its arguments. It reads no standard input.
            timeout: seconds to wait here; afterwards the job goes on, and who asks again waits on.
            again: a success of before does not count; only a job that still runs is waited for.

        Raises:
            Unreachable: the machine does not answer, or the time was up. The job may go on.
        """
        try:
            return _result(*await self._ask("again" if again else "do", key, argv, timeout=timeout), self._where)
        except asyncio.CancelledError:
            with contextlib.suppress(CastleError):  # unreachable: the next one who asks finds it
                await self.stop(key)
            raise

    async def start(self, key: JobKey, argv: Sequence[str]) -> None:
        """Starts the job unless it runs or has succeeded; does not wait for its end."""
        await self._ask("start", key, argv)

    async def status(self, key: JobKey) -> JobStatus:
        """How it stands."""
        status, _ = await self._ask("status", key)
        return status

    async def wait(self, key: JobKey, *, timeout: float) -> Result:
        """Waits for the end of a job that was started before.

        Raises:
            Unreachable: as `do`; or the job is not there, or was lost.
        """
        return _result(*await self._ask("wait", key, timeout=timeout), self._where)

    async def stop(self, key: JobKey) -> JobStatus:
        """Ends it and all that it started: SIGTERM, up to 10 s, SIGKILL. No error when it is not there."""
        status, _ = await self._ask("stop", key)
        return status

    async def _ask(
        self, verb: str, key: JobKey, argv: Sequence[str] = (), *, timeout: float = SHORT
    ) -> tuple[JobStatus, Result]:
        command = ["sh", "-c", _SCRIPT, "castle-job", self._folder, verb, key.run, key.name, *argv]
        result = await self._enter(command, timeout=timeout)
        head, _, out = result.out.partition("\n")
        words = head.split()
        # The script itself ends with 0 whatever the job did: anything else comes from the way in.
        if not result.ok or len(words) != 4 or words[0] != HEAD:
            raise Unreachable(
                f"nothing is known of the job `{key.name}`",
                where=self._where,
                why=result.last_words() or "the machine gave no answer",
                state="the job may go on there; who asks again finds it",
                hints=["castle resume"],
            )
        status = JobStatus(JobState(words[1]), int(words[2]), int(words[3]))
        return status, Result(status.code, out, result.err)


def _result(status: JobStatus, result: Result, where: str) -> Result:
    if status.state is JobState.ENDED:
        return result
    raise Unreachable(
        "a job on a machine is gone",
        where=where,
        why=f"it is {status.state}: its process was killed, or the machine was started anew",
        state="what it had done so far stands",
        hints=["castle resume"],
    )


# Arguments: folder, verb, run, name, command. The first line it says: castle-job STATE PID CODE.
# A pid alone may belong to somebody else by now; with its start time (proc(5), field 22) it may not.
_SCRIPT = r"""
umask 077
base=$1 verb=$2 run=$3
job=$1/$3.$4
shift 4
state=absent pid=0 code=0
alive() {
  { read -r pid born < "$1/pid" && read -r line < "/proc/$pid/stat"; } 2>/dev/null || return 1
  set -- ${line##*) }
  [ "$1" != Z ] && [ "$1" != X ] && [ "${20}" = "$born" ]
}
look() {
  state=absent code=0
  [ -d "$job" ] || return 0
  if alive "$job" && [ ! -e "$job/code" ]; then
    state=running
  elif [ -e "$job/code" ]; then
    state=ended
    read -r code < "$job/code"
  else
    state=lost
  fi
}
# Who has made the directory has not yet written the pid for some milliseconds.
settle() {
  look
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    [ $state = lost ] && [ ! -e "$job/pid" ] || return 0
    sleep 0.05
    look
  done
}
end() {
  alive "$1" || return 0
  kill -s TERM -- "-$pid" 2>/dev/null
  tries=0
  while alive "$1" && [ $tries -lt 100 ]; do
    sleep 0.1
    tries=$((tries + 1))
  done
  kill -s KILL -- "-$pid" 2>/dev/null
  while alive "$1"; do sleep 0.02; done
  [ -e "$1/code" ] || echo 137 > "$1/code"
}
others() {
  for other in "$base"/*; do
    case $other in
      "$base/$run".*) ;;
      *) [ ! -d "$other" ] || { end "$other"; rm -rf "$other"; } ;;
    esac
  done
}
begin() {
  others
  rm -rf "$job"
  mkdir "$job" || exit 1
  setsid sh -c '
    job=$1
    shift
    born() { read -r line < "/proc/$$/stat"; set -- ${line##*) }; echo "${20}"; }
    trap : TERM
    echo "$$ $(born)" > "$job/pid.new" && mv "$job/pid.new" "$job/pid"
    "$@" > "$job/out" 2> "$job/err"
    echo $? > "$job/code.new" && mv "$job/code.new" "$job/code"
  ' castle-job "$job" "$@" < /dev/null > /dev/null 2>&1 &
  child=$!
}
follow() {
  [ -z "$child" ] || wait "$child"
  settle
  while [ $state = running ]; do
    sleep 0.1
    look
  done
}
mkdir -p "$base" && [ -O "$base" ] || { echo "$base belongs to somebody else" >&2; exit 1; }
child=
case $verb in
  do | again | start)
    settle
    case $verb.$state.$code in
      *.running.* | do.ended.0 | start.ended.0) ;;
      *) begin "$@" ;;
    esac
    if [ $verb = start ]; then settle; else follow; fi
    ;;
  status) settle ;;
  wait) follow ;;
  stop)
    settle
    end "$job"
    look
    ;;
esac
[ $state = running ] || pid=0
echo "castle-job $state $pid $code"
case $verb.$state in
  do.ended | again.ended | wait.ended)
    cat "$job/out"
    cat "$job/err" >&2
    ;;
esac
exit 0
"""
