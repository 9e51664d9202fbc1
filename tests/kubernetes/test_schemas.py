"""`castle check`'s judgement beside that of a real API server: custom resources and built-in kinds."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import yaml

from ephemeral_castle.manifests.load import read
from ephemeral_castle.manifests.schemas import applied
from ephemeral_castle.manifests.schemas.builtin_kinds import BuiltIn
from ephemeral_castle.manifests.schemas.crds import definitions
from ephemeral_castle.manifests.schemas.known import Known
from ephemeral_castle.manifests.schemas.openapi import builtin_kinds
from ephemeral_castle.manifests.schemas.structural import Structural
from ephemeral_castle.world.kubernetes import HttpCluster
from tests.kubernetes.control import Control
from tests.kubernetes.documents import Maker
from tests.unit.manifests.schemas.test_builtin import DEPLOYMENT, EXAMPLES, POD

pytestmark = [pytest.mark.kubernetes, pytest.mark.evidence("real", "api-server")]

CRDS = list(yaml.safe_load_all(Path(__file__).with_name("everything.yaml").read_text()))
PLURALS = {"Synth": "namespaces/default/synths", "Cel": "cels"}
UNKNOWN = re.compile(r'unknown field "([^"]*)"')
DOCUMENTS = 300  # of each kind


@pytest_asyncio.fixture
async def server(control: Control, cluster: HttpCluster) -> AsyncIterator[httpx.AsyncClient]:
    """The server with both kinds, asked without our own client between."""
    for crd in CRDS:
        await cluster.apply(crd)
    paper = control.authority.client("admin", "system:masters")
    for name, text in (("admin.pem", paper.certificate), ("admin.key", paper.key)):
        (control.folder / name).write_text(text)
    import ssl

    trust = ssl.create_default_context(cadata=control.authority.pem)
    trust.load_cert_chain(control.folder / "admin.pem", control.folder / "admin.key")
    async with httpx.AsyncClient(base_url=control.url, verify=trust, timeout=30) as client:
        for path in PLURALS.values():
            await _until_served(client, f"/apis/test.io/v1/{path}")
        yield client


async def _until_served(client: httpx.AsyncClient, path: str) -> None:
    for _ in range(200):
        if (await client.get(path)).status_code == 200:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{path} is not served")


async def asked(client: httpx.AsyncClient, path: str, document: dict[str, Any]) -> dict[str, Any]:
    query = {"dryRun": "All", "fieldValidation": "Strict"}
    answer = await client.post(path, params=query, json=document)
    found: dict[str, Any] = answer.json()
    return {"code": answer.status_code, **found}


def fields(said: dict[str, Any]) -> set[str]:
    if said["code"] == 400:
        return set(UNKNOWN.findall(said["message"]))
    causes = (said.get("details") or {}).get("causes") or []
    return {each["field"] for each in causes if each.get("field") and each["field"] != "<nil>"}


@pytest.mark.parametrize("kind", sorted(PLURALS))
async def test_custom_resources_are_judged_as_the_server_judges_them(server: httpx.AsyncClient, kind: str) -> None:
    judge = Known(each for crd in CRDS for each in definitions(crd)).find("test.io/v1", kind)
    assert isinstance(judge, Structural)
    maker, compared = Maker(7), 0
    for _ in range(DOCUMENTS):
        document = maker.document("test.io/v1", kind, judge.of.schema)
        said, verdict = await asked(server, f"/apis/test.io/v1/{PLURALS[kind]}", document), judge.judge(document)
        if verdict.unchecked:
            continue
        compared += 1
        assert (said["code"] < 300) == (verdict.code < 300), (document, said.get("message"), verdict.message)
        if said["code"] >= 400:
            ours = {each.field for each in verdict.causes} - {"<nil>"}
            assert ours == fields(said), (document, said["message"], verdict.message)
    assert compared > DOCUMENTS * 0.8


async def test_built_in_kinds_are_judged_as_the_server_judges_them(server: httpx.AsyncClient) -> None:
    openapi = (await server.get("/openapi/v2")).json()
    kinds = {(each.api, each.kind): BuiltIn(each) for each in builtin_kinds(openapi)}
    texts = [text for broken, _, right in EXAMPLES.values() for text in (broken, right)]
    texts += [
        DEPLOYMENT % (POD % (more, "")) for more in (", imagePullPolicy: Sometimes", ", ports: [{containerPort: x}]")
    ]
    texts += [DEPLOYMENT % (POD % ("", "") + ", replica: 2"), DEPLOYMENT % "replicas: 1"]
    texts += [
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{clusterIP: None}}\n"
        for name in ("1a", "A")
    ]
    paths = {"apps/v1": "/apis/apps/v1", "batch/v1": "/apis/batch/v1", "v1": "/api/v1"}
    for text in texts:
        manifest = read(text)[0][0].manifest
        api, kind = manifest["apiVersion"], manifest["kind"]
        document = _whole(dict(manifest))
        said = await asked(server, f"{paths[api]}/namespaces/default/{kind.lower()}s", document)
        verdict = kinds[api, kind].judge(document)
        assert (said["code"] < 300) == (verdict.code < 300), (text, said.get("message"), verdict.message)
        if said["code"] == 422:
            assert {each.field for each in verdict.causes} & fields(said), (text, said["message"], verdict.message)
        if said["code"] == 400:
            assert verdict.code == 400, (text, said["message"], verdict.message)


def _whole(document: dict[str, Any]) -> dict[str, Any]:
    """A CronJob needs more than the example of its name's rule shows."""
    if document["kind"] == "CronJob":
        pods = {"spec": {"containers": [{"name": "a", "image": "b"}], "restartPolicy": "Never"}}
        document["spec"] = {"schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": pods}}}
    return document


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"bogus": 1}, ("spec", "bogus")),
        ({"lm1": [{"k": 3, "bogus": 1}]}, ("spec", "lm1", 0, "bogus")),
        ({"lm": [{"k": "a"}, {"k": "b", "p": "UDP", "bogus": 1}]}, ("spec", "lm", 1, "bogus")),
        ({"lm": [{"k": "a", "bogus": 1}]}, ("spec", "lm", 0, "bogus")),
        ({"apo": {"x.y": {"a": "b", "bogus": 1}}}, ("spec", "apo", "x.y", "bogus")),
    ],
)
async def test_server_side_apply_names_an_unknown_field_as_we_do(
    server: httpx.AsyncClient, spec: dict[str, Any], path: tuple[str | int, ...]
) -> None:
    document = {"apiVersion": "test.io/v1", "kind": "Synth", "metadata": {"name": "x"}, "spec": spec}
    judge = Known(definitions(CRDS[0])).find("test.io/v1", "Synth")
    assert judge
    answer = await server.patch(
        f"/apis/test.io/v1/{PLURALS['Synth']}/x",
        params={"fieldManager": "test", "dryRun": "All"},
        headers={"Content-Type": "application/apply-patch+yaml"},
        json=document,
    )
    assert applied.sentence(judge.node, document, path) in answer.json()["message"]
