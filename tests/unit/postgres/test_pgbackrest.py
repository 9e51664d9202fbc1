from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemeral_castle.errors import Damaged
from ephemeral_castle.postgres.causes import Cause, classify, printable
from ephemeral_castle.postgres.lsn import Lsn
from ephemeral_castle.postgres.pgbackrest import Status, StatusCode, parse_info

FULL = {
    "annotation": {"castle-run": "r1", "x": "a b"},
    "archive": {"start": "000000010000000000000002", "stop": "000000010000000000000002"},
    "backrest": {"format": 5, "version": "2.45"},
    "database": {"id": 1, "repo-key": 1},
    "error": False,
    "info": {"delta": 23213818, "repository": {"delta": 3010096, "size": 3010096}, "size": 23213818},
    "label": "20261122-055623F",
    "lsn": {"start": "0/2000028", "stop": "0/2000100"},
    "prior": None,
    "reference": None,
    "timestamp": {"start": 1795326983, "stop": 1795326985},
    "type": "full",
}
INCR = {
    **{key: value for key, value in FULL.items() if key != "annotation"},
    "archive": {"start": "000000010000000000000003", "stop": "000000010000000000000004"},
    "label": "20261122-055623F_20261122-055625I",
    "lsn": {"start": "0/3000028", "stop": "0/4000050"},
    "prior": "20261122-055623F",
    "reference": ["20261122-055623F"],
    "timestamp": {"start": 1795326985, "stop": 1795326987},
    "type": "incr",
}


def stanza(**changes: Any) -> dict[str, Any]:
    return {
        "archive": [
            {
                "database": {"id": 1, "repo-key": 1},
                "id": "15-1",
                "max": "000000010000000000000004",
                "min": "000000010000000000000001",
            }
        ],
        "backup": [FULL, INCR],
        "cipher": "aes-256-cbc",
        "db": [{"id": 1, "repo-key": 1, "system-id": 7710870672145503570, "version": "15"}],
        "name": "castle",
        "repo": [{"cipher": "aes-256-cbc", "key": 1, "status": {"code": 0, "message": "ok"}}],
        "status": {"code": 0, "lock": {"backup": {"held": False}}, "message": "ok"},
        **changes,
    }


def test_reads_a_healthy_stanza():
    info = parse_info(json.dumps([stanza()]), "castle")

    assert info.status == Status(0, "ok")
    assert info.databases[0].system_id == 7710870672145503570
    assert info.archives[0].max == "000000010000000000000004"
    full, incr = info.backups
    assert full.annotations == {"castle-run": "r1", "x": "a b"}
    assert (full.prior, full.reference) == (None, ())
    assert incr.reference == ("20261122-055623F",)
    assert incr.lsn_stop == Lsn.parse("0/4000050")
    assert (full.size, full.repo_size) == (23213818, 3010096)
    assert info.newest() is incr
    assert info.backup("20261122-055623F") is full
    assert info.backup("none") is None
    assert not info.backup_running


def test_a_missing_stanza_has_code_one_and_no_databases():
    raw = stanza(
        archive=[],
        backup=[],
        db=[],
        repo=[{"cipher": "aes-256-cbc", "key": 1, "status": {"code": 1, "message": "missing stanza path"}}],
        status={"code": 1, "lock": {"backup": {"held": False}}, "message": "missing stanza path"},
    )
    info = parse_info(json.dumps([raw]), "castle")

    assert info.status.known is StatusCode.NO_STANZA
    assert info.newest() is None


WRONG_PASS = (
    rb'[{"archive":[],"backup":[],"cipher":"aes-256-cbc","db":[],"name":"castle","repo":[{"cipher":"aes-256-cbc",'
    rb'"key":1,"status":{"code":99,"message":"[FormatError] unable to load info file '
    rb"'/castle/backup/castle/backup.info' or '/castle/backup/castle/backup.info.copy':\nFormatError: key/value found "
    rb"outside of section at line 1: " + b"\xf5\x12\x02\xbeg\x87[7\x9b\\r\x16t" + rb'"}}],'
    rb'"status":{"code":99,"lock":{"backup":{"held":false}},"message":"other"}}]'
)


def test_a_wrong_pass_puts_raw_bytes_into_the_message_and_is_still_read():
    repo = parse_info(WRONG_PASS, "castle").repos[0]

    assert repo.status.known is StatusCode.OTHER
    assert repo.status.cause is Cause.WRONG_PASS
    assert "cipher pass" in repo.status.explanation
    assert repo.status.explanation.isprintable()


def test_log_lines_before_the_list_are_skipped():
    noise = "WARN: [055]: something [31] odd\nP00   INFO: info command begin 2.45: [x]\n"
    assert parse_info(noise + json.dumps([stanza()]), "castle").status.code == 0


@pytest.mark.parametrize(
    "output",
    ["", "[]", "ERROR: [037]: info command requires option", json.dumps([stanza(name="other")]), "[" * 3000, "{}"],
)
def test_what_cannot_be_read_is_an_error_and_not_an_empty_repository(output: str):
    with pytest.raises(Damaged) as caught:
        parse_info(output, "castle")
    assert "unknown" in caught.value.state
    assert caught.value.hints


