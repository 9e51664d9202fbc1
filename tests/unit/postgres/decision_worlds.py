"""Worlds in which the decision is asked."""

from __future__ import annotations

from dataclasses import replace

from ephemeral_castle.postgres.causes import Cause
from ephemeral_castle.postgres.lsn import Lsn
from ephemeral_castle.postgres.pgbackrest import Backup, Database, StatusCode
from ephemeral_castle.postgres.states import (
    Code,
    Condition,
    Decision,
    Intent,
    Lineage,
    Recorded,
    Refuse,
    RepoState,
    RepoView,
)

MINE, OTHER = 7000000000000000001, 7000000000000000002
MARK = Lsn.parse("0/9000100")
LABEL = "20261122-055623F"
RECORDED = Recorded(
    system_id=MINE,
    timeline=3,
    stanza="castle",
    path="/castle",
    generation=7,
    label=LABEL,
    marker="nonce-b",
    mark=MARK,
    sealed=True,
)
NEW = Intent(new=True)
ADOPT = Intent(adopt=True)


def backup(label: str = LABEL, database_id: int = 1, lsn_stop: str = "0/8000100", **changes: object) -> Backup:
    made = Backup(
        label=label,
        type="full",
        prior=None,
        reference=(),
        error=False,
        start=1,
        stop=2,
        archive_start="000000030000000000000008",
        archive_stop="000000030000000000000008",
        lsn_start=Lsn.parse("0/8000028"),
        lsn_stop=Lsn.parse(lsn_stop),
        database_id=database_id,
        repo_key=1,
        size=1,
        repo_size=1,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def database(id_: int = 1, system_id: int = MINE) -> Database:
    return Database(id=id_, repo_key=1, system_id=system_id, version="15")


GOOD = RepoView(
    key=1,
    status=StatusCode.OK,
    databases=(database(),),
    backups=(backup(),),
    chain_end=Lsn.parse("0/A000000"),
    timeline=3,
)


def repo(*views: RepoView, empty: bool | None = False, known: bool | None = True, path: str = "/castle") -> RepoState:
    return RepoState(
        stanza="castle", path=path, views=views, prefix_empty=empty, lineage_object=known, pass_name="database.pass"
    )


def broken(status: StatusCode, cause: Cause = Cause.NONE, key: int = 1) -> RepoView:
    return RepoView(key=key, status=status, cause=cause)


def unreadable(cause: Cause, key: int = 1) -> RepoView:
    return broken(StatusCode.OTHER, cause, key)


NOTHING = broken(StatusCode.NO_STANZA)
BARE = repo(NOTHING, empty=True, known=False)
HOME = repo(GOOD)
LIVING = Lineage(MINE, 3, Condition.RUNNING, generation=7)


def refused(decision: Decision, code: Code) -> Refuse:
    assert isinstance(decision, Refuse), decision
    assert decision.code is code
    assert decision.message
    assert decision.cause
    assert decision.hints
    return decision


TWO = replace(
    GOOD,
    databases=(database(1), database(2, OTHER)),
    backups=(backup(), backup("20270101-000000F", 2, stop=9)),
)
