"""One repository with many mistakes and as many look-alikes: each mistake is found, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ephemeral_castle.manifests.rules import RULES, find
from ephemeral_castle.manifests.rules.rule import Setting
from ephemeral_castle.model.finding import Severity
from tests.rules import bed

SHARED = ("vault", "letsencrypt", "fast", "own", "treasury", "/castle/", "longhorn-data", "archive")
APART = {
    "address-clash": "asks for addresses, which are not names",
    "api-version-gone": "needs a release that others have, too",
    "helm-retries": "has a chart that may make anything",
    "longhorn-settings": "its chart may make storage classes",
    "live-fields": "has Services without pods",
    "metallb-address": "asks for addresses, which are not names",
    "namespace-missing": "has a chart that may make anything",
    "prunes-data": "needs a Kustomization that prunes",
    "source-missing": "has a chart, whose name is known",
    "template-key": "names a store that others make",
    "system-object": "objects of the system have one name",
}
USUAL = bed.texts(bed.HERE / "secret-missing" / "fails")["flux.yaml"]  # one Kustomization that applies everything
UNIT = USUAL.partition("---\n")[2].replace("prune: true", "prune: false")
NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}}}\n"


def plain_trees() -> Iterator[tuple[str, str, str]]:
    """Rule, side and text of the trees that are one file, or one file and the usual Kustomization."""
    for rule in RULES:
        for side in ("fails", "passes"):
            files = bed.texts(bed.HERE / rule.id / side)
            usual = files.pop("flux.yaml", USUAL) == USUAL
            known = (bed.HERE / rule.id / side / "setting.json").exists()
            if len(files) == 1 and usual and not known and rule.id not in APART:
                yield rule.id, side, next(iter(files.values()))


def moved(number: int, text: str) -> str:
    """A tree in a namespace of its own, and with names of its own."""
    text = re.sub(r"(namespace: |kind: Namespace\nmetadata:\s+\{?name: )(web|data)\b", rf"\g<1>n{number}", text)
    text = re.sub(r"namespace: (flux-system|kube-system|default)\d+", r"namespace: \1", text)
    for name in SHARED:
        text = re.sub(rf"(?<![\w-]){name}(?![\w-])", f"{name}{number}", text)
    return text


def test_thirty_mistakes_are_found_among_thirty_look_alikes():
    files = {"flux.yaml": USUAL.partition("---\n")[0]}
    expected, brought = set(), set()
    for number, (rule, side, text) in enumerate(plain_trees()):
        unit = f"{rule}-{side}"
        files["flux.yaml"] += "---\n" + UNIT.replace("name: apps", f"name: {unit}").replace("./apps", f"./{unit}")
        files[f"{unit}/app.yaml"] = moved(number, text)
        if "kind: Namespace" not in text:
            files[f"{unit}/namespace.yaml"] = NAMESPACE.format(name=f"n{number}")
        brought.add(f"Secret n{number}/db-s3")
        expected |= {(rule, f"{unit}/app.yaml", line) for _, line in bed.marked({"app.yaml": text})}
    every = find(bed.repository(files), Setting(brought=frozenset(brought)))
    found = {(one.rule, one.mark.file, one.mark.line) for one in every if one.severity is not Severity.UNDECIDED}
    assert sorted(found - expected) == []
    assert sorted(expected - found) == []
    assert len({rule for rule, _, _ in expected}) >= 30
