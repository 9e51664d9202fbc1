"""What `castle adopt` found and wrote, for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from ephemeral_castle.views.words import clean, count

FATES = {
    "lost": "LOST, castle cannot bring it back",
    "look": "look at it before anything is destroyed",
    "given": "it has to be given to castle once",
    "renewed": "another one is made in its place",
    "returns": "comes back",
}


def adoption_text(answer: Mapping[str, Any]) -> str:
    """The report: what comes back and what does not, the worst first, then what was written and what comes next.

    Args:
        answer: `castle`, `context`, `files`, `cluster` (`server`, `version`, `uid`), `unseen` (texts), `findings`
            (`section`, `what`, `fact`, `fate`, `consequence`), `counts` by fate, `give` (`secret`, `from`, `command`),
            `notes` (texts).
    """
    cluster = answer["cluster"]
    where = f"Kubernetes {clean(cluster['version'])} at {clean(cluster['server'])}"
    lines = [
        f"cluster of context {clean(answer['context'])}: {where}; nothing was changed in it",
        "",
        *_report(answer["findings"]),
        *(f"not seen: {clean(each)}" for each in answer["unseen"]),
        *([""] if answer["unseen"] else []),
        *(f"wrote {clean(path)}" for path in answer["files"]),
        *(clean(each) for each in answer["notes"]),
        *_give(answer["give"]),
        "",
        *(f"next: `{each}`" for each in ("castle doctor", "castle plan drill", "castle drill")),
    ]
    return "\n".join(lines)


def role_text(answer: Mapping[str, Any]) -> str:
    """A ClusterRole as YAML, and how it is given to an account."""
    role = answer["role"]
    own = role["metadata"]["name"]
    head = [
        "# The rights of castle in a cluster that it does not raise. To give them to an account of its own:",
        "#   kubectl create serviceaccount castle -n kube-system",
        f"#   kubectl create clusterrolebinding {own} --clusterrole={own} --serviceaccount=kube-system:castle",
        "#   kubectl create token castle -n kube-system --duration=720h",
    ]
    return "\n".join([*head, yaml.safe_dump(role, sort_keys=False).rstrip()])


def _report(findings: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for fate, title in FATES.items():
        mine = [each for each in findings if each["fate"] == fate]
        if not mine:
            continue
        yield f"{title} ({count(len(mine), 'finding')})"
        for each in mine:
            yield f"  {clean(each['section'])}: {clean(each['what'])}: {clean(each['fact'])}"
            yield f"      {clean(each['consequence'])}"
        yield ""


def _give(wanted: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if wanted:
        yield ""
        yield "castle has to be given these, each by one command, with the present key of the cluster:"
    for each in wanted:
        yield f"  {clean(each['command'])}"
