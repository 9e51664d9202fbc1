"""Which backups never ended, by what lies in the repository."""

from __future__ import annotations

from ephemeral_castle.postgres.leftovers import aborted

DONE, KILLED = "20261122-100000F", "20261122-100000F_20261122-110000I"


def test_a_backup_without_its_manifest_never_ended():
    names = [
        "backup.info", "backup.info.copy", "backup.history/2026/x.manifest.gz", "latest",
        f"{DONE}/backup.manifest", f"{DONE}/backup.manifest.copy", f"{DONE}/pg_data/PG_VERSION.zst",
        f"{KILLED}/backup.manifest.copy", f"{KILLED}/bundle/1",
    ]  # fmt: skip
    assert aborted(names) == [KILLED]


def test_what_has_no_copy_of_a_manifest_is_left_alone():
    assert aborted([f"{DONE}/pg_data/PG_VERSION.zst", "notes/backup.manifest.copy"]) == []
