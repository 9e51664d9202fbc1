"""The castle's repository over a path: real git, no network."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ephemeral_castle.cli.worlds import repository_of
from ephemeral_castle.drivers.compose import steps as compose
from ephemeral_castle.errors import CastleError, Denied, NotFound, Permanent, Refused, Transient, Unreachable
from ephemeral_castle.model.castle import Castle, Layer, Repository, Role, Treasury
from ephemeral_castle.model.giturl import Address
from ephemeral_castle.world import git as git_module
from ephemeral_castle.world import git_remote
from ephemeral_castle.world.git import GitSource
from ephemeral_castle.world.git_copies import INDEX
from tests.githosts import Origin, Place


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return Origin(tmp_path / "castle.git")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def repository(origin: Origin) -> Repository:
    return Repository(str(origin.directory))


async def test_files_come_with_their_exact_bytes_and_programs_stay_programs(origin, place, repository):
    raw = bytes(range(256)) + b"\r\n\n"
    files = {
        "a.bin": raw,
        "run": ("755", "#!/bin/sh\r\n"),
        "deep": {"er": {"ü ñ": "x"}},
        ".gitattributes": "* text eol=lf",
    }
    sha = origin.commit({"data": files, "other": "no"})
    source = place.source(repository)
    revision = await source.resolve()
    assert (revision.sha, revision.wanted, revision.source, revision.subject) == (sha, "main", "remote", "a commit")
    assert revision.notes == ()
    found = await source.read(sha, "./data/")
    assert {path: (file.content, file.mode) for path, file in found.items()} == {
        "a.bin": (raw, 0o644),
        "run": (b"#!/bin/sh\r\n", 0o755),
        "deep/er/ü ñ": (b"x", 0o644),
        ".gitattributes": (b"* text eol=lf", 0o644),
    }
    assert all(path == file.path for path, file in found.items())
    assert "other" in await source.read(sha)


async def test_the_branch_is_asked_for_each_time(origin, place, repository):
    source = place.source(repository)
    first = origin.commit({"a": "1"})
    assert (await source.resolve()).sha == first
    second = origin.commit({"a": "2"})
    assert (await source.resolve()).sha == second
    assert (await source.read(first))["a"].content == b"1"


async def test_branches_tags_and_whole_ids(origin, place, repository):
    first = origin.commit({"a": "1"})
    origin.git("tag", "-a", "v1", "-m", "annotated", first)
    second = origin.commit({"a": "2"})
    third = origin.commit({"a": "3"}, branch="feature/x")
    origin.git("update-ref", "-d", "refs/heads/feature/x")
    source = place.source(repository)
    assert (await source.resolve("v1")).sha == first
    assert (await source.resolve("refs/heads/main")).sha == second
    assert (await source.resolve(first)).sha == first
    again = await source.resolve(second)
    assert (again.sha, again.source) == (second, "cache")
    assert third not in (first, second)


async def test_a_ref_that_the_repository_does_not_have_is_named_with_its_neighbours(origin, place, repository):
    origin.commit({"a": "1"})
    source = place.source(repository)
    await source.keep((await source.resolve()).sha)
    with pytest.raises(NotFound) as caught:
        await source.resolve("mian")
    assert caught.value.hints == ("did you mean `main`?",)
    assert caught.value.state == "nothing was changed"
    with pytest.raises(NotFound, match="no commit"):
        await source.resolve("1" * 40)


async def test_an_empty_repository_says_so(place, repository):
    with pytest.raises(NotFound) as caught:
        await place.source(repository).resolve()
    assert "push the branch first" in caught.value.hints[0]


@pytest.mark.parametrize(
    "ref", ["--upload-pack=touch /tmp/x", "-x", "a..b", "HEAD", "a b", "a:b", "main@{1}", "x.lock"]
)
async def test_a_ref_that_git_could_misunderstand_never_reaches_it(origin, place, repository, ref):
    with pytest.raises(Refused):
        await place.source(repository).resolve(ref)
    assert not place.home.exists()


async def test_a_branch_and_a_tag_of_one_name_are_refused(origin, place, repository):
    origin.git("tag", "main", origin.commit({"a": "1"}))
    with pytest.raises(Refused) as caught:
        await place.source(repository).resolve()
    assert "refs/tags/main" in caught.value.hints[0]


async def test_a_tag_of_a_file_is_no_revision(origin, place, repository):
    origin.git("tag", "v1", origin.blob(b"x"))
    with pytest.raises(Refused, match="no commit"):
        await place.source(repository).resolve("v1")


async def test_a_dead_repository_is_replaced_by_the_copy_in_the_treasury_also_on_another_computer(
    origin, place, repository
):
    sha = origin.commit({"data": {"compose.yaml": "services: {}"}})
    source = place.source(repository)
    await source.keep((await source.resolve()).sha)
    origin.directory.rename(origin.directory.with_name("away"))
    for _ in range(2):
        revision = await place.source(repository).resolve()
        assert (revision.sha, revision.source) == (sha, "bundle")
        assert "no repository at this address" in revision.notes[0]
        assert "in the treasury" in revision.notes[0]
        assert (await place.source(repository).read(sha, "data"))["compose.yaml"].content == b"services: {}"
        place.lose_computer()
    assert (await place.source(repository).read(sha, "data"))["compose.yaml"].content == b"services: {}"
    place.lose_computer()
    assert (await place.source(repository).resolve(sha)).source == "bundle"


@pytest.mark.parametrize("refusal", [Denied, NotFound, Refused, Permanent])
async def test_a_refusal_counted_as_silence(origin, place, repository, monkeypatch, refusal):
    """A token that was revoked, or another host behind the name: the run went on with an old copy, and a warning."""
    sha = origin.commit({"a": "1"})
    source = place.source(repository)
    await source.keep((await source.resolve()).sha)
    place.lose_computer()
    elsewhere = place.source(repository)
    host = Address("https", "/castle.git", "", "git.example", 0)

    async def refuse(*_: object) -> bool:
        raise refusal("the repository refuses us", why="HTTP 403", hints=["look at the secret"])

    monkeypatch.setattr(elsewhere, "_remote", SimpleNamespace(refs=refuse, fetch=refuse, address=host, where=host.url))
    with pytest.raises(refusal, match="refuses us") as caught:
        await elsewhere.resolve()
    assert caught.value.why == "HTTP 403"
    assert "nothing was changed" in caught.value.state
    assert caught.value.hints[0] == "look at the secret"
    assert f"`repository.ref: {sha}`" in caught.value.hints[-1]
    assert (await elsewhere.resolve(sha)).source == "bundle"


@pytest.mark.parametrize("silence", [Unreachable, Transient])
async def test_silence_of_a_host_is_filled_by_the_copy(origin, place, repository, monkeypatch, silence):
    sha = origin.commit({"a": "1"})
    source = place.source(repository)
    await source.keep((await source.resolve()).sha)

    async def silent() -> None:
        raise silence("the repository does not answer")

    monkeypatch.setattr(source._remote, "refs", silent)
    revision = await source.resolve()
    assert (revision.sha, revision.source) == (sha, "bundle")


def test_a_transfer_was_cut_after_five_minutes_however_fast_it_went() -> None:
    """A repository of some hundred MiB never came over a slow line; what stalls is found by git and ssh themselves."""
    source = next(step for step in compose._prepare(Layer("blog", Role.WALLS, "compose")) if step.action == "source")
    assert source.deadline >= git_remote.TRANSFER >= 3600
    assert git_remote.STALLED <= 60


async def test_the_copy_is_encrypted(origin, place, repository):
    origin.commit({"secret-plan": "burn nothing"}, message="secret subject")
    source = place.source(repository)
    await source.keep((await source.resolve()).sha)
    assert len(place.objects.data) == 2
    for key, (body, _, _) in place.objects.data.items():
        assert body.startswith(b"age-encryption.org/v1")
        assert b"secret" not in body, key


async def test_without_repository_and_copy_the_cause_and_the_next_command_are_told(origin, place, repository):
    origin.commit({"a": "1"})
    origin.directory.rename(origin.directory.with_name("away"))
    with pytest.raises(CastleError) as caught:
        await place.source(repository).resolve()
    assert "does not appear to be a git repository" in caught.value.why
    assert "holds no copy of `main` either" in caught.value.state
    assert caught.value.hints[-1].startswith("git ls-remote ")


async def test_a_repository_that_went_back_draws_a_warning(origin, place, repository):
    first = origin.commit({"a": "1"})
    second = origin.commit({"a": "2"})
    source = place.source(repository)
    await source.keep((await source.resolve()).sha)
    origin.git("update-ref", "refs/heads/main", first)
    [note] = (await source.resolve()).notes
    assert first[:12] in note
    assert second[:12] in note
    assert "went back" in note
    place.lose_computer()
    assert (await place.source(repository).resolve()).notes == (note,)
    origin.commit({"a": "3"})
    origin.git("update-ref", "refs/heads/main", second)
    assert (await source.resolve()).notes == ()


async def test_keeping_again_asks_only_and_old_copies_go(origin, place, repository):
    source = place.source(repository)
    kept = []
    for number in range(5):
        kept.append(origin.commit({"a": str(number)}))
        await source.keep((await source.resolve()).sha)
    assert sorted(place.objects.data) == sorted([INDEX, *(f"git/{sha}.bundle.age" for sha in kept[2:])])
    place.objects.calls.clear()
    await source.keep(kept[-1])
    assert {name for name, _ in place.objects.calls} == {"get", "head"}


async def test_a_copy_that_is_gone_is_made_again(origin, place, repository):
    sha = origin.commit({"a": "1"})
    source = place.source(repository)
    await source.keep((await source.resolve()).sha)
    del place.objects.data[f"git/{sha}.bundle.age"]
    await source.keep(sha)
    assert f"git/{sha}.bundle.age" in place.objects.data


async def test_a_repository_too_large_for_the_treasury_is_not_kept(origin, place, repository, monkeypatch):
    monkeypatch.setattr(git_module, "LARGEST", 100)
    origin.commit({"a": "x" * 200})
    source = place.source(repository)
    with pytest.raises(Refused, match="too large") as caught:
        await source.keep((await source.resolve()).sha)
    assert "no copy was stored" in caught.value.state
    assert place.objects.data == {}


async def test_a_damaged_copy_is_refused(origin, place, repository):
    sha = origin.commit({"a": "1"})
    source = place.source(repository)
    await source.keep((await source.resolve()).sha)
    key = f"git/{sha}.bundle.age"
    bundle = place.keys.decrypt(place.objects.data[key][0])
    origin.directory.rename(origin.directory.with_name("away"))
    for broken in (bundle[:-10], b"no bundle", bundle.replace(sha.encode(), b"1" * 40)):
        place.lose_computer()
        await place.objects.put(key, place.keys.encrypt(broken))
        with pytest.raises(CastleError, match="the copy of the repository"):
            await place.source(repository).resolve()


async def test_a_list_of_copies_that_cannot_be_read_does_not_stop_a_living_repository(origin, place, repository):
    sha = origin.commit({"a": "1"})
    await place.objects.put(INDEX, b"no age file")
    revision = await place.source(repository).resolve()
    assert revision.sha == sha
    assert "cannot be decrypted" in revision.notes[0]


async def test_a_broken_copy_on_this_computer_is_made_again(origin, place, repository):
    sha = origin.commit({"a": "1"})
    source = place.source(repository)
    await source.resolve()
    [pack] = place.home.glob("*/objects/pack/*.pack")
    pack.chmod(0o600)
    pack.write_bytes(b"PACK" + b"\0" * 40)
    assert (await source.read(sha))["a"].content == b"1"
    [head] = place.home.glob("*/HEAD")
    head.unlink()
    assert (await source.resolve()).sha == sha


async def test_two_at_once_do_not_disturb_each_other(origin, place, repository):
    sha = origin.commit({"a": "1"})
    sources = [place.source(repository) for _ in range(4)]
    revisions = await asyncio.gather(*(source.resolve() for source in sources))
    assert {revision.sha for revision in revisions} == {sha}


async def test_the_copy_on_this_computer_is_for_its_owner_only(origin, place, repository):
    origin.commit({"a": "1"})
    await place.source(repository).resolve()
    assert place.home.stat().st_mode & 0o777 == 0o700


async def test_a_hostile_repository_starts_nothing(origin, place, repository, tmp_path, monkeypatch):
    """Hooks, filters and settings: in the repository, in what is fetched, and in the person's own configuration."""
    trap = tmp_path / "trapped"
    program = tmp_path / "trap"
    program.write_text(f"#!/bin/sh\necho $0 >> {trap}\ncat\n")
    program.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        f"[core]\n\tfsmonitor = {program}\n\thooksPath = {origin.directory}/hooks\n"
        f'[filter "evil"]\n\tsmudge = {program}\n\tclean = {program}\n[credential]\n\thelper = "!{program}"\n'
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_SSH_COMMAND", str(program))
    files = {
        ".gitattributes": "* filter=evil ident export-subst text eol=crlf\n",
        "a": "$Id$ $Format:%H$\n",
        ".gitconfig": f"[core]\n\tfsmonitor = {program}\n",
    }
    sha = origin.commit(files)
    origin.git("config", "uploadpack.packObjectsHook", str(program))
    origin.git("config", "core.fsmonitor", str(program))
    (origin.directory / "hooks").mkdir(exist_ok=True)
    for hook in ("post-upload-pack", "post-checkout", "reference-transaction", "post-update"):
        (origin.directory / "hooks" / hook).symlink_to(program)
    source = place.source(repository)
    await source.resolve()
    assert (await source.read(sha))["a"].content == b"$Id$ $Format:%H$\n"
    await source.keep(sha)
    place.lose_computer()
    origin.directory.rename(origin.directory.with_name("away"))
    await place.source(repository).resolve()
    assert not trap.exists()


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"a": ("link", "/etc/passwd")}, "leaves the folder"),
        ({"a": ("link", "../outside")}, "leaves the folder"),
        ({"a": ("link", "b"), "b": ("link", "a")}, "circle"),
        ({"a": ("link", "nowhere")}, "leads to nothing"),
        ({"a": "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n"}, "Git LFS"),
        ({"a\x1b[2Jb": "x"}, "name"),
    ],
)
async def test_what_cannot_be_used_is_refused_with_its_path(origin, place, repository, files, why):
    sha = origin.commit({"data": files, "outside": "secret"})
    source = place.source(repository)
    await source.resolve()
    with pytest.raises(Refused, match="file of the repository") as caught:
        await source.read(sha, "data")
    assert why in caught.value.why
    assert caught.value.where.startswith(("data/a", "a"))
    assert "\x1b" not in caught.value.where