@pytest.mark.parametrize("key", ["status", "name"])
def test_an_incomplete_answer_is_an_error(key: str):
    raw = stanza()
    del raw[key]
    with pytest.raises(Damaged):
        parse_info(json.dumps([raw]), "castle")


def test_a_damaged_backup_entry_is_an_error_and_names_the_field():
    broken = {key: value for key, value in FULL.items() if key != "timestamp"}
    with pytest.raises(Damaged, match="incomplete") as caught:
        parse_info(json.dumps([stanza(backup=[broken])]), "castle")
    assert "timestamp" in caught.value.why


def test_offline_backups_have_no_positions():
    offline = {**FULL, "archive": {"start": None, "stop": None}, "lsn": {"start": None, "stop": None}, "error": None}
    backup = parse_info(json.dumps([stanza(backup=[offline])]), "castle").backups[0]
    assert (backup.archive_start, backup.lsn_stop, backup.error) == (None, None, None)


def test_only_one_repository():
    second = {**FULL, "label": "20261122-060000F", "database": {"id": 1, "repo-key": 2}}
    raw = stanza(
        repo=[
            {"cipher": "aes-256-cbc", "key": 1, "status": {"code": 0, "message": "ok"}},
            {"cipher": "aes-256-cbc", "key": 2, "status": {"code": 2, "message": "no valid backups"}},
        ],
        status={"code": 4, "message": "different across repos"},
        backup=[FULL, second],
    )
    info = parse_info(json.dumps([raw]), "castle")

    assert info.status.known is StatusCode.MIXED
    assert info.only(2).status.known is StatusCode.NO_BACKUP
    assert [b.label for b in info.only(2).backups] == ["20261122-060000F"]
    assert info.only(2).databases == ()
    with pytest.raises(KeyError):
        info.only(3)


def test_newest_of_one_database():
    other = {**FULL, "label": "20270101-000000F", "database": {"id": 2, "repo-key": 1}}
    other["timestamp"] = {"start": 1800000000, "stop": 1800000001}
    info = parse_info(json.dumps([stanza(backup=[FULL, other])]), "castle")
    newest, first = info.newest(), info.newest(1)
    assert newest is not None
    assert first is not None
    assert (newest.label, first.label) == ("20270101-000000F", "20261122-055623F")


def test_a_status_code_that_is_not_in_the_table_counts_as_unreadable():
    assert Status(7, "something new").known is StatusCode.OTHER
    assert Status(7, "something new").cause is Cause.OTHER
    assert "something new" in Status(7, "something new").explanation


MESSAGES = [
    (Cause.DENIED, "[ProtocolError] HTTP request failed with 403 (Forbidden):\n<Code>SignatureDoesNotMatch</Code>"),
    (Cause.DENIED, "HTTP request failed with 403: <Code>InvalidAccessKeyId</Code>"),
    (Cause.CLOCK, "HTTP request failed with 403 (Forbidden): <Code>RequestTimeTooSkewed</Code>"),
    (Cause.NOT_FOUND, "[ProtocolError] HTTP request failed with 404 (Not Found): <Code>NoSuchBucket</Code>"),
    (Cause.DENIED, "HTTP request failed with 404 (Not Found): <Code>XAdminUserNotFound</Code>"),
    (Cause.BUSY, "HTTP request failed with 503 (Service Unavailable): <Code>SlowDown</Code>"),
    (Cause.TLS, "[CryptoError] unable to verify certificate presented by 's3:443': [20] unable to get local issuer"),
    (Cause.TLS, "[ServiceError] TLS error [1:167773208] tlsv1 alert unknown ca"),
    (Cause.UNREACHABLE, "[HostConnectError] unable to connect to '127.0.0.1:9': [111] Connection refused"),
    (Cause.UNREACHABLE, "unable to get address for 's3.example': [-2] Name or service not known"),
    (Cause.WRONG_PASS, "[CryptoError] unable to load info file '/c/backup/castle/backup.info': unable to flush"),
    (Cause.DAMAGED, "error restoring base/1: actual checksum 'a' does not match expected checksum 'b'"),
    (Cause.MISSING, "[FileMissingError] unable to open missing file '/castle/backup/castle/backup.info' for read"),
    (Cause.NO_SPACE, "unable to write '/data/base/1': [28] No space left on device"),
    (Cause.OTHER, "something that nobody knows"),
    (Cause.OTHER, "unable to do it under /ssl/403/404/zst"),
]


@pytest.mark.parametrize(("cause", "message"), MESSAGES)
def test_causes(cause: Cause, message: str):
    assert classify(message) is cause


def test_only_the_network_is_worth_waiting_for():
    assert {cause for cause in Cause if cause.transient} == {Cause.UNREACHABLE, Cause.BUSY}


@given(st.text())
def test_printable_is_printable_and_bounded(text: str):
    shown = printable(text, 40)
    assert len(shown) <= 40
    assert shown == "" or shown.isprintable()


@given(st.binary())
def test_any_bytes_are_an_answer_or_damaged(data: bytes):
    try:
        parse_info(data, "castle")
    except Damaged:
        return
    pytest.fail("random bytes were taken for an answer")
