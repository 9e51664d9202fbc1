"""python -m testbed.standins.operators DIRECTORY: writes the operators of examples/tazlab into its repository.

Two files for each: `platform/crds/NAME.yaml` and `operators/lab/NAME/components.yaml`. CRDs are the vendors' own, from
their Go modules, and lie in no file of ours; accounts, rights and Deployments are written here, with the names that the
vendors' charts give them. What is a stand-in says so in its Deployment.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from . import cert_manager
from .external_secrets import manifests as external_secrets
from .ingress import manifests as ingress

OPERATORS = {
    "cert-manager": (cert_manager.crds, cert_manager.documents),
    "external-secrets": (external_secrets.crds, external_secrets.documents),
    "ingress": (ingress.crds, ingress.documents),
}


def files(name: str) -> Iterator[tuple[str, str]]:
    """The files of one operator: path and text."""
    crds, documents = OPERATORS[name]
    yield f"platform/crds/{name}.yaml", _joined(crds())
    yield (
        f"operators/lab/{name}/components.yaml",
        _joined(yaml.safe_dump(each, sort_keys=False) for each in documents()),
    )


def _joined(parts: Iterable[str]) -> str:
    return "---\n".join(part.removeprefix("---\n") for part in parts)


def main() -> int:
    """Writes them; says where."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    for path, text in (each for name in OPERATORS for each in files(name)):
        target = Path(sys.argv[1]) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        print(target)
    return 0


if __name__ == "__main__":
    sys.exit(main())
