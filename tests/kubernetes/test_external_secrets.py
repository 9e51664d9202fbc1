"""Driver, operator and store together: a real API server with the vendor's CRDs, a real OpenBao, the stand-in between.

evidence: the API server, the CRDs and OpenBao are real; the operator is a stand-in.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from testbed import openbao
from testbed.standins.external_secrets import manifests

from ephemeral_castle.errors import CastleError, Permanent
from ephemeral_castle.manifests import ready
from ephemeral_castle.spi.kubernetes import Manifest, Ref
from ephemeral_castle.world.clock import SystemClock
from ephemeral_castle.world.kubernetes import HttpCluster
from ephemeral_castle.world.simulated import MemoryObjects, SimulatedWorld
from tests.kubernetes.control import Control
from tests.kubernetes.objects import namespace
from tests.unit.drivers.external_secrets.bed import API, CIPHER, NAMED, PASS, Bed, external

pytestmark = [
    pytest.mark.kubernetes,
    pytest.mark.evidence("real", "api-server", "openbao"),
    pytest.mark.evidence("stand-in", "external-secrets"),
]
ROOT = Path(__file__).resolve().parents[2]
VENDORS = ROOT.parent / "shared/crds/external-secrets"
ACCOUNT = "system:serviceaccount:external-secrets:external-secrets"
TEMPLATE = "[global]\nrepo1-s3-key={{ .key }}\nrepo1-s3-key-secret={{ .secret }}\nrepo1-cipher-pass={{ .pass }}\n"
STORED = {"key": "AKEY", "secret": "sesame", "pass": PASS}
DATA = [{"secretKey": each, "remoteRef": {"key": "castle/db", "property": each}} for each in STORED]
DB = Ref(API, "ExternalSecret", "db-s3", "data")


class Store:
    """A real OpenBao of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.found: dict[str, Any] = {}
        self.crds = ""  # which are in the cluster beside it

    def start(self) -> None:
        self.found = json.loads(self._run("start"))

    @property
    def token(self) -> str:
        return Path(self.found["reader"]).read_text()

    def put(self, path: str, values: dict[str, str]) -> None:
        self._run("put", path, stdin=json.dumps(values))

    def stop(self) -> None:
        self._run("stop")

    def _run(self, verb: str, *arguments: str, stdin: str = "") -> str:
        command = [sys.executable, openbao.__file__, verb, str(self.folder), *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    subprocess.run([ROOT / "scripts/openbao"], check=True, capture_output=True, timeout=600)
    made = Store(tmp_path_factory.mktemp("store") / "bao")
    made.start()
    try:
        yield made
    finally:
        made.stop()


@cache
def crds(source: str) -> list[Manifest]:
    """Of the operator's own version, or of the newest."""
    if source == "module":
        texts = list(manifests.crds())
    else:
        files = [VENDORS / f"external-secrets.io_{name}.yaml" for name in manifests.MODULE.crds]
        if not all(file.exists() for file in files):
            pytest.skip(f"{VENDORS} is not here")
        texts = [file.read_text() for file in files]
    return [yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) for text in texts]


class Lab(Bed):
    """A run whose cluster, store and operator are there; the test plays no part of it."""

    def __init__(self, cluster: HttpCluster, store: Store, **options: Any) -> None:
        super().__init__(**options)
        clock: Any = SystemClock()
        self.clock, self.api, self.vault = clock, cluster, store  # type: ignore[assignment]
        self.world = SimulatedWorld(clock, MemoryObjects(clock))
        self.real = cluster

    async def install(self, source: str) -> None:
        for each in crds(source) if self.vault.crds != source else ():
            await self.real.apply(each)
            await self.real.until(Ref.of(each), ready.judge, timeout=30)
        self.vault.crds = source
        for each in (namespace("data"), *manifests.documents()):
            await self.real.apply(each)
        await self.apply_token(self.vault.token)

    async def apply_token(self, text: str) -> None:
        meta = {"name": "vault-token", "namespace": "external-secrets"}
        data = {"token": base64.b64encode(text.encode()).decode()}
        await self.real.apply({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data})

    async def apply_store(self) -> None:
        auth = {"tokenSecretRef": {"name": "vault-token", "key": "token", "namespace": "external-secrets"}}
        given = {"server": self.vault.found["address"], "path": "kv", "version": "v2", "auth": auth}
        await self.real.apply({"apiVersion": API, "kind": "ClusterSecretStore", "metadata": {"name": "vault"},
                               "spec": {"provider": {"vault": given}}})  # fmt: skip

    async def apply_external(self, **more: Any) -> None:
        target = {"name": "db-s3", "template": {"engineVersion": "v2", "data": {"s3.conf": TEMPLATE}}}
        await self.real.apply(external(target=target, data=DATA, **more))


