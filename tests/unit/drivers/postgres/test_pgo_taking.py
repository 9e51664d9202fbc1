"""A living PostgresCluster of somebody else is taken over as it is, and known by its uid until its first end."""

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import Any

import pytest

from ephemeral_castle.drivers.postgres.configuration import admit
from ephemeral_castle.drivers.postgres.pgo.clearing import Clear, Listing
from ephemeral_castle.drivers.postgres.pgo.taking import Lock, Survey
from ephemeral_castle.errors import Refused
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.postgres.config import Access
from ephemeral_castle.spi.kubernetes import Manifest, Ref
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.world.simulated_kubernetes import MemoryCluster
from tests.unit.drivers.postgres.operated import (
    CREATED,
    GROUP,
    LAYER,
    SITE,
    claim,
    cluster,
    instance,
    leader,
    marks,
    options,
    place,
)
from tests.unit.drivers.postgres.test_pgo_bad_days import installed, part

DB = Ref(f"{GROUP}/v1beta1", "PostgresCluster", "db", "data")
UNIT = {"kustomize.toolkit.fluxcd.io/name": "data", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
FLUX = "kustomize.toolkit.fluxcd.io/v1"


class Keys:
    """A castle that knows no password of the living cluster yet."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {"database/cipher": "the-pass", "writer/1": "k"}

    async def get(self, name: str) -> Secret | None:
        return Secret(self.known[name]) if name in self.known else None

    async def put(self, name: str, value: Secret) -> None:
        self.known[name] = value.reveal()


def living(labels: Any = None, *, bucket: str = "b", path: str = "/lab/repo1", version: int = 17) -> Manifest:
    """Somebody's own."""
    made = cluster(1, labels=labels or {})
    repos = [{"name": "repo1", "s3": {"bucket": bucket}}]
    made["spec"]["backups"] = {"pgbackrest": {"global": {"repo1-path": path}, "repos": repos}}
    made["spec"]["postgresVersion"] = version
    return made


def there(of: Manifest, *more: Manifest) -> MemoryCluster:
    """With the operator, one user's Secret, and no mark of castle's anywhere."""
    made = installed(of, instance(), leader(), claim(), *more)
    labels = {f"{GROUP}/cluster": "db", f"{GROUP}/role": "pguser", f"{GROUP}/pguser": "app"}
    data = {"password": base64.b64encode(b"theirs").decode()}
    meta = {"name": "db-pguser-app", "namespace": "data", "labels": labels}
    made.put({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data})
    made.objects[DB]["metadata"]["uid"] = "uid-db"
    return made


def raising(board: MemoryCluster, *, adopt: bool = True, **more: Any) -> Any:
    """The survey of the first raise."""
    request = SimpleNamespace(verb=Verb.RAISE, adopt=adopt, side=False, castle=SimpleNamespace(name="lab"), site=SITE)
    layer = SimpleNamespace(**{**LAYER.__dict__, "options": {"repository": "repo1"}})
    given = {
        "request": request, "layer": layer, "life": 1, "old_life": 0, "secrets": Keys(),
        "record": SimpleNamespace(id=CREATED, lineage={}, life=0, site=""), **more,
    }  # fmt: skip
    made = part(Survey, board, {}, **given)

    async def agrees(_: Any) -> str:
        return "7"

    made._agrees = agrees
    return made


async def test_a_living_cluster_is_taken_over_and_nothing_of_it_is_changed() -> None:
    board = there(living())
    before = {ref: dict(found["metadata"]) for ref, found in board.objects.items()}
    survey = raising(board)
    found = await survey.taken_over(None)
    assert (found["plan"], found["presence"], found["taken"]) == ("standing", "present", "uid-db")
    assert {ref: dict(each["metadata"]) for ref, each in board.objects.items()} == before
    assert survey.ctx.secrets.known["database/user/app"] == "theirs"


async def test_without_the_word_a_stranger_stays_a_stranger() -> None:
    assert await raising(there(living()), adopt=False).taken_over(None) is None
    with pytest.raises(Refused, match="not our mark"):
        await place(there(living())).cluster()


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (living(bucket="other"), "in bucket `other` at /lab/repo1"),
        (living(path="/lab/another"), "at /lab/another"),
        (living(version=16), "runs PostgreSQL 16"),
    ],
)
async def test_what_castle_could_not_bring_home_is_not_taken_over(of: Manifest, words: str) -> None:
    with pytest.raises(Refused, match="cannot be taken over") as error:
        await raising(there(of)).taken_over(None)
    assert words in str(error.value.why)
    assert "it serves as before" in str(error.value.state)


