"""Our judgement beside that of a real API server, document by document (`bench/verdicts.py` takes the whole file)."""

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from ephemeral_castle.manifests.schemas.crds import definitions, is_crd
from ephemeral_castle.manifests.schemas.known import Known
from ephemeral_castle.manifests.schemas.structural import Verdict

SHARED = Path(__file__).parents[5] / "shared" / "crds"
FILE = SHARED / "verdicts" / "dev.jsonl.gz"
OTHER = "external-secrets-v0.16.2"  # holds a second ExternalSecret v1 with another schema

pytestmark = pytest.mark.skipif(not FILE.exists(), reason=f"the server's verdicts are not here ({FILE})")


@cache
def known() -> Known:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    files = [each for each in sorted(SHARED.rglob("*.yaml")) if OTHER not in each.parts]
    crds = [crd for each in files for crd in yaml.load_all(each.read_text(), Loader=loader) if is_crd(crd)]
    return Known(each for crd in crds for each in definitions(crd))


def lines(share: int) -> list[dict[str, Any]]:
    with gzip.open(FILE, "rt") as file:
        return [json.loads(line) for at, line in enumerate(file) if at % 8 == share]


def judge(document: dict[str, Any]) -> Verdict:
    found = known().find(document["apiVersion"], document["kind"])
    assert found
    return found.judge(document)


@pytest.mark.parametrize("share", [0, 3])
def test_a_share_of_the_documents_is_judged_as_the_server_did(share):
    for line in lines(share):
        document = line["doc"]
        verdict = judge(document)
        assert verdict.code == line["code"], line["message"]
        if line["code"] == 422:
            causes = {tuple(each) for each in line["causes"]}
            assert {(each.reason, each.field, each.message) for each in verdict.causes} == causes
        if line["code"] == 400:
            assert verdict.message == line["message"]


def test_a_document_stays_as_it_was_written():
    for line in lines(1)[:40]:
        before = json.dumps(line["doc"])
        judge(line["doc"])
        assert json.dumps(line["doc"]) == before