RUN = """
import ssl, sys
from pathlib import Path
from testbed.standins.api import Api
from testbed.standins.external_secrets.controllers import Operator

folder = Path(sys.argv[2])
context = ssl.create_default_context(cafile=folder / "ca.pem")
context.load_cert_chain(folder / "operator.pem", folder / "operator.key")
operator = Operator(Api(sys.argv[1], context, lambda: "", "external-secrets"))
operator.start()
operator.over.wait()
"""


@contextlib.contextmanager
def operating(control: Control, folder: Path) -> Iterator[None]:
    """The stand-in, as its ServiceAccount: with the rights that its manifests give, and no more."""
    access = control.access(ACCOUNT, "system:serviceaccounts")
    assert access.key is not None
    texts = {"ca.pem": access.ca, "operator.pem": access.certificate, "operator.key": access.key.reveal()}
    for name, text in texts.items():
        (folder / name).write_text(text)
    with (folder / "operator.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-c", RUN, control.url, folder], cwd=ROOT, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@pytest_asyncio.fixture
async def lab(
    request: pytest.FixtureRequest, control: Control, cluster: HttpCluster, store: Store
) -> AsyncIterator[Lab]:
    made = Lab(cluster, store, **NAMED, cipher=CIPHER, wait="60s")
    await made.install(getattr(request, "param", "module"))
    try:
        yield made
    finally:
        if await cluster.get(DB):
            await cluster.patch(DB, {"metadata": {"finalizers": None}})
        for ref in (DB, Ref("v1", "Secret", "db-s3", "data"), Ref(API, "ClusterSecretStore", "vault")):
            await cluster.delete(ref)
            await cluster.until(ref, ready.absent, timeout=20)


@pytest.mark.parametrize("lab", ["vendor", "module"], indirect=True)
async def test_secrets_of_a_new_life(lab: Lab, control: Control, store: Store, tmp_path: Path) -> None:
    store.put("castle/db", STORED)
    with operating(control, tmp_path):
        await lab.apply_store()
        await lab.apply_external()
        begun = time.monotonic()
        for step in ("store", "synced", "whole"):
            await lab.step(step)
        took = time.monotonic() - begun
        secret = await lab.real.get(Ref("v1", "Secret", "db-s3", "data"))
        assert secret is not None
        assert base64.b64decode(secret["data"]["s3.conf"]).decode().endswith(f"repo1-cipher-pass={PASS}\n")
        assert await lab.driver.settled(lab.ctx) == ""
        assert took < 10
    assert lab.known["secrets.synced"]["secrets"]["data/db-s3"]["keys"] == ["s3.conf"]
    assert PASS not in lab.everything_said()


async def test_a_store_that_comes_late_wakes_what_slept(
    lab: Lab, control: Control, store: Store, tmp_path: Path
) -> None:
    store.put("castle/db", STORED)
    store.stop()
    try:
        with operating(control, tmp_path):
            await lab.apply_store()
            await lab.apply_external()
            await asyncio.sleep(4)
            timer = threading.Timer(3, store.start)
            timer.start()
            await lab.step("store")
            await lab.step("synced")
            timer.join()
    finally:
        store.start()


@pytest.mark.parametrize(
    ("stored", "why"),
    [
        ({**STORED, "pass": "rose-1"}, "another one than `database/cipher`"),
        ({**STORED, "secret": ""}, "option `repo1-s3-key-secret` in key `s3.conf` is empty"),
        ({"key": "AKEY", "secret": "sesame"}, 'cannot find secret data for key: "pass"'),
    ],
)
async def test_what_is_wrong_is_told(
    lab: Lab, control: Control, store: Store, tmp_path: Path, stored: dict[str, str], why: str
) -> None:
    store.put("castle/db", stored)
    with operating(control, tmp_path):
        await lab.apply_store()
        await lab.apply_external()
        await lab.step("store")
        with pytest.raises(Permanent) as caught:
            await lab.step("synced")
    assert why in caught.value.why
    assert not any(value in str(caught.value.as_dict()) for value in ("rose-1", "sesame", PASS))


async def test_a_token_that_is_refused_is_told(lab: Lab, control: Control, store: Store, tmp_path: Path) -> None:
    await lab.apply_token("s.wrong")
    with operating(control, tmp_path):
        await lab.apply_store()
        with pytest.raises(Permanent) as caught:
            await lab.step("store")
    assert "invalid vault credentials" in caught.value.why
    assert "permission denied" in caught.value.why


async def test_the_api_server_is_killed_while_castle_waits(
    lab: Lab, control: Control, store: Store, tmp_path: Path
) -> None:
    store.put("castle/db", STORED)
    with operating(control, tmp_path):
        await lab.apply_store()
        await lab.step("store")

        def restart() -> None:
            control.kill_server()
            control.start_server()
            control.wait()

        timer = threading.Timer(1, restart)
        timer.start()

        async def late() -> None:
            await asyncio.sleep(3)
            while True:
                try:
                    return await lab.apply_external()
                except CastleError:  # the server is away
                    await asyncio.sleep(0.5)

        await asyncio.gather(lab.step("synced"), late())
        timer.join()
