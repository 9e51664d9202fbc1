"""A certificate that is carried into a cluster is taken by cert-manager as it is."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from ephemeral_castle.drivers.cert_manager import CertManagerDriver
from ephemeral_castle.errors import Permanent
from ephemeral_castle.model.castle import Layer, Role
from ephemeral_castle.model.step import State
from ephemeral_castle.spi.kubernetes import Ref
from ephemeral_castle.spi.secret import Secret
from tests.unit.cluster_bed import ID, Bed

LAYER = Layer("tls", Role.GATES, "cert-manager", ("cluster", "certificate", "gitops"))
ONE = {"namespace": "blog", "name": "blog", "secret": "blog-tls", "layer": "certificate", "issuer": {"name": "castle"}}
SECRET = Ref("v1", "Secret", "blog-tls", "blog")
CERTIFICATE = Ref("cert-manager.io/v1", "Certificate", "blog", "blog")


def bed(**options: Any) -> Bed:
    made = Bed(CertManagerDriver(), LAYER, **{"carried": [ONE], "wait": "60s", **options})
    made.secrets.known |= {
        "certificate/certificate/chain": Secret("CHAIN"),
        "certificate/certificate/key": Secret("KEY"),
    }
    return made


def applied(castle: Bed, *, revision: int = 0, ready: bool = True) -> None:
    """Flux applies the Certificate, and cert-manager says what it thinks of it."""
    if Ref("v1", "Namespace", "blog") not in castle.api.objects:
        castle.api.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "blog"}})
    reason = "Ready" if ready else "IncorrectIssuer"
    condition = {"type": "Ready", "status": "True" if ready else "False", "reason": reason,
                 "message": "Issuing certificate as Secret was previously issued by another"}  # fmt: skip
    status = {"conditions": [condition], **({"revision": revision} if revision else {})}
    castle.api.put({"apiVersion": CERTIFICATE.api, "kind": CERTIFICATE.kind, "status": status,
                    "metadata": {"name": "blog", "namespace": "blog"}, "spec": {"secretName": "blog-tls"}})  # fmt: skip


def test_the_secret_is_there_before_flux_is_told_anything() -> None:
    castle = bed()
    carried, ready = castle.steps()
    assert "ahead-of-walls" in carried.provides
    assert "certificate:certificate?" in carried.needs
    assert "flux:gitops?" not in carried.needs
    assert "flux:gitops?" in ready.needs
    assert ready.provides == ("serving:tls",)


def test_cert_manager_issues_anew_what_does_not_say_who_issued_it() -> None:
    """Without label and annotations it writes its own, with an empty issuer, and finds that issuer wrong."""
    castle = bed()
    castle.does("carried")
    found = castle.api.objects[SECRET]
    assert found["type"] == "kubernetes.io/tls"
    assert base64.b64decode(found["data"]["tls.crt"]) == b"CHAIN"
    assert found["metadata"]["labels"] == {
        "controller.cert-manager.io/fao": "true", "castle.id": ID, "castle.life": "2", "castle.layer": "tls",
    }  # fmt: skip
    assert found["metadata"]["annotations"] == {
        "cert-manager.io/certificate-name": "blog",
        "cert-manager.io/issuer-name": "castle",
        "cert-manager.io/issuer-kind": "ClusterIssuer",
        "cert-manager.io/issuer-group": "cert-manager.io",
    }
    applied(castle)
    seen = castle.does("ready")
    assert (seen.detail, seen.facts["issued"]) == ("as they were carried", {"blog/blog": 0})
    assert castle.said == []
    assert castle.play(lambda: castle.driver.settled(castle.ctx)) == ""


def test_one_that_was_issued_anew_is_told_and_stays_cert_managers() -> None:
    castle = bed()
    castle.does("carried")
    applied(castle, revision=1)
    castle.does("ready")
    (said,) = castle.said
    assert said.startswith("warning: cert-manager has issued in this life what castle carries: blog/blog;")
    theirs = {"tls.crt": base64.b64encode(b"THEIRS").decode()}
    castle.play(lambda: castle.api.patch(SECRET, {"data": theirs}))
    castle.does("carried")  # else both would write it in turns
    assert castle.api.objects[SECRET]["data"]["tls.crt"] == theirs["tls.crt"]


def test_a_renewed_one_is_handed_over_in_the_same_life() -> None:
    castle = bed()
    castle.does("carried")
    applied(castle)
    castle.secrets.known["certificate/certificate/chain"] = Secret("RENEWED")
    why = castle.play(lambda: castle.driver.settled(castle.ctx))
    assert why == "another certificate is carried than lies in Secret blog/blog-tls"
    castle.does("carried")
    assert base64.b64decode(castle.api.objects[SECRET]["data"]["tls.crt"]) == b"RENEWED"


def test_one_that_does_not_become_ready_is_told_with_cert_managers_words() -> None:
    castle = bed()
    applied(castle, ready=False)
    with pytest.raises(Permanent) as caught:
        castle.does("ready")
    assert "IncorrectIssuer" in caught.value.why
    assert "names do not lead to this life yet" in caught.value.state
    looked = castle.play(lambda: castle.driver.look(castle.ctx))
    assert "certificate blog/blog" in looked["alarms"][0]["text"]


def test_a_vault_without_the_certificate_is_told() -> None:
    castle = bed()
    castle.secrets.known.clear()
    with pytest.raises(Permanent, match="the vault has no certificate of layer `certificate`"):
        castle.does("carried")


def test_no_key_is_ever_told() -> None:
    castle = bed()
    step = castle.steps()[0]
    seen = castle.play(lambda: castle.driver.observe(step, castle.ctx))
    assert seen.state is State.NOT_REACHED
    done = castle.does("carried")
    assert not any(word in f"{seen}{done}{castle.said}{castle.lines}" for word in ("KEY", "CHAIN"))
