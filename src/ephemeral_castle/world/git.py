"""The castle's Git repository: what its host says, or, where that is silent, the copy in the treasury."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ephemeral_castle.errors import CastleError, Damaged, NotFound, Refused, Transient
from ephemeral_castle.model.giturl import BadAddress, check_ref, is_full_id
from ephemeral_castle.spi.world import File, Revision
from ephemeral_castle.world.flock import locked
from ephemeral_castle.world.git_cache import CacheBroken, GitCache, require_git
from ephemeral_castle.world.git_copies import LARGEST, Copy, GitCopies
from ephemeral_castle.world.git_refs import find, newest_of, no_commit
from ephemeral_castle.world.git_remote import GitRemote
from ephemeral_castle.world.git_tree import LINK, PROGRAM, below, follow_links, refuse_pointers, tidy_folder

if TYPE_CHECKING:
    from ephemeral_castle.model.castle import Repository
    from ephemeral_castle.spi.secret import SecretSource
    from ephemeral_castle.spi.world import Clock
    from ephemeral_castle.world.exec import LocalExec
    from ephemeral_castle.world.git_lending import Lender

T = TypeVar("T")


class GitSource:
    """Implements `spi.world.Source`.

    Args:
        repository: of the definition.
        secrets: give key or token.
        copies: those in the treasury.
        exec_: starts git.
        clock: says when a copy was kept.
        home: directory of castle's own copies on this computer.
        lender: lends a commit to machines; None where there are none.
    """

    def __init__(
        self,
        repository: Repository,
        secrets: SecretSource,
        copies: GitCopies,
        exec_: LocalExec,
        clock: Clock,
        home: Path,
        lender: Lender | None = None,
    ) -> None:
        self._repository = repository
        self._copies = copies
        self._clock = clock
        self._cache = GitCache(exec_, home, repository.url)
        self._remote = GitRemote(repository, secrets, self._cache)
        self._gate = asyncio.Lock()
        self._wanted: dict[str, str] = {}
        self._lender = lender

    async def resolve(self, ref: str = "") -> Revision:
        """See `spi.world.Source`."""
        wanted = ref or self._repository.ref
        try:
            check_ref(wanted)
        except BadAddress as error:
            raise Refused(f"`{wanted}` {error.message}", hints=[error.hint]) from None
        async with self._alone():
            revision = await self._twice(lambda: self._resolve(wanted))
        self._wanted[revision.sha] = wanted
        return revision

    async def read(self, sha: str, folder: str = "") -> Mapping[str, File]:
        """See `spi.world.Source`."""
        if not is_full_id(sha):
            raise Refused(f"`{sha}` is no whole commit id")
        place = tidy_folder(folder)
        async with self._alone():
            return await self._twice(lambda: self._read(sha, place))

    async def is_kept(self, sha: str, ref: str = "") -> bool:
        """See `spi.world.Source`."""
        newest = newest_of(await self._copies.all(), self._named(sha, ref))
        return newest is not None and newest.sha == sha and await self._copies.has(newest)

    def _named(self, sha: str, ref: str) -> str:
        return ref or self._wanted.get(sha) or self._repository.ref

    async def keep(self, sha: str, ref: str = "") -> None:
        """See `spi.world.Source`."""
        wanted = self._named(sha, ref)
        if await self.is_kept(sha, ref):
            return
        async with self._alone():
            await self._twice(lambda: self._obtain(sha))
            bundle = await self._cache.bundle(sha, LARGEST)
            subject, committed = await self._cache.told(sha)
        if isinstance(bundle, int):
            raise Refused(
                "the repository is too large for the treasury",
                where=self._remote.where,
                why=f"{bundle // 2**20} MiB with its history; at most {LARGEST // 2**20} MiB",
                state="no copy was stored: when the repository does not answer, the castle cannot be raised from it",
                hints=["put large files into a treasure, and begin the repository anew without them"],
            )
        await self._copies.add(Copy(wanted, sha, self._clock.now(), subject, committed, len(bundle)), bundle)

    async def lend(self, sha: str, branch: str) -> str:
        """See `spi.world.Source`."""
        if self._lender is None:
            raise Refused("there are no machines to which the repository could be lent")
        async with self._alone():
            await self._twice(lambda: self._obtain(sha))
            return await self._lender.lend(self._cache, sha, branch)

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """One command at a time, in this process and on this computer."""
        require_git()
        async with self._gate, locked(self._cache.home.with_name(f"{self._cache.home.name}.lock")):
            await self._cache.ensure()
            yield

    async def _twice(self, work: Callable[[], Awaitable[T]]) -> T:
        """Does it; when castle's own copy turns out to be broken, throws that away and does it again."""
        try:
            return await work()
        except CacheBroken:
            self._cache.drop()
            await self._cache.ensure()
            return await work()

    async def _resolve(self, wanted: str) -> Revision:
        if is_full_id(wanted) and await self._cache.has(wanted):
            return await self._revision(wanted, wanted, "cache")
        try:
            refs = await self._remote.refs()
        except CacheBroken:
            raise
        except CastleError as trouble:
            return await self._from_treasury(wanted, trouble)
        name = find(wanted, refs, self._remote.where)
        try:
            sha = await self._brought(name, refs.get(f"{name}^{{}}", refs.get(name, name)))
        except CacheBroken:
            raise
        except CastleError as trouble:
            return await self._from_treasury(wanted, trouble)
        if not sha and is_full_id(wanted):
            return await self._from_treasury(wanted, no_commit(wanted, self._remote.where))
        if not sha:
            raise no_commit(wanted, self._remote.where)
        notes = await self._went_back(wanted, sha)
        return await self._revision(sha, wanted, "remote", notes, "" if is_full_id(name) else name)

    async def _brought(self, name: str, sha: str) -> str:
        """Brings a ref, or a commit by its id; gives the commit, "" when the host has no such commit."""
        if await self._cache.has(sha):
            return sha
        if name != sha:
            here = f"refs/castle/wanted/{hashlib.sha256(name.encode()).hexdigest()[:16]}"
            return await self._cache.name(here) if await self._remote.fetch(f"+{name}:{here}") else ""
        if await self._remote.fetch(f"+{sha}:refs/castle/wanted/id"):
            return await self._cache.name("refs/castle/wanted/id")
        # Some hosts hand out what has a name only: then all of it, and the commit is among that or it is nowhere.
        await self._remote.fetch("+refs/heads/*:refs/castle/heads/*", "+refs/tags/*:refs/castle/tags/*")
        return await self._cache.name(sha) if await self._cache.names_lead_to(sha) else ""

    async def _from_treasury(self, wanted: str, trouble: CastleError) -> Revision:
        """The copy of what is wanted, where nobody answers; and of a whole commit id, which cannot be another."""
        copy = newest_of(await self._copies.all(), wanted)
        if copy is not None and not (self._is_silence(trouble) or is_full_id(wanted)):
            raise _refusal(trouble, wanted, copy) from None
        if copy is None:
            raise type(trouble)(
                trouble.message,
                where=trouble.where,
                why=trouble.why,
                state=f"nothing was changed; the treasury holds no copy of `{wanted}` either",
                hints=[*trouble.hints, f"git ls-remote {self._remote.where}"],
            ) from None
        await self._take(copy)
        note = (
            f"{trouble.message} ({self._remote.where}: {trouble.why}); commit {copy.sha[:12]} is taken from the copy "
            f"of {_moment(copy.kept)} in the treasury: what was pushed since is not in it"
        )
        return await self._revision(copy.sha, wanted, "bundle", (note,))

    def _is_silence(self, trouble: CastleError) -> bool:
        """Whether nobody answered. Behind a path nobody does: a folder that is gone is a disk that is gone."""
        gone = isinstance(trouble, NotFound) and self._remote.address.kind == "file"
        return gone or isinstance(trouble, Transient)

    async def _take(self, copy: Copy) -> None:
        if not await self._cache.has(copy.sha):
            await self._cache.take(await self._copies.load(copy), copy.sha)

    async def _went_back(self, wanted: str, sha: str) -> tuple[str, ...]:
        """A warning when what was kept last is not in the history of what the repository has now."""
        try:
            kept = newest_of(await self._copies.all(), wanted)
        except Damaged as error:
            return (f"{error.message}: without the repository the castle could not be raised ({error.why})",)
        if kept is None or kept.sha == sha or await self._cache.goes_on_from(kept.sha, sha):
            return ()
        before = f"commit {kept.sha[:12]} ({kept.subject}), kept on {_moment(kept.kept)}"
        return (f"the repository went back: `{wanted}` is {sha[:12]} now, and {before}, is not in its history",)

    async def _revision(
        self, sha: str, wanted: str, source: str, notes: tuple[str, ...] = (), name: str = ""
    ) -> Revision:
        subject, committed = await self._cache.told(sha)
        return Revision(sha, wanted, source, subject, committed, notes, name)

    async def _obtain(self, sha: str) -> None:
        """Makes sure that a commit is here: from the repository, else from any copy that holds it."""
        if await self._cache.has(sha):
            return
        try:
            if await self._brought(sha, sha):
                return
            trouble: CastleError = no_commit(sha, self._remote.where)
        except CacheBroken:
            raise
        except CastleError as error:
            trouble = error
        copy = next((copy for copy in await self._copies.all() if copy.sha == sha), None)
        if copy is None:
            raise trouble
        await self._take(copy)

    async def _read(self, sha: str, folder: str) -> Mapping[str, File]:
        if not self._cache.was_listed(sha):
            await self._obtain(sha)
        entries = below(await self._cache.listing(sha), folder)
        links = sorted({entry.sha for entry in entries.values() if entry.mode == LINK})
        found = follow_links(entries, await self._cache.blobs(links))
        contents = await self._cache.blobs(sorted({entry.sha for entry in found.values()}))
        files = {
            path: File(path, contents[entry.sha], 0o755 if entry.mode == PROGRAM else 0o644)
            for path, entry in found.items()
        }
        refuse_pointers({path: file.content for path, file in files.items()})
        if not files:
            raise NotFound(f"the folder `{folder}` of the repository is empty", where=sha[:12])
        return files


def _refusal(trouble: CastleError, wanted: str, copy: Copy) -> CastleError:
    """An answer that is no revision: a key that was taken away, another host; what was pushed since would be lost."""
    return type(trouble)(
        trouble.message,
        where=trouble.where,
        why=trouble.why,
        state=f"nothing was changed; the treasury holds a copy of `{wanted}`, which is not taken when a host refuses",
        hints=[
            *trouble.hints,
            f"to use the copy of {_moment(copy.kept)} ({copy.subject}): `repository.ref: {copy.sha}` in the definition",
        ],
    )


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
