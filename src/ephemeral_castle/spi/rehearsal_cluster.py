"""A Kubernetes cluster in which a driver can be tried without any system: used by the contract suite."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from ephemeral_castle.errors import NotFound, Transient
from ephemeral_castle.spi.kubernetes import Change, Judge, Manifest, Ref, Stage
from ephemeral_castle.spi.processes import Result
from ephemeral_castle.spi.rehearsal_doors import Doors


class _Session:
    """A conversation in a pod in which nobody says a word."""

    pid, errors = 0, ""

    def __init__(self, doors: Doors, argv: Sequence[str]) -> None:
        self._doors, self._argv = doors, argv

    async def write(self, text: str) -> None:
        if not self._doors.reads(self._argv, text.encode()):
            self._doors.wrote.append(text)

    async def read_line(self, timeout: float) -> str | None:
        return None

    async def close(self) -> int:
        return 0


class RehearsalCluster:
    """Implements `spi.kubernetes.Cluster`: what stands in it is `doors.objects`, and nothing changes them."""

    server = "https://10.0.0.1:6443"

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    async def version(self) -> str:
        """Some version."""
        self._doors.ask("version of the API server")
        return "v1.36.3"

    async def ready(self) -> bool:
        """Unless nothing answers."""
        return not self._doors.silent

    async def get(self, ref: Ref) -> Manifest | None:
        """What stands there."""
        self._doors.ask(f"get {ref}")
        return next((each for each in self._doors.objects if Ref.of(each) == ref), None)

    async def list(self, api: str, kind: str, namespace: str = "", *, labels: str = "") -> Sequence[Manifest]:
        """What stands there; labels are compared where they are written as `key=value,...`."""
        self._doors.ask(f"list {kind}")
        wanted = dict(each.split("=", 1) for each in labels.split(",") if "=" in each)
        return [
            each
            for each in self._doors.objects
            if (each["apiVersion"], each["kind"]) == (api, kind)
            and namespace in ("", each["metadata"].get("namespace", ""))
            and wanted.items() <= (each["metadata"].get("labels") or {}).items()
        ]

    async def create(self, manifest: Manifest) -> Manifest:
        """Creates nothing; a question for rights, which is put by creating, is answered with yes."""
        if manifest["kind"].endswith("AccessReview"):
            self._doors.ask("may we")
            return {**manifest, "status": {"allowed": True}}
        self._doors.ask(f"create {Ref.of(manifest)}", writes=True)
        return manifest

    async def apply(self, manifest: Manifest, *, dry_run: bool = False, force: bool = True) -> Manifest:
        """Applies nothing."""
        self._doors.ask(f"apply {Ref.of(manifest)}", writes=not dry_run)
        return manifest

    async def patch(self, ref: Ref, body: Manifest, *, subresource: str = "") -> Manifest:
        """Changes nothing."""
        self._doors.ask(f"patch {ref}", writes=True)
        found = await self.get(ref)
        if found is None:
            raise NotFound(f"changing {ref}: it is not there")
        return found

    async def delete(self, ref: Ref, *, uid: str = "", grace: int | None = None, foreground: bool = False) -> None:
        """Deletes nothing."""
        self._doors.ask(f"delete {ref}", writes=True)

    async def watch(self, api: str, kind: str, namespace: str = "", *, labels: str = "") -> AsyncIterator[Change]:
        """What stands there, and then an end: nothing will ever change."""
        for each in await self.list(api, kind, namespace, labels=labels):
            yield Change("ADDED", each)

    async def until(self, ref: Ref, judge: Judge, *, timeout: float, title: str = "") -> Manifest | None:
        """What stands there, when it is ready; time passes at once."""
        found = await self.get(ref)
        verdict = judge(found)
        if verdict.stage is not Stage.READY:
            raise Transient(f"{title or ref}: not within {timeout:g} s", where=str(ref), why=verdict.why)
        return found

    async def explain(self, ref: Ref) -> str:
        """Nothing is known."""
        self._doors.ask(f"explain {ref}")
        return ""

    async def log(
        self, namespace: str, pod: str, *, container: str = "", lines: int = 20, previous: bool = False
    ) -> str:
        """An empty log."""
        self._doors.ask(f"log of {namespace}/{pod}")
        return ""

    async def run(
        self,
        namespace: str,
        pod: str,
        argv: Sequence[str],
        *,
        container: str = "",
        stdin: bytes = b"",
        timeout: float = 60.0,
    ) -> Result:
        """What commands say."""
        return self._doors.command(argv, stdin)

    async def spawn(self, namespace: str, pod: str, argv: Sequence[str], *, container: str = "") -> _Session:
        """A conversation without words."""
        self._doors.ask(" ".join(argv))
        return _Session(self._doors, argv)

    async def close(self) -> None:
        """Nothing is open."""
