"""What lies in a data directory, judged by its files before any server is started on it.

A server that is started archives; one of another lineage, or one that was left behind, must never get that far. So a
directory is read first: the control file in its binary form (the machine has no pg_controldata), the history files in
pg_wal, and what an interrupted restore leaves.
Reference: `src/include/catalog/pg_control.h` of PostgreSQL 13 to 18.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ephemeral_castle.postgres.states import (
    Absent,
    ClusterState,
    Condition,
    EmptyInitdb,
    HalfRestored,
    Lineage,
    Unknown,
)

CONTROL_BYTES = 128  # of pg_control that are looked at
VERSIONS = frozenset({1300, 1700, 1800})  # of pg_control; the fields below lie alike in all of them
# system_identifier, pg_control_version; then checkPointCopy: ThisTimeLineID, nextOid
_IDENTITY, _TIMELINE, _NEXT_OID = struct.Struct("<QI"), (48, struct.Struct("<I")), (72, struct.Struct("<I"))
FIRST_NORMAL_OID = 16384  # FirstNormalObjectId of src/include/access/transam.h: users' objects begin here
HISTORY = re.compile(r"([0-9A-F]{8})\.history")

# Argument: the volume's directory on the machine. One fact a line: a word, and what belongs to it.
LOOK = r"""
look() {
  cd "$1" || { echo "unread the volume"; return; }
  [ ! -e rewinding ] || echo "sign rewinding"
  [ -e data ] || { echo nothing; return; }
  cd data || { echo "unread the data directory"; return; }
  [ -n "$(ls -A)" ] || { echo nothing; return; }
  for sign in backup.manifest backup_label recovery.signal standby.signal; do
    [ ! -e $sign ] || echo "sign $sign"
  done
  [ -e PG_VERSION ] || echo "missing PG_VERSION"
  [ -e global/pg_control ] || echo "missing global/pg_control"
  if [ -e global/pg_control ]; then
    control=$(head -c 128 global/pg_control | base64 -w 0) && [ -n "$control" ] && echo "control $control" ||
      echo "unread global/pg_control"
  fi
  ls pg_wal 2>/dev/null | grep -E '^[0-9A-F]{8}\.history$' | sort | tail -n 1 | sed 's/^/history /'
}
"""


@dataclass(frozen=True)
class Control:
    """The few fields of pg_control that tell one cluster from another."""

    system_id: int
    timeline: int
    next_oid: int


def read_control(body: bytes) -> Control:
    """Reads the beginning of a control file.

    Raises:
        ValueError: it is too short, or of a version that is not known.
    """
    if len(body) < CONTROL_BYTES:
        raise ValueError(f"pg_control has only {len(body)} bytes")
    system_id, version = _IDENTITY.unpack_from(body)
    if version not in VERSIONS:
        raise ValueError(f"pg_control is of version {version}")
    return Control(system_id, _field(body, _TIMELINE), _field(body, _NEXT_OID))


def _field(body: bytes, place: tuple[int, struct.Struct]) -> int:
    offset, form = place
    return int(form.unpack_from(body, offset)[0])


def judge(lines: Sequence[str]) -> ClusterState:
    """What the lines of `LOOK` say of a directory on which no server runs. Total: what is odd is Unknown.

    A cluster is fresh from initdb when it never gave a number to an object of a user. Its timeline is that of the
    newest history beside it: the control file lags behind a promotion.
    """
    found: dict[str, list[str]] = {}
    for line in lines:
        word, _, rest = line.partition(" ")
        found.setdefault(word, []).append(rest)
    if "unread" in found:
        return Unknown(f"{', '.join(found['unread'])} cannot be read")
    if "nothing" in found or "sign" in found or "missing" in found:
        return HalfRestored(ours=False)
    try:
        control = read_control(base64.b64decode("".join(found.get("control", [])), validate=True))
    except (ValueError, binascii.Error) as error:
        return Unknown(str(error))
    histories = [int(match[1], 16) for name in found.get("history", []) if (match := HISTORY.fullmatch(name))]
    timeline = max([control.timeline, *histories])
    if timeline == 1 and control.next_oid <= FIRST_NORMAL_OID:
        return EmptyInitdb(control.system_id, ours=False)
    return Lineage(control.system_id, timeline, Condition.STOPPED)


_KINDS: Mapping[str, type[Any]] = {
    kind.__name__: kind for kind in (Absent, EmptyInitdb, HalfRestored, Lineage, Unknown)
}


def to_json(cluster: ClusterState) -> dict[str, Any]:
    """For the journal; `from_json` is its inverse."""
    return {"kind": type(cluster).__name__, **dataclasses.asdict(cluster)}


def from_json(data: Mapping[str, Any]) -> ClusterState:
    """From the journal."""
    fields = {key: value for key, value in data.items() if key != "kind"}
    if "condition" in fields:
        fields["condition"] = Condition(fields["condition"])
    made: ClusterState = _KINDS[str(data["kind"])](**fields)
    return made
