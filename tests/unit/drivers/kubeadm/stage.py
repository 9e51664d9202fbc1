"""A context in which machines, podman and an API server are played."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from ephemeral_castle.drivers.kubeadm.desk import Desk
from ephemeral_castle.errors import NotFound, Unreachable
from ephemeral_castle.manifests.readiness import Stage
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.spi.driver import Request
from ephemeral_castle.spi.kubernetes import Judge, Manifest, Ref
from ephemeral_castle.spi.world import Machine, Process, Result
from tests.unit.drivers.kubeadm.bed import CASTLE, LAYER, RECORD, SITE, admin_conf, options

PROMISER = 4711  # the process that tells of the watchers of a cluster
LAID = "digest {digest}\nmember {member}\n{containerd}{begun}"


class PlayedMachine:
    """One machine: what a look sees, and what it was told to do."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.digest = self.member = self.error = ""
        self.containerd = self.begun = False
        self.silent = False
        self.fails: dict[str, Result] = {}
        self.jobs: list[str] = []
        self.joining = False  # a job of a runner that was killed goes on
        self.given: list[bytes] = []
        self.asked: list[list[str]] = []

    async def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Result:
        """Answers as its transport would."""
        if self.silent:
            raise Unreachable("the machine does not answer", where=self.name)
        words = list(argv)
        if words[:2] == ["sh", "-c"] and "castle-job" in words:
            return self._known(words[5]) if words[5] in ("status", "wait") else self._job(words[-1])
        if words[:2] == ["sh", "-c"] and words[2].startswith('echo "digest'):
            up, begun = "containerd up\n" * self.containerd, "begun yes\n" * self.begun
            return Result(0, LAID.format(digest=self.digest, member=self.member, containerd=up, begun=begun), "")
        if words[0] == "cat":
            return Result(0, admin_conf(), "") if self.member == "init" else Result(1, "", "No such file or directory")
        if words[:2] == ["sh", "-c"] and "tar -xo -C /" in words[2]:
            self.digest, self.containerd = words[4], True
            return self.fails.get("configure", Result(0, "", ""))
        if words[:2] == ["sh", "-c"] and words[2].startswith("tar -c -C /etc/kubernetes/pki"):
            return Result(0, "a2V5cw==\n", "")
        if stdin:
            self.given.append(stdin)
        else:
            self.asked.append(words[1:])
        return Result(0, "", "")

    async def spawn(self, argv: Sequence[str]) -> Process:
        """Nobody talks to a machine for longer."""
        raise NotImplementedError

    def _known(self, verb: str) -> Result:
        if verb == "wait":
            self.joining, self.member, self.begun = False, "join", True
            return Result(0, "castle-job ended 0 0\n", "")
        return Result(0, "castle-job running 7 0\n" if self.joining else "castle-job absent 0 0\n", "")

    def _job(self, what: str) -> Result:
        self.jobs.append(what)
        result = self.fails.get(what, Result(0, "", ""))
        if result.ok:
            self.member = {"init": "init", "join": "join"}.get(what, self.member)
            self.begun = what in ("init", "join")
        return Result(0, f"castle-job ended 0 {result.code}\n{result.out}", result.err)


class PlayedCluster:
    """An API server: objects by reference; what is waited for is there at once, or never."""

    def __init__(self) -> None:
        self.objects: dict[Ref, Manifest] = {}
        self.changes: list[str] = []
        self.answers = True
        self.gitversion = "v1.36.3"
        self.closed = False

    async def ready(self) -> bool:
        """As told."""
        return self.answers

    async def version(self) -> str:
        """As told."""
        return self.gitversion

    async def get(self, ref: Ref) -> Manifest | None:
        """What is there."""
        return self.objects.get(ref)

    async def list(self, api: str, kind: str, namespace: str = "", *, labels: str = "") -> list[Manifest]:
        """What is there, of a kind, with that label."""
        mine = [each for ref, each in self.objects.items() if (ref.api, ref.kind) == (api, kind)]
        return [each for each in mine if not labels or labels in each["metadata"].get("labels", {})]

    async def create(self, manifest: Manifest) -> Manifest:
        """Keeps it."""
        ref = Ref.of(manifest)
        self.changes.append(f"create {ref}")
        self.objects[ref] = manifest
        if manifest.get("type") == "bootstrap.kubernetes.io/token":  # the controller that signs does so at once
            ident = manifest["stringData"]["token-id"]
            info = Ref("v1", "ConfigMap", "cluster-info", "kube-public")
            self.objects[info] = {"data": {f"jws-kubeconfig-{ident}": "signature"}}
        return manifest

    async def apply(self, manifest: Manifest, **_: Any) -> Manifest:
        """Keeps it."""
        self.changes.append(f"apply {Ref.of(manifest)}")
        self.objects[Ref.of(manifest)] = manifest
        return manifest

    async def patch(self, ref: Ref, body: Manifest, **_: Any) -> Manifest:
        """Changes a node's spec."""
        self.changes.append(f"patch {ref}")
        self.objects[ref]["spec"] |= body["spec"]
        return self.objects[ref]

    async def delete(self, ref: Ref, **_: Any) -> None:
        """Takes it away."""
        self.changes.append(f"delete {ref}")
        self.objects.pop(ref, None)

    async def until(self, ref: Ref, judge: Judge, *, timeout: float, title: str = "") -> Manifest | None:
        """It must be so now."""
        found = judge(self.objects.get(ref))
        assert found.stage is Stage.READY, f"{ref}: {found.why}"
        return self.objects.get(ref)

    async def close(self) -> None:
        """Says so."""
        self.closed = True


