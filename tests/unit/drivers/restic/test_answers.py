"""What restic says: its JSON, its exit codes, and the causes behind them. The texts are restic 0.18's own."""

from __future__ import annotations

import json

import pytest

from ephemeral_castle.drivers.restic.answers import (
    Cause,
    cause_of,
    explain,
    fields_of,
    message_of,
    parse_snapshots,
    pick,
    unix_time,
)
from ephemeral_castle.drivers.restic.locks import Lock, host_name, owner, stale
from ephemeral_castle.drivers.restic.moment import choose
from ephemeral_castle.errors import Damaged, Denied, NotFound, Permanent, Refused, Transient, Unreachable

SNAPSHOTS = json.dumps(
    [
        {
            "time": "2026-11-22T09:02:28.019140378Z",
            "tree": "9777bd7d",
            "paths": ["/castle/note", "/data"],
            "hostname": "here",
            "username": "root",
            "tags": ["run=r2", "life=3", "by-hand"],
            "program_version": "restic 0.18.0",
            "summary": {"total_files_processed": 53, "total_bytes_processed": 102000004},
            "id": "4316b5fd67a78c2dce7c532c05b0fc415a3871a05607bbd05e8a02e9a3d5c776",
            "short_id": "4316b5fd",
        },
        {
            "time": "2026-11-22T10:02:24+01:00",
            "paths": ["/home"],
            "hostname": "laptop",
            "id": "b97040e2d747a0dc43b550a8acb206915bc81da2f54a752d338c2db14dc38473",
        },
    ]
)
NO_REPOSITORY = (
    '{"message_type":"exit_error","code":10,"message":"Fatal: repository does not exist: unable to open config file: '
    'Stat: The specified key does not exist.\\nIs there a repository at the following location?\\ns3:https://t/b"}'
)


def test_snapshots_are_read_oldest_first() -> None:
    old, new = parse_snapshots(SNAPSHOTS)
    assert (old.host, new.host) == ("laptop", "here")
    assert new.time - old.time == pytest.approx(4.01914, abs=1e-4)
    assert (new.files, new.bytes, new.label, new.tags) == (53, 102000004, "4316b5fd", {"run": "r2", "life": "3"})
    assert (new.whole, old.whole) == (True, False)


def test_no_snapshot_is_no_error() -> None:
    assert parse_snapshots("[]") == parse_snapshots("null") == parse_snapshots("") == ()


def test_a_snapshot_is_picked_by_the_beginning_of_its_name_unless_that_fits_several() -> None:
    found = parse_snapshots(SNAPSHOTS)
    assert pick(found, "4316") == found[1]
    assert pick(found, "") is None
    assert pick(found * 2, "4316") is None


@pytest.mark.parametrize(
    ("code", "said", "cause", "error"),
    [
        (10, NO_REPOSITORY, Cause.ABSENT, NotFound),
        (11, "unable to create lock in backend: repository is already locked exclusively", Cause.LOCKED, Transient),
        (12, "Fatal: wrong password or no key found", Cause.PASSWORD, Denied),
        (3, '{"message_type":"error","error":{"message":"lstat /data/x: no such file"}}', Cause.UNREADABLE, Transient),
        (124, "", Cause.UNREACHABLE, Unreachable),
        (137, "", Cause.KILLED, Transient),
        (1, "dial tcp 10.0.0.1:9443: connect: connection refused", Cause.UNREACHABLE, Unreachable),
        (1, "Fatal: unable to open config file: Stat: Access Denied.", Cause.DENIED, Denied),
        (1, "The difference between the request time and the server's time is too large.", Cause.CLOCK, Denied),
        (1, "tls: failed to verify certificate: x509: certificate signed by unknown authority", Cause.TLS, Denied),
        (1, "write /data/large.bin: no space left on device", Cause.NO_SPACE, Permanent),
        (1, "Load(<data/5a1b>, 0, 0) failed: ciphertext verification failed", Cause.DAMAGED, Damaged),
        (1, "Fatal: repository contains errors", Cause.DAMAGED, Damaged),
        (1, "something nobody has seen before", Cause.OTHER, Permanent),
        (99, "a code of a later restic", Cause.OTHER, Permanent),
    ],
)  # fmt: skip
def test_the_cause_of_a_failure(code: int, said: str, cause: Cause, error: type[Exception]) -> None:
    assert cause_of(code, said) is cause
    found = explain(code, said, "backing up the files", where="here")
    assert type(found) is error
    assert found.why
    assert found.hints


def test_the_message_is_one_line_that_a_terminal_may_show() -> None:
    assert message_of(NO_REPOSITORY).startswith("Fatal: repository does not exist")
    assert "\n" not in message_of(NO_REPOSITORY)
    assert message_of("\x1b[31mred\x1b[0m\n") == "[31mred [0m"
    assert message_of('{"message_type":"error","error":{"message":"x"}}\n{broken') == "{broken"


def test_lines_of_the_script_are_read_and_what_is_broken_is_none() -> None:
    found = fields_of('taken {"files": 3}\nsaid {bro\nnoise\nmarker "a b"\n', ["taken", "said", "marker", "moved"])
    assert found == {"taken": {"files": 3}, "said": None, "marker": "a b", "moved": None}


def test_go_writes_nanoseconds() -> None:
    assert unix_time("1970-01-01T00:00:01.123456789Z") == pytest.approx(1.123456)


def test_a_lock_is_known_by_the_host_that_castle_named() -> None:
    name = host_name(3, "20261122-091651-ebf3", "here")
    assert owner(Lock("x", name)) == (3, "20261122-091651-ebf3")
    assert owner(Lock("x", "laptop")) is None
    assert len(host_name(3, "r" * 60, "here")) <= 63


def test_only_a_lock_that_an_ended_run_left_is_stale() -> None:
    assert stale(Lock("x", host_name(2, "r1", "here")), "r2")
    assert not stale(Lock("x", host_name(2, "r2", "here")), "r2")
    assert not stale(Lock("x", host_name(2, "r1", "here")), "r2", busy=["r1"])
    assert not stale(Lock("x", "laptop"), "r2")
    assert not stale(Lock("x", ""), "r2")


def test_a_point_in_time_means_the_newest_snapshot_before_it() -> None:
    old, new = found = parse_snapshots(SNAPSHOTS)
    assert choose(found, "", "", "there") == new
    assert choose(found, "2026-11-22T09:02:25+00:00", "", "there") == old
    assert choose(found, "", "b970", "there") == old
    for to, label in (("2001-01-01T00:00:00+00:00", ""), ("", "ffff")):
        with pytest.raises(Refused, match="no snapshot"):
            choose(found, to, label, "there")
    with pytest.raises(Refused, match="holds no snapshot"):
        choose((), "", "", "there")
