"""Data that a rename in Git would delete."""

from __future__ import annotations

from collections.abc import Iterator

from ephemeral_castle.manifests.repository import Object, Repository
from ephemeral_castle.manifests.rules.fields import NOTE, fault, labels, notes, spec
from ephemeral_castle.manifests.rules.rule import Rule, Setting
from ephemeral_castle.manifests.rules.units import clusters
from ephemeral_castle.model.finding import Finding

ID = "prunes-data"
OPT_OUT = "kustomize.toolkit.fluxcd.io/prune"
DATA = {
    ("postgres-operator.crunchydata.com", "PostgresCluster"),
    ("postgresql.cnpg.io", "Cluster"),
    ("longhorn.io", "Volume"),
    ("longhorn.io", "BackupVolume"),
    ("longhorn.io", "Backup"),
}


def find(repository: Repository, setting: Setting) -> Iterator[Finding]:
    """Looks at the databases and volumes of Kustomizations that prune."""
    for cluster in clusters(repository):
        for stage in cluster.stages.values():
            if spec(stage.thing).get("prune") is not True:
                continue
            for one in stage.objects:
                if (one.group, one.kind) in DATA and not _kept(one):
                    message = f"{stage.id} prunes: a rename, or a file that goes, deletes it with its volumes"
                    hints = (f"annotate it with `{OPT_OUT}: disabled`",)
                    yield fault(ID, NOTE, one, ("metadata", "name"), message, hints=hints)


def _kept(one: Object) -> bool:
    return "disabled" in (notes(one).get(OPT_OUT), labels(one).get(OPT_OUT))


RULE = Rule(
    ID,
    "a database stands in a Kustomization that prunes",
    "With `prune: true` Flux deletes what Git no longer names: after a rename, a moved file, a slip in a "
    "kustomization. A PostgresCluster takes its volumes along, and a repository on a volume too. The annotation "
    "`kustomize.toolkit.fluxcd.io/prune: disabled` keeps it, whatever Git says.",
    "Flux' documentation of prune; owner references of PGO",
    find,
    ("L6",),
)
