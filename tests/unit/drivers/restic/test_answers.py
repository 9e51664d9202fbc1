"""What restic says: its JSON, its exit codes, and the causes behind them. The texts are restic 0.18's own."""

from __future__ import annotations

import dataclasses
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
from ephemeral_castle.drivers.restic.locks import Asks, Lock, Owner, host_name, owner, stale
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
        (124, "not done within 300 s", Cause.TIME, Transient),
        (124, "dial tcp 10.0.0.1:9443: i/o timeout\nnot done within 300 s", Cause.UNREACHABLE, Unreachable),
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


def test_a_command_that_ran_out_of_time_was_told_as_a_treasury_that_does_not_answer() -> None:
    found = explain(124, "not done within 14400 s\n", "backing up the files")
    assert not isinstance(found, Unreachable)
    assert found.why.endswith("not done within 14400 s")


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


ASKS = Asks("r2", "here", "computer-1", 10_000.0)
LATE = "1970-01-01T02:40:00.123456789Z"  # 400 s before
EARLY = "1970-01-01T02:00:00Z"


def test_a_lock_is_known_by_the_host_that_castle_named() -> None:
    name = host_name(3, "20261122-091651-ebf3", "here", "computer-1")
    assert owner(Lock("x", name), ASKS) == Owner(3, "20261122-091651-ebf3", here=True)
    elsewhere = host_name(3, "20261122-091651-ebf3", "here", "computer-2")
    assert owner(Lock("x", elsewhere), ASKS) == Owner(3, "20261122-091651-ebf3", here=False)
    assert owner(Lock("x", "laptop"), ASKS) is None
    long = dataclasses.replace(ASKS, castle="c" * 60)
    name = host_name(3, "20261122-091651-ebf3", long.castle, "computer-1")
    assert len(name) == 63
    assert owner(Lock("x", name), long) == Owner(3, "20261122-091651-ebf3", here=True)


def test_only_a_lock_that_an_ended_run_left_is_stale() -> None:
    assert stale(Lock("x", host_name(2, "r1", "here", "computer-1"), LATE, exclusive=True), ASKS)
    assert not stale(Lock("x", host_name(2, "r2", "here", "computer-1"), EARLY), ASKS)
    assert not stale(Lock("x", "laptop"), ASKS)
    assert not stale(Lock("x", ""), ASKS)


@pytest.mark.parametrize("castle", ["her", "here2", "other"])
def test_a_lock_of_another_castle_was_taken_for_ones_own(castle: str) -> None:
    assert not stale(Lock("x", host_name(2, "r1", castle, "computer-1"), EARLY), ASKS)


def test_an_exclusive_lock_of_another_computer_was_taken_away_while_its_owner_worked() -> None:
    for host in (host_name(2, "r1", "here", "computer-2"), "life2.r1.here"):
        assert stale(Lock("x", host, LATE), ASKS)
        assert stale(Lock("x", host, EARLY, exclusive=True), ASKS)
        assert not stale(Lock("x", host, LATE, exclusive=True), ASKS)
        assert not stale(Lock("x", host, "nobody knows", exclusive=True), ASKS)


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