async def test_a_submodule_is_refused_with_its_path(origin, place, repository):
    inner = origin.tree(f"160000 commit {'1' * 40}\tlibrary")
    sha = origin.commit_tree(origin.tree(f"040000 tree {inner}\tdata"))
    source = place.source(repository)
    await source.resolve()
    with pytest.raises(Refused, match="cannot be used") as caught:
        await source.read(sha, "data")
    assert caught.value.where == "data/library"
    assert "submodule" in caught.value.why


@pytest.mark.parametrize("name", [".git", ".GIT", "..", "."])
async def test_a_name_that_leads_elsewhere_is_refused(origin, place, repository, name):
    inner = origin.tree(f"100644 blob {origin.blob(b'evil')}\t{name}")
    origin.commit_tree(origin.tree(f"040000 tree {inner}\tdata"))
    source = place.source(repository)
    with pytest.raises(CastleError):
        await source.read((await source.resolve()).sha, "data")


async def test_links_within_the_folder_are_followed(origin, place, repository):
    sha = origin.commit(
        {"data": {"a": ("link", "sub/../b"), "b": "1", "all": ("link", "sub"), "sub": {"c": ("link", "../b")}}}
    )
    source = place.source(repository)
    await source.resolve()
    found = await source.read(sha, "data")
    assert {path: file.content for path, file in found.items()} == dict.fromkeys(("a", "b", "all/c", "sub/c"), b"1")


