"""What a look at a database needs, asked for in one way into its machine.

A way in costs 0.2 s, so one question carries all. Server and repository are asked side by side; either may fail
without the other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ephemeral_castle.drivers.postgres.place import RUNNING
from ephemeral_castle.errors import CastleError, Unreachable
from ephemeral_castle.postgres import fence, sql
from ephemeral_castle.postgres.pgbackrest import RepoInfo, parse_info

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ephemeral_castle.drivers.postgres.layout import Layout
    from ephemeral_castle.drivers.postgres.place import Place
    from ephemeral_castle.spi.world import Result

PATIENCE = 30.0  # seconds for the whole look
ARCHIVER = """\
select jsonb_build_object('failed', failed_count, 'last_failed', last_failed_wal,
  'failing', coalesce(last_failed_time > last_archived_time, last_failed_time is not null),
  'age', extract(epoch from clock_timestamp() - last_archived_time)) from pg_stat_archiver;"""
# A server that hangs must not hold the look up; what it says on standard error is its reason.
LIMIT = "SET statement_timeout = '10s';"
END = "--castle-server-"  # neither a row of JSON nor psql's words begin so

# The server's rows wait in the pipe until the repository has answered: 64 KiB, and they are two.
INSIDE = r"""
{
  PGCONNECT_TIMEOUT=10 psql -qAtX -v ON_ERROR_STOP=1 -h %SOCKET% -U postgres -d postgres -c "$1" -c "$2" -c "$3" 2>&1
  echo "%END%$?"
} | {
  repository=$(%PGBACKREST% --repo=1 --output=json info 2>/dev/null)
  cat
  printf '%s\n' "$repository"
}
"""


@dataclass(frozen=True)
class Glance:
    """What was seen.

    Attributes:
        state: as `Place.state`; only a running database is asked.
        limits: of every database, with the fence; empty when the server gave no answer.
        archiver: `failed`, `last_failed`, `failing`, `age` in seconds; empty when the server gave no answer.
        silent: why the server gave no answer, "" when it did.
        repository: what the repository holds, or why it cannot be told.
    """

    state: str
    limits: tuple[fence.DatabaseLimit, ...] = ()
    archiver: Mapping[str, Any] = field(default_factory=dict)
    silent: str = ""
    repository: RepoInfo | CastleError = field(default_factory=lambda: Unreachable("pgBackRest gives no answer"))


def inside(layout: Layout) -> str:
    """The script that asks, beside a server that is laid out so."""
    words = {"%END%": END, "%SOCKET%": layout.socket, "%PGBACKREST%": " ".join(layout.backrest)}
    script = INSIDE
    for word, text in words.items():
        script = script.replace(word, text)
    return script


async def glance(place: Place, layout: Layout) -> Glance:
    """Looks at container, server and repository.

    Raises:
        Unreachable: what carries it does not run, or nothing came back in time.
        Transient: it cannot tell.
    """
    questions = (sql.SESSION + LIMIT, fence.LIMITS, ARCHIVER)
    state, result = await place.peek(inside(layout), *questions, timeout=PATIENCE)
    return _inside(state, result, layout.stanza)


def _inside(state: str, result: Result, stanza: str) -> Glance:
    if state != RUNNING:
        return Glance(state)
    rows, end, rest = result.out.partition(END)
    if not end:
        return Glance(state, silent=f"the container cannot be entered: {result.last_words()}")
    status, _, repository = rest.partition("\n")
    return _read(rows.splitlines(), status, _repository(repository, stanza))


def _read(rows: list[str], status: str, repository: RepoInfo | CastleError) -> Glance:
    if status == "0" and len(rows) == len(("limits", "archiver")):
        return Glance(RUNNING, fence.parse_limits(rows[0]), json.loads(rows[1]), "", repository)
    silent = " / ".join(rows[-3:]) or f"psql ended with status {status}"
    return Glance(RUNNING, silent=silent, repository=repository)


def _repository(said: str, stanza: str) -> RepoInfo | CastleError:
    if not said.strip():
        return Unreachable("pgBackRest gives no answer", hints=("castle doctor",))
    try:
        return parse_info(said, stanza)
    except CastleError as error:
        return error
