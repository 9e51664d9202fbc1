"""The castle's repository over HTTPS (git http-backend behind TLS) and by SSH (a real sshd)."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import socket
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from ephemeral_castle.errors import CastleError, Denied, NotFound, Refused, Unreachable
from ephemeral_castle.model.castle import Repository
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.spi.world import Revision
from ephemeral_castle.world import git_remote
from ephemeral_castle.world.objects import S3Objects
from ephemeral_castle.world.ssh_transport import fingerprint
from tests.e2e.treasuries import Treasury
from tests.githosts import HttpsHost, Origin, Place, SshHost, free_port

pytestmark = pytest.mark.evidence("real", "git", "s3")

TOKEN = "to" + "ken-4711-of-the-castle"


@pytest.fixture
def root(room: Path) -> Path:
    room.chmod(0o755)
    return room


@pytest.fixture
def origin(root: Path) -> Origin:
    made = Origin(root / "castle.git")
    made.commit({"data": {"compose.yaml": "services: {}\n"}})
    return made


@pytest.fixture
def place(root: Path) -> Place:
    return Place(root)


@pytest.fixture
def https(origin, root):
    host = HttpsHost(root, root / "tls")
    yield host
    host.stop()


@pytest.fixture
def guarded(https, place):
    """A host that asks for a token, and the repository that names it."""
    https.token = TOKEN
    place.secrets.known["git/token"] = Secret(TOKEN)
    return Repository(https.url, token="git/token", ca=https.ca)


@pytest.fixture
def ssh(origin, root):
    host = SshHost(origin, root / "ssh")
    yield host
    host.stop()


@pytest.fixture
def keyed(ssh, place):
    place.secrets.known["git/key"] = Secret(ssh.key)
    return Repository(ssh.url, key="git/key", host_keys=(ssh.host_key,))


def seen_by_others() -> str:
    """Arguments and environments of every process but this one."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            for part in ("cmdline", "environ"):
                try:
                    found.append((entry / part).read_bytes().decode(errors="replace"))
                except OSError:
                    continue
    return "\0".join(found)


async def look_while(work: Coroutine[Any, Any, Revision]) -> tuple[asyncio.Task[Revision], str]:
    """Looks at all processes again and again while something is done; gives its result and what was seen."""
    task: asyncio.Task[Revision] = asyncio.ensure_future(work)
    seen: list[str] = []
    while not task.done():
        seen.append(await asyncio.to_thread(seen_by_others))
        await asyncio.sleep(0.02)
    return task, "".join(seen)


async def test_over_https_with_a_ca_of_its_own(https, place):
    revision = await place.source(Repository(https.url, ca=https.ca)).resolve()
    assert revision.source == "remote"
    files = await place.source(Repository(https.url, ca=https.ca)).read(revision.sha, "data")
    assert files["compose.yaml"].content == b"services: {}\n"


async def test_a_certificate_of_a_stranger_is_not_believed(https, place):
    with pytest.raises(Denied, match="certificate") as caught:
        await place.source(Repository(https.url)).resolve()
    assert any("repository.ca" in hint for hint in caught.value.hints)
    assert https.seen == []


async def test_the_token_opens_and_is_seen_by_nobody_else(https, guarded, place):
    https.delay = 0.3
    task, seen = await look_while(place.source(guarded).resolve())
    assert task.result().source == "remote"
    assert "http-backend" in seen or "git-remote-https" in seen
    assert TOKEN not in seen
    assert TOKEN not in "".join(
        path.read_bytes().decode(errors="replace") for path in place.home.rglob("*") if path.is_file()
    )


async def test_a_wrong_token_is_denied_and_never_repeated(https, guarded, place):
    place.secrets.known["git/token"] = Secret("wrong-" + TOKEN)
    with pytest.raises(Denied, match="refuses us") as caught:
        await place.source(guarded).resolve()
    assert TOKEN not in str(caught.value.as_dict())


async def test_a_missing_token_is_asked_for(https, guarded, place):
    with pytest.raises(Denied, match="refuses us"):
        await place.source(dataclasses.replace(guarded, token="")).resolve()
    place.secrets.known.clear()
    with pytest.raises(NotFound, match="git/token"):
        await place.source(guarded).resolve()


async def test_the_token_is_not_given_to_where_the_host_sends_us(https, guarded, place, root):
    other = HttpsHost(root, root / "tls")
    other.token = TOKEN
    https.token, https.move = "", f"https://127.0.0.1:{other.port}"
    with pytest.raises(CastleError):
        await place.source(guarded).resolve()
    other.stop()
    assert other.seen
    assert not any(other.seen)


@pytest.mark.parametrize(("status", "kind"), [(404, NotFound), (403, Denied), (503, Unreachable)])
async def test_what_the_host_answers_is_told(https, guarded, place, status, kind):
    https.status = status
    with pytest.raises(kind) as caught:
        await place.source(guarded).resolve()
    assert str(status) in caught.value.why or "not found" in caught.value.why


async def test_a_host_that_is_down_is_replaced_by_the_copy(https, guarded, place):
    source = place.source(guarded)
    first = await source.resolve()
    await source.keep(first.sha)
    https.stop()
    place.lose_computer()
    revision = await place.source(guarded).resolve()
    assert (revision.sha, revision.source) == (first.sha, "bundle")
    assert "does not answer" in revision.notes[0]


async def test_a_host_that_answers_but_refuses_was_replaced_too(https, guarded, place):
    source = place.source(guarded)
    first = await source.resolve()
    await source.keep(first.sha)
    place.secrets.known["git/token"] = Secret("expired")
    with pytest.raises(Denied, match="refuses us") as caught:
        await place.source(guarded).resolve()
    assert f"`repository.ref: {first.sha}`" in caught.value.hints[-1]
    place.lose_computer()
    assert (await place.source(guarded).resolve(first.sha)).source == "bundle"