async def test_a_secret_of_the_name_that_castle_would_make_is_named_before_anything_ends() -> None:
    """It was found when the old cluster was gone already, and the new one could not be begun."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db-s3", "namespace": "data"}}
    with pytest.raises(Refused, match="cannot be taken over") as error:
        await raising(there(living(), secret)).taken_over(None)
    assert "`secret: db-s3`" in " ".join(error.value.hints)
    assert await raising(there(living(), secret), options=options(secret="db-s3")).taken_over(None)


async def test_another_castles_cluster_is_not_taken_over() -> None:
    with pytest.raises(Refused, match="stands where database"):
        await raising(there(living(marks(3)))).taken_over(None)


KNOWN = {"system_id": "7", "uid": "uid-db", "life": 2}


def later(**more: Any) -> dict[str, Any]:
    """What a step of a later run knows."""
    return {"record": SimpleNamespace(id=CREATED, lineage={"database": {**KNOWN, **more}}, life=2)}


async def test_it_is_known_by_its_uid_and_by_no_other() -> None:
    board = there(living())
    assert await place(board, lineage=KNOWN).state() == "running"
    for other in ({**KNOWN, "uid": "another"}, {**KNOWN, "life": 1}):
        with pytest.raises(Refused, match="not our mark"):
            await place(board, lineage=other).state()


async def test_its_end_takes_its_users_along_and_leaves_what_is_not_its_own() -> None:
    """A Secret of the former cluster was taken for the new one's, and vanished a moment later."""
    own = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db-s3", "namespace": "data"}}
    board = there(living(), own)
    listed = await part(Listing, board, **later()).observe()
    names = [(each["kind"], each["name"]) for each in listed.facts["inventory"]]
    assert names == [("PostgresCluster", "db"), ("PersistentVolumeClaim", "db-a-x-pgdata"), ("Secret", "db-pguser-app")]
    await part(Clear, board, found={"database.inventory": listed.facts}, **later()).act()
    assert DB not in board.objects
    assert Ref("v1", "Secret", "db-s3", "data") in board.objects


async def test_in_its_next_life_only_marks_count() -> None:
    board = there(living())
    with pytest.raises(Refused, match="stands where database"):
        await part(Lock, board, life=3, **later()).act()


def unit(*names: str, optional: bool = False) -> Manifest:
    """The Kustomization that applies it."""
    reads = [{"kind": "ConfigMap", "name": each, "optional": optional} for each in names]
    meta = {"name": "data", "namespace": "flux-system"}
    return {"apiVersion": FLUX, "kind": "Kustomization", "metadata": meta,
            "spec": {"postBuild": {"substituteFrom": reads}}}  # fmt: skip


@pytest.mark.parametrize(
    ("tree", "refused"),
    [(unit("castle-life"), False), (unit("values"), True), (unit("castle-life", optional=True), True), (None, True)],
)
async def test_a_tree_that_would_bring_it_back_empty_is_refused_before_the_cut(
    tree: Manifest | None, refused: bool
) -> None:
    board = there(living(UNIT))
    board.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "flux-system"}})
    if tree is not None:
        board.put(tree)
    request = SimpleNamespace(verb=Verb.REBIRTH, adopt=False, side=False, castle=SimpleNamespace(name="lab"), site=SITE)
    survey = part(Survey, board, {}, request=request, options=options(by="git"), **later())

    async def listed() -> bool:
        return True

    survey.listed = listed
    if not refused:
        assert await survey.taken_over(None) is None
        return
    with pytest.raises(Refused, match="would not bring database"):
        await survey.taken_over(None)


@pytest.mark.parametrize("by", ["git", "castle"])
async def test_a_tree_may_begin_to_read_the_word_of_a_living_cluster(by: str) -> None:
    """It names castle's own key and no `dataSource`; the cluster itself is not written."""
    board = there(living())
    board.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "flux-system"}})
    before = board.objects[DB]["metadata"]["resourceVersion"]
    known = {**raising(board).ctx.__dict__, "options": options(by=by)}
    lock = part(Lock, board, {"plan": "standing", "taken": "uid-db"}, **{
        key: known[key] for key in ("request", "layer", "life", "old_life", "secrets", "record", "options")
    })  # fmt: skip
    await lock.act()
    assert board.objects[DB]["metadata"]["resourceVersion"] == before
    word = board.objects.get(Ref("v1", "ConfigMap", "castle-life", "flux-system"))
    key = board.objects.get(Ref("v1", "Secret", "db-s3", "data"))
    assert (word is not None, key is not None) == (by == "git", by == "git")
    if word is not None:
        assert word["data"]["database_birth_key"] == "shutdown"
        assert word["data"]["database_secret"] == "db-s3"
        assert '"repo1-path": "/lab/repo1"' in word["data"]["database_global"]


async def test_without_pgbouncer_its_server_is_the_door() -> None:
    of = living()
    del of["spec"]["proxy"]
    service = {"type": "ClusterIP", "clusterIP": "10.96.0.8", "ports": [{"port": 5432}]}
    meta = {"name": "db-ha", "namespace": "data"}
    board = there(of, {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": service})
    home = place(board, lineage=KNOWN)
    assert await home.state(pooler=True) == "running"
    assert (await home.door()).port == 5432


@pytest.mark.parametrize(
    ("repository", "account", "lies"),
    [("", "castle-c0ffee00-reader", "pgbackrest"), ("repo1", "castle-c0ffee00-database-reader", "repo1")],
)
async def test_a_repository_of_its_own_folder_was_closed_to_the_reader(
    repository: str, account: str, lies: str
) -> None:
    """The account that reads the castle's other repositories may read nothing there."""
    made: list[tuple[str, str]] = []

    class Accounts:
        async def may_read(self, *_: str) -> bool:
            return False

        async def mint_reader(self, name: str, _: str, folder: str) -> None:
            made.append((name, folder))

    survey = raising(there(living()))
    survey.ctx.layer.options = {"repository": repository}
    survey.ctx.world.identities = Accounts()
    await admit(survey, Access.READER)
    assert made == [(account, lies)]