async def test_a_folder_that_is_not_there_is_told_with_those_that_are(origin, place, repository):
    sha = origin.commit({"data": {"a": "1"}, "file": "1"})
    source = place.source(repository)
    await source.resolve()
    with pytest.raises(NotFound) as caught:
        await source.read(sha, "date")
    assert "data" in caught.value.hints[0]
    with pytest.raises(NotFound) as caught:
        await source.read(sha, "file")
    assert caught.value.why == "`file` is a file"
    with pytest.raises(Refused):
        await source.read(sha, "../etc")


async def test_another_address_has_another_copy(origin, place, repository, tmp_path):
    origin.commit({"a": "1"})
    await place.source(repository).resolve()
    other = Origin(tmp_path / "other.git")
    sha = other.commit({"a": "2"})
    assert (await place.source(Repository(str(other.directory))).resolve()).sha == sha
    assert len(list(place.home.glob("*/"))) == 1


async def test_a_repository_counted_by_sha256_is_refused(place, tmp_path):
    origin = Origin(tmp_path / "new.git", counted_by="sha256")
    origin.commit({"a": "1"})
    with pytest.raises(Refused, match="SHA-256"):
        await place.source(Repository(str(origin.directory))).resolve()


async def test_what_a_killed_git_left_does_not_stop_the_next(origin, place, repository):
    origin.commit({"a": "1"})
    source = place.source(repository)
    await source.resolve()
    [cache] = place.home.glob("*/")
    sha = origin.commit({"a": "2"})
    (cache / "refs/castle/commits" / f"{sha}.lock").touch()
    for wanted in list((cache / "refs/castle/wanted").iterdir()):
        wanted.with_name(f"{wanted.name}.lock").touch()
    (cache / "packed-refs.lock").touch()
    (cache / "objects/pack/tmp_pack_abc").write_bytes(b"half")
    assert (await source.resolve()).sha == sha
    assert not (cache / "objects/pack/tmp_pack_abc").exists()


def test_the_world_of_a_castle_has_its_repository(place, tmp_path):
    castle = Castle("toy", Treasury("bucket", "toy"), {}, repository=Repository("/srv/castle.git"))
    where: Any = SimpleNamespace(state=tmp_path)
    made = repository_of(castle, where, place.objects, place.keys, place.secrets)
    assert isinstance(made, GitSource)
    without = dataclasses.replace(castle, repository=None)
    assert repository_of(without, where, place.objects, place.keys, place.secrets) is None
