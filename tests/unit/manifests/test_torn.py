"""When a fault of one file leaves open whether something is made, and when it does not."""

from ephemeral_castle.manifests import reading
from ephemeral_castle.manifests.files import Memory
from ephemeral_castle.manifests.load import read
from ephemeral_castle.manifests.repository import Object, Repository, Unit
from ephemeral_castle.manifests.rules import RULES, find
from ephemeral_castle.manifests.rules.meant import meant
from ephemeral_castle.manifests.rules.rule import Setting
from ephemeral_castle.model.finding import Finding, Mark, Severity

OBJECTS = """
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec: {path: ./apps, interval: 1m, prune: true, sourceRef: {kind: GitRepository, name: flux-system}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: blog, namespace: blog}
spec: {secretStoreRef: {kind: ClusterSecretStore, name: vault}, data: [{secretKey: a, remoteRef: {key: a}}]}
"""


def test_a_fault_of_another_file_does_not_hide_what_is_missing() -> None:
    """One key written twice in one file made every missing name of the whole repository undecided."""
    assert severities({"other.yaml": "a: 1\na: 2\n"}, "other.yaml") == {
        "secret-store-missing": Severity.ERROR,
        "namespace-missing": Severity.ERROR,
        "source-missing": Severity.UNDECIDED,
    }


def test_what_a_broken_file_names_may_be_made_there() -> None:
    found = severities({"other.yaml": "name: vault\n\tbroken"}, "other.yaml")
    assert found["secret-store-missing"] is Severity.UNDECIDED
    assert found["namespace-missing"] is Severity.ERROR


def test_what_a_file_makes_that_nobody_can_read_is_not_known() -> None:
    assert set(severities({}, "secret.bin.yaml").values()) == {Severity.UNDECIDED}


def test_the_source_that_flux_reads_the_repository_from_comes_with_flux() -> None:
    """Repositories of the Flux operator hold no GitRepository: nearly every unit of them was an error."""
    assert severities({}, "")["source-missing"] is Severity.UNDECIDED


def test_a_word_that_is_cut_short_is_near() -> None:
    assert meant("letsencrypt-production", ["letsencrypt-prod", "letsencrypt-staging"]) == "letsencrypt-prod"


def test_a_longer_name_is_meant_where_it_is_sure_that_there_is_no_shorter_one() -> None:
    store = "---\napiVersion: external-secrets.io/v1\nkind: ClusterSecretStore\nmetadata: {name: vault-lab}\nspec: {}\n"
    objects = tuple(Object(each.manifest) for each in read(OBJECTS + store, "apps/all.yaml")[0])
    rules = [each for each in RULES if each.id == "secret-store-missing"]
    [found] = find(Repository(objects, (Unit(objects[0], "apps"),)), Setting(), rules)
    assert found.hints[0] == "did you mean `vault-lab`?"


def severities(texts: dict[str, str], fault: str) -> dict[str, Severity]:
    """How bad the missing names are, in a repository with a fault in a file."""
    objects = tuple(Object(each.manifest) for each in read(OBJECTS, "apps/all.yaml")[0])
    faults = (Finding("yaml", Severity.ERROR, "x", Mark(fault, 1)),) if fault else ()
    repository = Repository(objects, (Unit(objects[0], "apps"),), faults, texts=texts)
    rules = [each for each in RULES if each.id in ("secret-store-missing", "namespace-missing", "source-missing")]
    return {each.rule: each.severity for each in find(repository, Setting(), rules)}


def test_a_forgotten_file_is_named_as_its_kustomization_would_name_it() -> None:
    config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
    files = {"configs/kustomization.yaml": "resources: [b.yaml]\n", "configs/b.yaml": config.replace("a}", "b}")}
    repository = reading.read(Memory({**files, "configs/more/a.yaml": config}))
    [found] = find(repository, Setting(), [each for each in RULES if each.id == "orphan-file"])
    assert found.severity is Severity.NOTE  # no unit of Flux: somebody may apply it by hand
    assert found.hints == ("add `more/a.yaml` to the `resources` of configs/kustomization.yaml; or delete it",)


def test_a_slip_in_the_name_of_a_file_is_seen() -> None:
    repository = reading.read(Memory({"kustomization.yaml": "resources: [ingres.yaml]\n", "ingress.yaml": "a: b\n"}))
    assert [each.hints for each in repository.faults] == [("there is `ingress.yaml`",)]
