from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemeral_castle.errors import CastleError, Damaged, Denied, NotFound, Permanent, Refused, Transient, Unreachable
from ephemeral_castle.postgres.exits import explain

REFUSED_403 = "WARN: repo1: [ProtocolError] HTTP request failed with 403 (Forbidden):\n<Code>SignatureDoesNotMatch"
NO_SET = "\nERROR: [075]: no backup set found to restore"

TABLE = [
    (28, "", "stanza-create", Refused, "another database cluster"),
    (29, "ERROR: [029]: Data corruption detected", "restore", Damaged, "cannot be decrypted, or is damaged"),
    (31, "", "backup", Permanent, "does not accept an option"),
    (32, "", "backup", Permanent, "invalid value"),
    (37, "", "backup", Permanent, "not set"),
    (38, "", "restore", Refused, "PostgreSQL runs"),
    (39, REFUSED_403, "stanza-create", Denied, "refuses the access key"),
    (39, "HTTP request failed with 404 (Not Found)", "stanza-create", NotFound, "404"),
    (40, "", "restore", Refused, "not empty"),
    (40, "", "stanza-create", Damaged, "info files that describe them are gone"),
    (42, "", "restore", Unreachable, "cut in the middle"),
    (44, "", "archive-push", Refused, "another database cluster"),
    (45, "", "archive-push", Refused, "other content"),
    (49, "HostConnectError: unable to connect", "stanza-create", Unreachable, "does not answer"),
    (50, "", "backup", Transient, "holds the lock"),
    (51, "", "backup", Refused, "another database cluster"),
    (55, "", "restore", Damaged, "missing"),
    (56, "", "backup", Unreachable, "no primary"),
    (58, "", "backup", Refused, "timeline"),
    (62, "", "backup", Permanent, "stopped on this host"),
    (64, "No space left on device", "restore", Permanent, "no space"),
    (64, "", "restore", Permanent, "disk is full"),
    (68, "", "check", Permanent, "archive_command"),
    (75, REFUSED_403 + NO_SET, "restore", Denied, "refuses the access key"),
    (75, NO_SET, "restore", Permanent, "no usable backup set"),
    (
        75,
        "WARN: repo1: [FormatError] unable to load info file '/c/backup/castle/backup.info':\n"
        "      FormatError: key/value found outside of section at line 1: x" + NO_SET,
        "restore",
        Damaged,
        "cipher pass does not open",
    ),
    (75, "WARN: repo1: [HostConnectError] unable to connect to 'x'" + NO_SET, "restore", Unreachable, "not answer"),
    (
        75,
        "WARN: repo1: [FileMissingError] unable to open missing file '/c/backup.info'" + NO_SET,
        "restore",
        NotFound,
        "nothing is at this path",
    ),
    (82, "", "check", Transient, "did not arrive"),
    (87, "", "check", Permanent, "archive_mode"),
    (95, "unable to verify certificate presented by", "stanza-create", Denied, "not trusted"),
    (95, "unable to load info file '/c/archive/castle/archive.info': unable to flush", "check", Damaged, "cipher pass"),
    (101, "", "info", Unreachable, "kept failing"),
    (127, "", "info", Permanent, "not installed"),
    (99, "", "info", Permanent, "not in castle's table"),
]


@pytest.mark.parametrize(("code", "stderr", "command", "kind", "why"), TABLE)
def test_meaning(code: int, stderr: str, command: str, kind: type[CastleError], why: str):
    error = explain(code, stderr, command, where="database")

    assert type(error) is kind
    assert why in error.why
    assert error.message == f"pgbackrest {command} failed with exit code {code}"
    assert error.where == "database"
    assert error.hints


def test_a_truncated_object_in_a_restore_is_not_blamed_on_the_pass():
    error = explain(95, "ERROR: [095]: unable to flush", "restore")
    assert isinstance(error, Damaged)
    assert "truncated" in error.why
    assert "cipher pass does not open" not in error.why


def test_a_file_that_the_archive_does_not_have():
    assert isinstance(explain(1, "", "archive-get"), NotFound)
    assert isinstance(explain(1, "", "backup"), Permanent)


@pytest.mark.parametrize("code", [-9, 137])
def test_signals(code: int):
    error = explain(code, "", "backup")
    assert isinstance(error, Transient)
    assert "signal 9" in error.why


def test_a_failed_restore_says_what_state_the_directory_is_in():
    assert "cannot start" in explain(55, "", "restore").state


def test_the_vendors_words_stand_in_the_cause_without_their_prefix():
    error = explain(50, "P00  ERROR: [050]: unable to acquire lock on file '/tmp/x.lock'\n  HINT: y", "backup")
    assert error.why.endswith("(unable to acquire lock on file '/tmp/x.lock')")


@given(st.integers(-64, 255), st.text(), st.sampled_from(["restore", "backup", "stanza-create", "info", "check"]))
def test_total(code: int, stderr: str, command: str):
    error = explain(code, stderr, command)
    assert error.why
    assert "\n" not in error.why
