"""One pass over a GitRepository: from the Git server to an archive, and what is said about it.

Source: source-controller v1.9.5, internal/controller/gitrepository_controller.go.
"""

from __future__ import annotations

import base64
import logging
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ..api import Api, Object, Refused, stamp
from . import ignore
from .git import Commit, Git, GitError, Malformed, Secret, Wanted
from .storage import Storage
from .words import (
    API,
    ARCHIVE,
    AUTHENTICATION,
    COMPONENT,
    EMPTY,
    FETCH_FAILED,
    FINALIZER,
    GIT,
    KIND,
    NEW_ARTIFACT,
    NEW_REVISION,
    OUTDATED,
    PROGRESSING,
    RECONCILING,
    REQUESTED,
    RETRY,
    STALLED,
    STORAGE_FAILED,
    STORED,
    SUCCEEDED,
    URL_INVALID,
    Conditions,
    seconds,
)

T = TypeVar("T")
JITTER = 0.05
log = logging.getLogger(COMPONENT)


@dataclass(frozen=True)
class Next:
    """When to look again: `after` so many seconds, at once (0), never (None), or `failed`: after the back-off."""

    after: float | None = None
    failed: bool = False


NEVER, NOW, FAILED = Next(), Next(0.0), Next(failed=True)


class Failed(Exception):
    """A step of the pass went wrong, and has said so in a condition. `stalled`: it will never go well."""

    def __init__(self, message: str, reason: str, *, stalled: bool = False) -> None:
        super().__init__(message)
        self.reason, self.stalled = reason, stalled


