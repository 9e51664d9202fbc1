"""Objects of Flux, cert-manager and External Secrets: what looks ready and is not."""

from __future__ import annotations

from typing import Any

import pytest

from ephemeral_castle.manifests import ready
from ephemeral_castle.manifests.readiness import Manifest
from tests.unit.manifests.samples import condition, conditions, made

READY, WAITING, FAILED = "ready", "waiting", "failed"
SHA = "0123456789012345678901234567890123456789"
REVISION = f"main@sha1:{SHA}"
ASKED = {"annotations": {"reconcile.fluxcd.io/requestedAt": "7"}}


def git(
    *found: dict[str, Any], spec: dict[str, Any] | None = None, meta: dict[str, Any] | None = None, **status: Any
) -> Manifest:
    whole = conditions(*found, observedGeneration=2, artifact={"revision": REVISION}, **status)
    return made("source.toolkit.fluxcd.io/v1", "GitRepository", spec=spec or {}, meta=meta or {}, status=whole)


def unit(
    *found: dict[str, Any], spec: dict[str, Any] | None = None, meta: dict[str, Any] | None = None, **status: Any
) -> Manifest:
    whole = {"observedGeneration": 2, "lastAppliedRevision": REVISION, "lastAttemptedRevision": REVISION, **status}
    api = "kustomize.toolkit.fluxcd.io/v1"
    return made(api, "Kustomization", spec=spec or {}, meta=meta or {}, status=conditions(*found, **whole))


def helm(*found: dict[str, Any]) -> Manifest:
    return made("helm.toolkit.fluxcd.io/v2", "HelmRelease", status=conditions(*found, observedGeneration=2))


def certificate(*found: dict[str, Any], **status: Any) -> Manifest:
    return made("cert-manager.io/v1", "Certificate", status=conditions(*found, **status))


def external(*found: dict[str, Any], version: str = "2-abc") -> Manifest:
    return made("external-secrets.io/v1", "ExternalSecret", status=conditions(*found, syncedResourceVersion=version))


def store(*found: dict[str, Any]) -> Manifest:
    return made("external-secrets.io/v1", "ClusterSecretStore", status=conditions(*found))


