"""A data directory is known by its files before a server is started on it."""

from __future__ import annotations

import base64
import json
import struct

import pytest

from ephemeral_castle.postgres.datadir import from_json, judge, read_control, to_json
from ephemeral_castle.postgres.states import (
    Absent,
    ClusterState,
    Condition,
    EmptyInitdb,
    HalfRestored,
    Lineage,
    Unknown,
)

SYSTEM_ID = 7000000000000000001


def control(*, version: int = 1300, timeline: int = 1, next_oid: int = 24576) -> str:
    body = bytearray(128)
    struct.pack_into("<QI", body, 0, SYSTEM_ID, version)
    struct.pack_into("<I", body, 48, timeline)
    struct.pack_into("<I", body, 72, next_oid)
    return "control " + base64.b64encode(body).decode()


@pytest.mark.parametrize(
    ("lines", "cluster"),
    [
        (["nothing"], HalfRestored(ours=False)),
        ([control(), "sign backup.manifest"], HalfRestored(ours=False)),
        ([control(), "sign rewinding"], HalfRestored(ours=False)),
        ([control(), "sign recovery.signal"], HalfRestored(ours=False)),
        (["missing global/pg_control"], HalfRestored(ours=False)),
        ([control(next_oid=13761)], EmptyInitdb(SYSTEM_ID, ours=False)),
        ([control()], Lineage(SYSTEM_ID, 1, Condition.STOPPED)),
        ([control(next_oid=13761), "history 00000003.history"], Lineage(SYSTEM_ID, 3, Condition.STOPPED)),
        ([control(timeline=4), "history 00000003.history"], Lineage(SYSTEM_ID, 4, Condition.STOPPED)),
        (["unread global/pg_control"], Unknown("global/pg_control cannot be read")),
        ([control(version=7)], Unknown("pg_control is of version 7")),
        (["control AAAA"], Unknown("pg_control has only 3 bytes")),
        ([], Unknown("pg_control has only 0 bytes")),
    ],
)
def test_every_directory_has_a_state(lines: list[str], cluster: ClusterState) -> None:
    assert judge(lines) == cluster


def test_what_is_not_base64_is_unknown() -> None:
    assert isinstance(judge(["control ***"]), Unknown)


def test_a_short_control_file_is_an_error() -> None:
    with pytest.raises(ValueError, match="only 2 bytes"):
        read_control(b"ab")


@pytest.mark.parametrize(
    "cluster",
    [
        Absent(),
        EmptyInitdb(1, ours=False),
        HalfRestored(ours=False),
        Lineage(1, 2, Condition.STOPPED, generation=3),
        Unknown("why"),
    ],
)
def test_a_state_goes_through_the_journal(cluster: ClusterState) -> None:
    assert from_json(json.loads(json.dumps(to_json(cluster)))) == cluster
