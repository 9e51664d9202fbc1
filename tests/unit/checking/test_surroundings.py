"""What rules know of a castle beside its repository."""

from __future__ import annotations

from pathlib import Path

from ephemeral_castle.cli.catalog import driver_names, options_of
from ephemeral_castle.cli.checking.surroundings import setting_of
from ephemeral_castle.definition.load import check_text
from ephemeral_castle.model.castle import Layer, Role, Site

SITE = Site(
    "lab",
    (
        Layer("cluster", Role.FOUNDATIONS, "kubeadm", (),
              {"control": ["a"], "workers": ["b", "c"], "version": "v1.35.2"}),
        Layer("database", Role.TREASURES, "postgres", (), {"namespace": "data"}),
        Layer(
            "gitops", Role.WALLS, "flux", (),
            {"path": "x", "secrets": {"external-secrets/token": {"token": "vault/token"}}, "treasury_ca": ["data/ca"]},
        ),
        Layer("tls", Role.GATES, "cert-manager", (), {"carried": [{"namespace": "blog", "secret": "blog-tls"}]}),
    ),
)  # fmt: skip


def test_what_castle_itself_puts_into_the_cluster_is_not_missed_in_git():
    found = setting_of(SITE, None, None)
    assert found.brought == {
        "Namespace data", "Namespace external-secrets", "Namespace blog", "Namespace flux-system",
        "Secret external-secrets/token", "Secret data/ca", "Secret blog/blog-tls", "Secret flux-system/flux-system",
        "GitRepository flux-system/flux-system", "Kustomization flux-system/flux-system",
        "ConfigMap flux-system/castle-values", "ConfigMap flux-system/castle-cluster",
        "ConfigMap flux-system/castle-database", "ConfigMap flux-system/castle-gitops",
        "ConfigMap flux-system/castle-tls",
    }  # fmt: skip
    assert (found.kubernetes, found.nodes, found.living) == ((1, 35), 2, None)


def test_a_version_that_was_asked_for_wins_and_nothing_is_guessed():
    assert setting_of(SITE, frozenset(), (1, 33)).kubernetes == (1, 33)
    bare = setting_of(Site("home", (Layer("cluster", Role.FOUNDATIONS, "kubeconfig"),)), None, None)
    assert (bare.kubernetes, bare.nodes, bare.brought) == ((1, 36), None, frozenset())


def test_the_name_of_a_kubernetes_secret_was_taken_for_a_secret_in_plain_text():
    example = Path(__file__).parents[3] / "examples/tazlab/castle.yaml"
    text = example.read_bytes()
    assert check_text(text, "castle.yaml", options_of=options_of, driver_names=driver_names()) == []
