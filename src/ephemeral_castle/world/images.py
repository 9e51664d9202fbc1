"""Images made from Debian packages, in a store that all castles of this computer share read-only."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from ephemeral_castle.errors import Conflict, Permanent
from ephemeral_castle.world import mmdebstrap, registry
from ephemeral_castle.world.apt_sources import host_sources
from ephemeral_castle.world.flock import locked
from ephemeral_castle.world.image_use import users_of
from ephemeral_castle.world.namespaces import mount_points_below
from ephemeral_castle.world.podman_config import PodmanRoot
from ephemeral_castle.world.podman_shared import apart
from ephemeral_castle.world.trees import delete_tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ephemeral_castle.spi.world import Exec, Process, Progress, Recipe

STORE = Path("/var/cache/ephemeral-castle/images")
NEEDED = 3 * 1024**3  # bytes: root file system, archive of it, and the image, at the same time
SILENCE = 600.0  # seconds without a line until a build counts as stuck (a slow mirror is not)
PULL = 1800.0  # seconds for one image
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTPS_PROXY", "NO_PROXY")


class ImageStore:
    """Implements `spi.world.Images` with mmdebstrap and a podman that only imports.

    Args:
        exec_: starts processes.
        store: the shared storage; images are visible to every podman that names it in `additionalimagestores`.
        needed: bytes that must be free before a build begins.
    """

    def __init__(self, exec_: Exec, store: Path = STORE, *, needed: int = NEEDED) -> None:
        self._exec = exec_
        self._store = store.resolve()
        self._needed = needed
        work = self._store.with_name(f"{self._store.name}.work")
        self._work = work
        self._root = PodmanRoot(graph=self._store, run=work / "run", config=work / "config", events="none")

    @property
    def path(self) -> Path:
        """The directory that machines get to see, read-only."""
        return self._store

    def reference(self, recipe: Recipe) -> str:
        """`localhost/castle-NAME:DIGEST`."""
        return f"localhost/castle-{recipe.name}:{mmdebstrap.digest(recipe)}"

    async def present(self, recipe: Recipe) -> bool:
        """Whether it is in the store.

        Raises:
            Permanent: the store cannot be read.
        """
        if not (self._store / "overlay-images").is_dir():
            return False
        if self._listed(self.reference(recipe)):
            return True
        code, said = await self._podman("image", "exists", self.reference(recipe))
        if code in {0, 1}:
            return code == 0
        raise Permanent("the image store cannot be read", where=str(self._store), why=said)

    async def build(self, recipe: Recipe, progress: Progress) -> str:
        """Builds and stores it unless it is there; a second builder waits for the first and takes its image.

        Raises:
            Permanent: a package is missing, a mirror does not answer, the disk is too full; no half image is left.
        """
        reference = self.reference(recipe)
        if await self.present(recipe):
            return reference

        def waiting() -> None:
            progress(f"image {recipe.name}: another run is building it")

        async with locked(self._lock(recipe), waiting):
            if await self.present(recipe):
                return reference
            self._check_space(recipe)
            directory = self._work / f"build-{mmdebstrap.digest(recipe)}"
            await self._clear(directory)  # of a builder that was killed
            directory.mkdir(parents=True, mode=0o700)
            try:
                await self._make(recipe, directory, progress)
                progress(f"image {recipe.name}: storing")
                await self._import(recipe, directory / "root.tar")
            finally:
                await self._clear(directory)
        return reference

    async def present_reference(self, reference: str) -> bool:
        """Whether an image of that name is in the store.

        Raises:
            Permanent: the store cannot be read.
        """
        if not (self._store / "overlay-images").is_dir():
            return False
        if self._listed(registry.canonical(reference)):
            return True
        code, said = await self._podman("image", "exists", registry.canonical(reference))
        if code in {0, 1}:
            return code == 0
        raise Permanent("the image store cannot be read", where=str(self._store), why=said)

    def _listed(self, name: str) -> bool:
        """Whether the store's own index has that name; podman, which needs 60 ms for it, knows other spellings too."""
        try:
            index = json.loads((self._store / "overlay-images/images.json").read_text())
        except (OSError, ValueError):
            return False
        return any(name in (image.get("names") or ()) for image in index)

    async def pull(self, reference: str, progress: Progress) -> str:
        """Pulls it on this computer's network unless it is there; gives it with the digest that the registry gave.

        Raises:
            Denied, NotFound, Unreachable, Permanent: as the registry, or podman, said.
        """
        name = registry.canonical(reference)
        if not await self.present_reference(name):
            self._work.mkdir(parents=True, exist_ok=True)
            lock = self._work / f"pull-{hashlib.sha256(name.encode()).hexdigest()[:16]}.lock"
            async with locked(lock, lambda: progress(f"image {name}: another run is pulling it")):
                if not await self.present_reference(name):
                    progress(f"pulling {name}")
                    code, said = await self._podman("pull", "--quiet", name, timeout=PULL, env=registry.PASSED)
                    if code != 0:
                        raise registry.refusal(name, said)
        code, said = await self._podman("image", "inspect", "--format", "{{json .RepoDigests}}", name)
        if code != 0:
            raise Permanent("the image store cannot be read", where=str(self._store), why=said)
        return registry.pinned(name, json.loads(said) or [])

    async def published(self, recipe: Recipe, at: str) -> bool:
        """Whether a registry has it, under its name without `localhost`.

        Raises:
            Unreachable: the registry does not answer.
        """
        from ephemeral_castle.world import image_push  # with httpx: 40 ms that only a cluster's castle needs

        return await image_push.has(at, self.reference(recipe))

    async def publish(self, recipe: Recipe, at: str, progress: Progress) -> None:
        """Hands it to a registry; what that has of it already is not sent again.

        Raises:
            Denied, NotFound, Unreachable, Permanent: as the registry, or podman, said.
        """
        from ephemeral_castle.world import image_push

        progress(f"image {recipe.name}: to registry {at}")
        command = image_push.words(at, self.reference(recipe))
        code, said = await self._podman(*command, timeout=PULL, env=registry.PASSED)
        if code != 0:
            raise registry.refusal(self.reference(recipe), said, to=at)

    async def drop(self, recipe: Recipe) -> None:
        """Removes it from the store; no error when it is not there.

        Raises:
            Conflict: a machine or a container, of this castle or of another one, stands on it.
        """
        async with locked(self._lock(recipe)):
            if not await self.present(recipe):
                return
            reference = self.reference(recipe)
            users = users_of(self._store, await self._layer(reference))
            if users:
                raise Conflict(
                    f"the image {recipe.name} is in use",
                    where=reference,
                    why=f"containers stand on it, seen from {', '.join(users)}",
                    state="nothing was removed",
                )
            code, said = await self._podman("rmi", "--force", reference)
            if code != 0:
                raise Permanent(f"the image {recipe.name} cannot be removed", where=reference, why=said)

    def _lock(self, recipe: Recipe) -> Path:
        return self._work / f"{recipe.name}-{mmdebstrap.digest(recipe)}.lock"

    def _check_space(self, recipe: Recipe) -> None:
        self._work.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self._work).free
        if free < self._needed:
            raise Permanent(
                f"there is no room to build the image {recipe.name}",
                where=str(self._work),
                why=f"{free // 2**20} MiB are free, {self._needed // 2**20} MiB are needed",
                state="nothing was built",
                hints=(f"df -h {self._work}",),
            )

    async def _make(self, recipe: Recipe, directory: Path, progress: Progress) -> None:
        await asyncio.to_thread(mmdebstrap.stage, recipe, directory)
        argv = mmdebstrap.command(recipe, directory, host_sources(recipe.suite))
        environment = {name: os.environ[name] for name in PROXIES if name in os.environ}
        # It speaks on standard error only; sh makes that the stream that is read line by line.
        process = await self._exec.spawn(
            ["sh", "-c", 'exec "$@" 2>&1', "sh", *argv], env={**environment, "TMPDIR": str(directory)}
        )
        last: deque[str] = deque(maxlen=400)
        try:
            await _follow(process, recipe, progress, last)
        finally:
            code = await process.close()
        if code != 0:
            raise Permanent(
                f"the image {recipe.name} cannot be built",
                where=f"mmdebstrap, suite {recipe.suite}",
                why=mmdebstrap.cause(list(last)),
                state="nothing was stored",
                hints=("castle doctor",),
            )

    async def _import(self, recipe: Recipe, archive: Path) -> None:
        change = ("--change", f"ENV=PATH={mmdebstrap.PATH}", "--change", 'CMD=["sleep","infinity"]')
        code, said = await self._podman("import", *change, str(archive), self.reference(recipe), timeout=600.0)
        if code != 0:
            raise Permanent(
                f"the image {recipe.name} cannot be stored",
                where=str(self._store),
                why=said,
                state="nothing was stored",
            )

    async def _layer(self, reference: str) -> str:
        _, said = await self._podman("image", "inspect", "--format", "{{.GraphDriver.Data.UpperDir}}", reference)
        return Path(said.strip()).parent.name

    async def _podman(self, *args: str, timeout: float = 60.0, env: Sequence[str] = ()) -> tuple[int, str]:
        """Exit status, and what it said: its output when all is well, else its last words. `env`: names to pass on.

        Each call has a mount namespace of its own, so podman's bind mount of the store never shows on the computer, nor
        do its caches stay there.
        """
        if not (self._root.config / "storage.conf").is_file():
            await asyncio.to_thread(self._root.write)
        temporary = {"TMPDIR": str(self._work)} | {name: os.environ[name] for name in env if name in os.environ}
        argv = apart(self._root.run / "apart", self._root.command(*args))
        result = await self._exec.run(argv, env=temporary, timeout=timeout)
        return result.code, result.out if result.ok else result.last_words()

    async def _clear(self, directory: Path) -> None:
        points = mount_points_below(directory)
        if points:
            raise Permanent("an old build is still mounted", where=points[0], hints=(f"umount {points[0]}",))
        await asyncio.to_thread(delete_tree, directory)


async def _follow(process: Process, recipe: Recipe, progress: Progress, last: deque[str]) -> None:
    while (line := await process.read_line(SILENCE)) is not None:
        last.append(line)
        found = mmdebstrap.phase(line)
        if found is not None:
            number, name = found
            progress(f"image {recipe.name}: {name}", done=number, total=len(mmdebstrap.PHASES))
