from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemeral_castle.errors import Damaged
from ephemeral_castle.postgres.control import ClusterCondition, Control, only_shutdown_after, parse_control
from ephemeral_castle.postgres.lsn import Lsn

SIZE = 16 * 1024 * 1024
OUTPUT = """\
pg_control version number:            1300
Catalog version number:               202209061
Database system identifier:           7710870672145503570
Database cluster state:               shut down
pg_control last modified:             Sun Nov 22 06:07:37 2026
Latest checkpoint location:           0/8000028
Latest checkpoint's REDO location:    0/8000028
Latest checkpoint's REDO WAL file:    000000010000000000000008
Latest checkpoint's TimeLineID:       1
Latest checkpoint's PrevTimeLineID:   1
Latest checkpoint's full_page_writes: on
Latest checkpoint's NextXID:          0:778
Latest checkpoint's NextOID:          24576
Latest checkpoint's oldestCommitTsXid:0
Time of latest checkpoint:            Sun Nov 22 06:07:37 2026
Minimum recovery ending location:     0/0
wal_level setting:                    replica
max_connections setting:              100
max_prepared_xacts setting:           0
max_locks_per_xact setting:           64
Bytes per WAL segment:                16777216
Data page checksum version:           1
"""


def control(**changes: str) -> Control:
    text = OUTPUT
    for label, value in changes.items():
        wanted = {"state": "Database cluster state", "at": "Latest checkpoint location",
                  "redo": "Latest checkpoint's REDO location", "xid": "Latest checkpoint's NextXID",
                  "size": "Bytes per WAL segment"}[label]  # fmt: skip
        text = "".join(
            f"{wanted}: {value}\n" if line.startswith(wanted + ":") else line for line in text.splitlines(keepends=True)
        )
    return parse_control(text)


def test_reads_the_output():
    parsed = control()
    assert parsed.condition is ClusterCondition.SHUT_DOWN
    assert parsed.system_id == 7710870672145503570
    assert (parsed.timeline, parsed.next_xid, parsed.wal_segment_size) == (1, 778, SIZE)
    assert (str(parsed.checkpoint), str(parsed.redo), str(parsed.minimum_recovery_end)) == (
        "0/8000028",
        "0/8000028",
        "0/0",
    )
    assert parsed.checksums
    assert not parsed.running_or_crashed
    assert parsed.settings == {
        "wal_level": "replica",
        "max_connections": "100",
        "max_prepared_transactions": "0",
        "max_locks_per_transaction": "64",
    }
    assert parsed.raw["Latest checkpoint's oldestCommitTsXid"] == "0"
    assert control(xid="2:5").next_xid == 2 * 2**32 + 5
    assert control(state="in production").running_or_crashed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pg_controldata: error: could not open file",
        OUTPUT.replace("Database system identifier", "Systemidentifikation"),
        OUTPUT.replace("shut down", "heruntergefahren"),
        OUTPUT.replace("0/8000028", "nowhere"),
        "WARNING: Calculated CRC checksum does not match value stored in file.\n" + OUTPUT,
    ],
)
def test_what_cannot_be_read_is_damaged(text: str):
    with pytest.raises(Damaged):
        parse_control(text)


@given(st.text())
def test_any_other_text_is_damaged(text: str):
    with pytest.raises(Damaged):
        parse_control(text)


MARK = Lsn.parse("0/7620220")


@pytest.mark.parametrize("mark", ["0/7620220", "0/8000000", "0/8000028"])
@pytest.mark.parametrize("xid", [None, 778])
def test_only_the_shutdown_followed(mark: str, xid: int | None):
    assert only_shutdown_after(control(), Lsn.parse(mark), SIZE, next_xid=xid) is None


def test_one_segment_on_is_harmless_only_if_no_transaction_began():
    later = control(at="0/9000028", redo="0/9000028")
    reason = only_shutdown_after(later, MARK, SIZE)
    assert reason is not None
    assert "1 more WAL segments" in reason
    assert only_shutdown_after(later, MARK, SIZE, next_xid=778) is None
    much_later = control(at="0/A000028", redo="0/A000028")
    assert only_shutdown_after(much_later, MARK, SIZE, next_xid=778) is not None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": "in production"}, "did not shut down"),
        ({"state": "shut down in recovery"}, "did not shut down"),
        ({"redo": "0/7FFFFF0"}, "not one of a shutdown"),
        ({"size": "1048576"}, "another cluster"),
        ({"at": "0/6000028", "redo": "0/6000028"}, "before the mark"),
        ({"at": "0/7620300", "redo": "0/7620300"}, "was not archived"),
        ({"at": "0/8000100", "redo": "0/8000100"}, "was not archived"),
        ({"xid": "0:779"}, "1 transaction ids"),
    ],
)
def test_something_else_followed(changes: dict[str, str], words: str):
    reason = only_shutdown_after(control(**changes), MARK, SIZE, next_xid=778)
    assert reason is not None
    assert words in reason