GOOD = condition("Ready", seen=2)
CASES: list[tuple[str, Manifest, str, str]] = [
    ("a source", git(GOOD), READY, REVISION),
    ("a source whose spec changed", git(condition("Ready", seen=1)), WAITING, "generation 1, and 2"),
    ("a source that is suspended", git(GOOD, spec={"suspend": True}), WAITING, "suspended"),
    (
        "a source that was not asked again yet",
        git(GOOD, meta=ASKED, lastHandledReconcileAt="6"),
        WAITING,
        "has not been done",
    ),
    ("a source that was asked again", git(GOOD, meta=ASKED, lastHandledReconcileAt="7"), READY, ""),
    (
        "a source that failed and keeps its old artifact",
        git(condition("Ready", "False", "GitOperationFailed", "unable to clone", seen=2), condition("FetchFailed")),
        WAITING,
        "unable to clone",
    ),
    ("a source that can never be", git(GOOD, condition("Stalled", reason="URLInvalid", seen=2)), FAILED, "URLInvalid"),
    ("a stall of the spec before", git(GOOD, condition("Stalled", reason="URLInvalid", seen=1)), READY, ""),
    ("a source that fetches", git(GOOD, condition("Reconciling", reason="NewRevision")), WAITING, "NewRevision"),
    (
        "a source without an artifact",
        made("source.toolkit.fluxcd.io/v1", "GitRepository", status=conditions(GOOD, observedGeneration=2)),
        WAITING,
        "nothing is stored",
    ),
    ("a unit", unit(GOOD), READY, REVISION),
    (
        "a unit that was never seen",
        made("kustomize.toolkit.fluxcd.io/v1", "Kustomization"),
        WAITING,
        "no condition Ready",
    ),
    (
        "a unit that waits for another",
        unit(condition("Ready", "False", "DependencyNotReady", seen=2), observedGeneration=1),
        WAITING,
        "DependencyNotReady",
    ),
    (
        "a unit whose new revision is being tried",
        unit(GOOD, lastAttemptedRevision="main@sha1:ff"),
        WAITING,
        "it tries main@sha1:ff",
    ),
    ("a unit whose status is behind its condition", unit(GOOD, observedGeneration=1), WAITING, "generation 1"),
    (
        "a unit that failed",
        unit(condition("Ready", "False", "BuildFailed", "missing ConfigMap castle-life", seen=2)),
        WAITING,
        "castle-life",
    ),
    (
        "a unit at work",
        unit(condition("Ready", "Unknown", "Progressing", seen=2), condition("Reconciling")),
        WAITING,
        "",
    ),
    ("a release", helm(GOOD, condition("Released")), READY, ""),
    (
        "a release that never tries again",
        helm(
            condition("Ready", "False", "InstallFailed", seen=2), condition("Stalled", reason="RetriesExceeded", seen=2)
        ),
        FAILED,
        "RetriesExceeded",
    ),
    ("a certificate", certificate(condition("Ready", seen=2)), READY, ""),
    ("a certificate for other names", certificate(condition("Ready", seen=1)), WAITING, "generation 1"),
    ("a certificate that is being renewed", certificate(condition("Ready", seen=2), condition("Issuing")), READY, ""),
    (
        "a certificate on its way",
        certificate(condition("Ready", "False", "DoesNotExist", seen=2), condition("Issuing")),
        WAITING,
        "DoesNotExist",
    ),
    (
        "a certificate after a failure",
        certificate(
            condition("Ready", "False", "DoesNotExist", seen=2),
            condition("Issuing", "False", "Failed", "rate limited"),
            failedIssuanceAttempts=1,
        ),
        FAILED,
        "rate limited",
    ),
    (
        "an issuer without its account",
        made(
            "cert-manager.io/v1",
            "ClusterIssuer",
            status=conditions(condition("Ready", "False", "ErrVerifyACMEAccount", seen=2)),
        ),
        WAITING,
        "ErrVerifyACMEAccount",
    ),
    ("an issuer", made("cert-manager.io/v1", "Issuer", status=conditions(condition("Ready", seen=2))), READY, ""),
    (
        "an issuer of the spec before",
        made("cert-manager.io/v1", "Issuer", status=conditions(condition("Ready", seen=1))),
        WAITING,
        "generation 1",
    ),
    (
        "a request that was denied",
        made("cert-manager.io/v1", "CertificateRequest", status=conditions(condition("Ready", "False", "Denied"))),
        FAILED,
        "Denied",
    ),
    (
        "a request that waits",
        made("cert-manager.io/v1", "CertificateRequest", status=conditions(condition("Ready", "False", "Pending"))),
        WAITING,
        "Pending",
    ),
    (
        "an order that is ready to be finished",
        made("acme.cert-manager.io/v1", "Order", status={"state": "ready"}),
        WAITING,
        "ready",
    ),
    ("an order that is valid", made("acme.cert-manager.io/v1", "Order", status={"state": "valid"}), READY, ""),
    (
        "a challenge that failed",
        made("acme.cert-manager.io/v1", "Challenge", status={"state": "invalid", "reason": "no TXT"}),
        FAILED,
        "no TXT",
    ),
    ("a secret from outside", external(condition("Ready", reason="SecretSynced")), READY, "SecretSynced"),
    (
        "a secret of the spec before",
        external(condition("Ready", reason="SecretSynced"), version="1-abc"),
        WAITING,
        "synced is 1-abc",
    ),
    (
        "a secret without a word",
        made("external-secrets.io/v1", "ExternalSecret", status={}),
        WAITING,
        "nothing was synced",
    ),
    (
        "a secret whose target is missing",
        external(condition("Ready", reason="SecretMissing")),
        WAITING,
        "SecretMissing",
    ),
    (
        "a secret whose source was emptied",
        external(condition("Ready", reason="SecretDeleted")),
        WAITING,
        "SecretDeleted",
    ),
    (
        "a secret that keeps its old content",
        external(condition("Ready", "False", "SecretSyncedError")),
        WAITING,
        "SecretSyncedError",
    ),
    ("a store", store(condition("Ready", reason="Valid")), READY, "Valid"),
    ("a store that nobody asked", store(condition("Ready", reason="ValidationUnknown")), WAITING, "ValidationUnknown"),
    (
        "a store that refuses",
        store(condition("Ready", "False", "InvalidProviderConfig")),
        WAITING,
        "InvalidProviderConfig",
    ),
    ("a route that says nothing", made("traefik.io/v1alpha1", "IngressRoute"), READY, "no status"),
    (
        "a chart repository that is a registry",
        made("source.toolkit.fluxcd.io/v1", "HelmRepository", spec={"type": "oci"}),
        READY,
        "",
    ),
]


@pytest.mark.parametrize(("manifest", "stage", "words"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_readiness(manifest: Manifest, stage: str, words: str) -> None:
    seen = ready.judge(manifest)
    assert (seen.stage, words in seen.why) == (stage, True), seen


@pytest.mark.parametrize("manifest", [case[1] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_being_deleted_is_never_ready(manifest: Manifest) -> None:
    meta = {**manifest["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}
    assert ready.judge({**manifest, "metadata": meta}).stage == WAITING


@pytest.mark.parametrize("manifest", [case[1] for case in CASES], ids=[case[0] for case in CASES])
def test_what_has_no_status_yet_is_not_ready(manifest: Manifest) -> None:
    young = {**manifest, "status": {}}
    mute = manifest["kind"] == "IngressRoute" or (manifest.get("spec") or {}).get("type") == "oci"
    assert ready.judge(young).stage == (READY if mute else WAITING)


@pytest.mark.parametrize("wanted", [SHA, REVISION])
def test_a_wanted_revision(wanted: str) -> None:
    judge = ready.at_revision(wanted)
    assert judge(git(GOOD)).stage == READY
    assert judge(unit(GOOD)).stage == READY
    assert judge(None).stage == WAITING
    old = "main@sha1:ffff"
    seen = judge(unit(GOOD, lastAppliedRevision=old, lastAttemptedRevision=old))
    assert seen.why == f"{old} is applied, and {wanted} is wanted"
    assert "is wanted" in judge(made_git(old)).why


def made_git(revision: str) -> Manifest:
    seen = git(GOOD)
    seen["status"]["artifact"]["revision"] = revision
    return seen


def test_a_secret_that_was_nudged_has_to_sync_again() -> None:
    judge = ready.synced_after("2-abc")
    assert judge(external(condition("Ready", reason="SecretSynced"))).why == "it has not synced since it was asked"
    assert judge(external(condition("Ready", reason="SecretSynced"), version="2-def")).stage == READY
