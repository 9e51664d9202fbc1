from __future__ import annotations

from ephemeral_castle.postgres.causes import Cause
from ephemeral_castle.postgres.chain import chain
from ephemeral_castle.postgres.lsn import Lsn
from ephemeral_castle.postgres.pgbackrest import Archive, Database, RepoInfo, RepoStatus, Status, StatusCode
from ephemeral_castle.postgres.segments import Segment
from ephemeral_castle.postgres.states import views

INFO = RepoInfo(
    stanza="castle",
    status=Status(4, "different across repos"),
    repos=(
        RepoStatus(1, "aes-256-cbc", Status(0, "ok")),
        RepoStatus(2, "aes-256-cbc", Status(99, "[HostConnectError] unable to connect to 'x'")),
    ),
    databases=(Database(1, 1, 71, "15"),),
    archives=(Archive("15-1", 1, 1, None, None),),
    backups=(),
)


def test_views_join_what_pgbackrest_says_with_what_castle_listed():
    listed = chain([Segment(1, 3).name(), Segment(1, 5).name()], Segment(1, 3).name())
    first, second = views(INFO, {1: listed}, {1: 2})

    assert (first.key, first.status, first.cause) == (1, StatusCode.OK, Cause.NONE)
    assert first.chain_end == Lsn.parse("0/4000000")
    assert first.beyond == (Segment(1, 5).name(),)
    assert first.timeline == 2
    assert [database.system_id for database in first.databases] == [71]
    assert (second.status, second.cause) == (StatusCode.OTHER, Cause.UNREACHABLE)
    assert "does not answer" in second.explanation
    assert (second.databases, second.chain_end, second.timeline) == ((), None, None)