class Pass:
    """One pass.

    Args:
        api: the API server.
        storage: the disk.
        namespace, name: of the GitRepository.
        tree: an empty directory, for the files of the commit.
    """

    def __init__(self, api: Api, storage: Storage, namespace: str, name: str, tree: Path) -> None:
        self.api, self.storage, self.namespace, self.name, self.tree = api, storage, namespace, name, tree
        self.thing: Object = {}
        self.status: Object = {}
        self.conditions = Conditions({"metadata": {}}, "")

    def run(self) -> Next:
        """Does it. Raises Refused, Silent: the API server; that counts as a failure, too."""
        found = self.api.get(API, KIND, self.name, self.namespace)
        if found is None:
            return NEVER
        self.thing, self.status = found, dict(found.get("status") or {})
        self.conditions = Conditions(found, stamp())
        meta = found["metadata"]
        finalizers = meta.get("finalizers") or []
        if meta.get("deletionTimestamp"):
            return self._leave(finalizers)
        if FINALIZER not in finalizers:
            self.api.patch(found, {"metadata": {"finalizers": [*finalizers, FINALIZER]}})
            return NOW
        if found["spec"].get("suspend"):
            self._handled()
            return NEVER
        return self._whole()

    def _leave(self, finalizers: list[str]) -> Next:
        self.storage.forget(self.namespace, self.name)
        if FINALIZER in finalizers:
            left = [each for each in finalizers if each != FINALIZER]
            self.api.patch(self.thing, {"metadata": {"finalizers": left or None}})
        return NEVER

    def _handled(self) -> None:
        """A suspended object says no more than that it was asked."""
        asked = self._asked()
        if asked and self.status.get("lastHandledReconcileAt") != asked:
            self.api.patch_status(self.thing, {"lastHandledReconcileAt": asked})

    def _asked(self) -> str:
        return str((self.thing["metadata"].get("annotations") or {}).get(REQUESTED, ""))

    def _whole(self) -> Next:
        before = self.status.get("artifact") or {}
        self._begin()
        try:
            self._disk()
            commit = self._source()
            if commit is not None:
                self._artifact(commit)
        except Failed as failed:
            return self._fail(failed)
        self._succeed()
        if (self.status.get("artifact") or {}).get("digest") != before.get("digest") and commit is not None:
            self.api.event(self.thing, "Normal", NEW_ARTIFACT, f"stored artifact for commit '{commit.subject}'")
        return Next(self._interval())

    def _begin(self) -> None:
        generation, seen = self._generation(), self.status.get("observedGeneration", -1)
        self.conditions.progress("reconciliation in progress", drift=False)
        if generation != seen:
            self.conditions.progress(f"processing object: new generation {seen} -> {generation}", drift=False)
            self._write()
        elif self._asked() != self.status.get("lastHandledReconcileAt", ""):
            self._write()
        self.conditions.drop(STORAGE_FAILED)

    def _disk(self) -> None:
        """An artifact that is not on the disk any more is no artifact."""
        artifact = self.status.get("artifact")
        if artifact and self.storage.has(artifact):
            self.storage.collect(artifact)
            self.status["artifact"] = {**artifact, "url": self.storage.url(artifact["path"])}
            return
        gone = ": disappeared from storage" if artifact else ""
        self.status["artifact"] = None
        self.conditions.progress(f"building artifact{gone}", drift=True)
        self.conditions.drop(STORED)
        self._write()

    def _source(self) -> Commit | None:
        """Fetches; None when nothing changed since the last time."""
        git, wanted = self._git(), self._wanted()
        self.conditions.drop(OUTDATED)
        known = self.status.get("artifact")
        if known and self.conditions.holds(STORED) and not self._configured_anew():
            head: str = wanted.commit or self._tried(lambda: git.head(wanted.reference))
            if head and known["revision"] == self._revision(Commit(head, wanted.reference, "")):
                self.conditions.drop(FETCH_FAILED)
                return None
        commit = self._tried(lambda: git.checkout(wanted, self.tree))
        if commit is None:
            raise self._fetch("git repository is empty", EMPTY)
        self.conditions.drop(FETCH_FAILED)
        revision = self._revision(commit)
        if not known or known["revision"] != revision:
            message = f"new upstream revision '{revision}'"
            if known:
                self.conditions.mark(OUTDATED, "True", NEW_REVISION, message)
            self.conditions.progress(f"building artifact: {message}", drift=True)
            self._write()
        return commit

    def _git(self) -> Git:
        spec = self.thing["spec"]
        for key in ("include", "verify", "recurseSubmodules", "sparseCheckout", "proxySecretRef"):
            if spec.get(key):
                raise self._fetch(f"this stand-in does not know `spec.{key}`", GIT)
        secret = self._secret(str((spec.get("secretRef") or {}).get("name", "")))
        try:
            return Git(spec["url"], secret, seconds(spec.get("timeout") or "60s"))
        except Malformed as error:
            raise self._fetch(f"failed to configure authentication options: {error}", AUTHENTICATION) from None
        except ValueError as error:
            raise self._fetch(f"failed to parse url '{spec['url']}': {error}", URL_INVALID, stalled=True) from None

    def _secret(self, name: str) -> Secret:
        if not name:
            return {}
        found = self.api.get("v1", "Secret", name, self.namespace)
        if found is None:
            where = f"failed to get secret '{self.namespace}/{name}'"
            raise self._fetch(f'{where}: {where}: secrets "{name}" not found', AUTHENTICATION)
        return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}

    def _wanted(self) -> Wanted:
        try:
            return Wanted.of(self.thing["spec"].get("ref") or {})
        except GitError as error:
            raise self._fetch(str(error), GIT) from None

    def _tried(self, work: Callable[[], T]) -> T:
        url = self.thing["spec"]["url"]
        try:
            return work()
        except GitError as error:
            text = f"failed to checkout and determine revision: unable to clone '{url}': {error}"
            raise self._fetch(text, GIT) from None

    def _fetch(self, message: str, reason: str, *, stalled: bool = False) -> Failed:
        self.conditions.mark(FETCH_FAILED, "True", reason, message)
        return Failed(message, reason, stalled=stalled)

    def _revision(self, commit: Commit) -> str:
        return commit.revision(absolute=bool((self.thing["spec"].get("ref") or {}).get("name")))

    def _configured_anew(self) -> bool:
        return bool(self.thing["spec"].get("ignore") != self.status.get("observedIgnore"))

    def _artifact(self, commit: Commit) -> None:
        revision, known = self._revision(commit), self.status.get("artifact")
        if not known or known["revision"] != revision or self._configured_anew():
            own = self.thing["spec"].get("ignore")
            said = [*ignore.written(self.tree), *(ignore.lines(own) if own is not None else [])]
            left_out = ignore.Ignore(said)
            try:
                made = self.storage.store(self.namespace, self.name, revision, commit.sha, self.tree, left_out)
            except OSError as error:
                text = f"unable to archive artifact to storage: {error}"
                self.conditions.mark(STORAGE_FAILED, "True", ARCHIVE, text)
                raise Failed(text, ARCHIVE) from None
            self.status["artifact"], self.status["observedIgnore"] = made, own
        self.conditions.drop(OUTDATED)

    def _succeed(self) -> None:
        revision = self.status["artifact"]["revision"]
        self.conditions.mark(STORED, "True", SUCCEEDED, f"stored artifact for revision '{revision}'")
        self.conditions.drop(RECONCILING)
        self.conditions.drop(STALLED)
        self.conditions.summarize()
        self.status["observedGeneration"] = self._generation()
        self._end()

    def _fail(self, failed: Failed) -> Next:
        """The artifact before stays, and whoever uses it goes on. Only what is stalled counts as observed."""
        if failed.stalled:
            self.conditions.mark(STALLED, "True", failed.reason, str(failed))
            self.conditions.drop(RECONCILING)
            self.status["observedGeneration"] = self._generation()
        else:
            said = self.conditions.get(RECONCILING).get("message", PROGRESSING)
            self.conditions.mark(RECONCILING, "True", RETRY, said)
            self.conditions.drop(STALLED)
        self.conditions.summarize()
        self._end()
        self.api.event(self.thing, "Warning", failed.reason, str(failed))
        log.warning("%s/%s: %s", self.namespace, self.name, failed)
        return NEVER if failed.stalled else FAILED

    def _end(self) -> None:
        if self._asked():
            self.status["lastHandledReconcileAt"] = self._asked()
        self._write()

    def _generation(self) -> int:
        return int(self.thing["metadata"].get("generation") or 0)

    def _interval(self) -> float:
        return seconds(self.thing["spec"]["interval"]) * (1 + random.uniform(-JITTER, JITTER))

    def _write(self) -> None:
        """By the subresource. Somebody may have deleted the object meanwhile."""
        kept = ("artifact", "observedGeneration", "observedIgnore", "lastHandledReconcileAt")
        status = {key: self.status.get(key) for key in kept if key in self.status}
        try:
            self.api.patch_status(self.thing, {**status, "conditions": self.conditions.all()})
        except Refused as refused:
            if refused.status != 404:
                raise


def one(api: Api, storage: Storage, namespace: str, name: str) -> Next:
    """One pass over one object."""
    with tempfile.TemporaryDirectory(prefix="tree.") as tree:
        return Pass(api, storage, namespace, name, Path(tree)).run()