class Played:
    """The context, and all that is behind it. `podman`: what it says to a command line."""

    def __init__(
        self, verb: Verb = Verb.REBIRTH, podman: Callable[[list[str]], Result] | None = None, **more: Any
    ) -> None:
        self.options = options(**more)
        self.machines = {name: PlayedMachine(name) for name in [*self.options.control, *self.options.workers]}
        self.cluster = PlayedCluster()
        self.calls: list[list[str]] = []
        self.said: list[str] = []
        self.podman = podman or (lambda argv: Result(0, "[]", ""))
        self.known: dict[str, dict[str, Any]] = {}
        self.now = 0.0
        self.request = Request(verb=verb, castle=CASTLE, site=SITE)
        self.attempt, self.old_life, self.life, self.passed = 2, 1, 2, False
        self.desk, self.record, self.image = Desk(), RECORD, True

    def context(self) -> Any:
        """As a step sees it."""

        async def run(argv: Sequence[str], **_: Any) -> Result:
            self.calls.append(list(argv))
            return self.podman(list(argv))

        async def sleep(seconds: float) -> None:
            self.now += seconds

        async def machine(name: str, *, old: bool = False) -> Machine:
            if name not in self.machines:
                raise NotFound(f"no machine `{name}`")
            life = self.old_life if old else self.life
            index = list(self.machines).index(name)
            return Machine(421 + index, name, life, f"10.0.0.{8 * life + index}", self.machines[name])

        async def intent(what: str, **data: Any) -> None:
            self.said.append(f"intent {what} {data}")

        async def publish(name: str, address: str, port: int) -> int:
            self.said.append(f"publish {name} {address}:{port}")
            return 7

        async def spawn(argv: Sequence[str]) -> Any:
            self.said.append(f"told: {argv[-1]}")
            return SimpleNamespace(pid=PROMISER, close=withdrawn)

        async def withdrawn() -> int:
            self.said.append("nobody is told any more")
            return 0

        enclosure = SimpleNamespace(
            name="castle-c", gateway="10.0.0.1", treasury_host="treasury.castle",
            podman=lambda *args: ["podman", *args], podman_env=dict, enter=lambda argv: ["enter", *argv],
        )  # fmt: skip

        async def present(_: Any) -> bool:
            return self.image

        async def build(_: Any, __: Any) -> None:
            self.said.append("build")
            self.image = True

        images = SimpleNamespace(reference=lambda recipe: f"localhost/{recipe.name}", present=present, build=build)
        world = SimpleNamespace(
            exec=SimpleNamespace(run=run, spawn=spawn), enclosure=enclosure, images=images, publish=publish,
            door=lambda *_: 0,
            clock=SimpleNamespace(now=lambda: 1.7e9 + self.now, monotonic=lambda: self.now, sleep=sleep),
            kubernetes=lambda access: self.cluster,
        )  # fmt: skip
        return SimpleNamespace(
            world=world, options=self.options, layer=LAYER, request=self.request, record=self.record, run="r1",
            attempt=self.attempt, old_life=self.old_life, life=self.life, passed_no_return=self.passed,
            facts=lambda step: self.known.get(step, {}), machine=machine, intent=intent,
            progress=lambda *_, **__: None,
            diagnostic=lambda severity, text: self.said.append(f"{severity}: {text}"),
        )  # fmt: skip