async def test_a_host_that_takes_the_call_and_says_nothing_is_given_up(place, monkeypatch):
    monkeypatch.setattr(git_remote, "ANSWER", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        repository = Repository(f"https://127.0.0.1:{deaf.getsockname()[1]}/castle.git")
        began = time.monotonic()
        with pytest.raises(Unreachable, match="does not answer"):
            await place.source(repository).resolve()
    assert time.monotonic() - began < 5


async def test_nobody_at_the_address(place):
    with pytest.raises(Unreachable, match="does not answer"):
        await place.source(Repository(f"https://127.0.0.1:{free_port()}/castle.git")).resolve()


async def test_a_commit_that_no_branch_names_any_more_is_had_where_the_host_gives_it(https, origin, place):
    gone = origin.commit({"a": "1"}, branch="short-lived")
    origin.git("update-ref", "-d", "refs/heads/short-lived")
    assert (await place.source(Repository(https.url, ca=https.ca)).resolve(gone)).sha == gone


async def test_a_commit_within_a_branch_is_had_also_from_a_host_that_gives_branches_only(https, origin, place):
    gone = origin.commit({"a": "1"}, branch="short-lived")
    origin.git("update-ref", "-d", "refs/heads/short-lived")
    older = origin.git("rev-parse", "main")
    origin.commit({"a": "2"})
    https.old = True
    source = place.source(Repository(https.url, ca=https.ca))
    assert (await source.resolve(older)).sha == older
    with pytest.raises(NotFound) as caught:
        await source.resolve(gone)
    assert "no branch and no tag leads to it" in caught.value.why


@pytest.mark.machines
async def test_by_ssh_with_a_key_that_lies_nowhere(keyed, ssh, place):
    task, seen = await look_while(place.source(keyed).resolve())
    assert task.result().source == "remote"
    secret = ssh.key.splitlines()[2]
    assert "git-upload-pack" in seen
    assert secret not in seen
    for directory in (place.home, Path("/run"), Path("/dev/shm")):
        for path in directory.glob("*git*") if directory != place.home else directory.rglob("*"):
            assert not path.is_file() or secret not in path.read_bytes().decode(errors="replace")


@pytest.mark.machines
async def test_by_ssh_another_host_key_is_denied_and_both_are_named(keyed, ssh, place):
    source = place.source(keyed)
    first = await source.resolve()
    pinned = ssh.host_key
    ssh.stop()
    ssh.start("impostor")
    with pytest.raises(Denied, match="not the one that was pinned") as caught:
        await place.source(keyed).resolve()
    assert fingerprint(pinned) in caught.value.why
    assert fingerprint(ssh.host_key) in caught.value.why
    both = dataclasses.replace(keyed, host_keys=(pinned, ssh.host_key))
    assert (await place.source(both).resolve()).sha == first.sha
    await source.keep(first.sha)
    with pytest.raises(Denied, match="not the one that was pinned") as caught:
        await place.source(keyed).resolve()
    assert f"`repository.ref: {first.sha}`" in caught.value.hints[-1]


@pytest.mark.machines
async def test_by_ssh_a_key_that_is_not_ours_is_denied(keyed, ssh, place):
    place.secrets.known["git/key"] = Secret(ssh.keygen("stranger"))
    with pytest.raises(Denied, match="refuses us"):
        await place.source(keyed).resolve()
    place.secrets.known["git/key"] = Secret("not a key")
    with pytest.raises(Refused, match="no private key"):
        await place.source(keyed).resolve()


@pytest.mark.machines
async def test_by_ssh_a_path_that_is_no_repository(keyed, ssh, place):
    with pytest.raises(NotFound, match="no repository at this address"):
        await place.source(dataclasses.replace(keyed, url=f"{keyed.url}x")).resolve()


@pytest.mark.machines
async def test_by_ssh_a_host_that_is_down_is_replaced_by_the_copy(keyed, ssh, place):
    source = place.source(keyed)
    first = await source.resolve()
    await source.keep(first.sha)
    ssh.stop()
    revision = await source.resolve()
    assert (revision.sha, revision.source) == (first.sha, "bundle")


@pytest.mark.machines
async def test_a_repository_of_another_user_is_not_trusted(origin, place, ssh):
    with pytest.raises(Refused, match="does not trust"):
        await place.source(Repository(str(origin.directory))).resolve()


@pytest.mark.machines
def test_the_copy_lies_in_a_real_treasury(origin, root):
    """Kept, kept again, superseded and taken back through a real S3 server."""
    treasury = Treasury(root / "outside")
    repository = Repository(str(origin.directory))

    async def keep_some(objects: S3Objects) -> list[str]:
        place = Place(root, objects)
        source = place.source(repository)
        shas = []
        for number in range(5):
            shas.append(origin.commit({"a": str(number)}))
            await source.keep((await source.resolve()).sha)
            await source.keep(shas[-1])
        origin.directory.rename(root / "away")
        place.lose_computer()
        revision = await source.resolve()
        assert (revision.sha, revision.source) == (shas[-1], "bundle")
        assert (await source.read(shas[-1]))["a"].content == b"4"
        return shas

    try:
        shas = treasury.ask(keep_some, "toy")
        copies = [f"toy/git/{sha}.bundle.age" for sha in shas[2:]]
        assert sorted(treasury.names("toy")) == sorted([*copies, "toy/git/index.age"])
    finally:
        treasury.close()
