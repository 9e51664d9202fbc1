"""The stand-in for source-controller does what operators rely upon: against real Git hosts, by the vendor's schema."""

from __future__ import annotations

import base64
import gzip
import io
import os
import shutil
import tarfile
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from testbed.standins.api import Change
from testbed.standins.source_controller import ignore, passes, storage
from testbed.standins.source_controller.controllers import Controller
from testbed.standins.source_controller.words import seconds

from tests.githosts import HttpsHost, Origin, SshHost
from tests.standins.source_bed import CRDS, KIND, FakeApi

pytestmark = [
    pytest.mark.skipif(not CRDS.exists(), reason=f"the vendor's CRDs are not at {CRDS}"),
    pytest.mark.evidence("real", "git"),
    pytest.mark.evidence("stand-in", "source-controller"),
]
FILES = {"clusters": {"lab": {"apps.yaml": "kind: x\n"}}, "run": ("755", "#!/bin/sh\n"), "photo.png": "p"}


class Bed:
    """One repository, one host of it, one disk, one API server."""

    def __init__(self, tmp_path: Path, papers: Path) -> None:
        self.origin = Origin(tmp_path / "hosts/castle.git")
        self.sha = self.origin.commit(FILES)
        self.host = HttpsHost(tmp_path / "hosts", papers)
        self.api = FakeApi()
        self.disk = storage.Storage(tmp_path / "data", "source-controller.flux-system.svc.cluster.local.")
        ca = base64.b64encode(Path(self.host.ca).read_bytes()).decode()
        self.api.secret("git", {"ca.crt": ca, "username": _coded("git"), "password": _coded("t0ken")})
        self.spec: dict[str, Any] = {
            "url": self.host.url, "interval": "1m0s", "ref": {"branch": "main"}, "secretRef": {"name": "git"},
        }  # fmt: skip

    def run(self, **spec: Any) -> passes.Next:
        """Passes until none is due at once."""
        self.api.repository({**self.spec, **spec})
        return self.again()

    def again(self) -> passes.Next:
        then = passes.NOW
        while then == passes.NOW:
            then = passes.one(self.api, self.disk, "flux-system", "castle")  # type: ignore[arg-type]
        return then

    @property
    def thing(self) -> dict[str, Any]:
        return self.api.things[KIND, "castle"]

    @property
    def status(self) -> dict[str, Any]:
        return dict(self.thing["status"])

    def condition(self, kind: str) -> dict[str, Any]:
        return next((each for each in self.status["conditions"] if each["type"] == kind), {})

    def names(self) -> list[str]:
        with tarfile.open(self.disk.root / self.status["artifact"]["path"]) as archive:
            return [f"{each.name}{'/' if each.isdir() else ''}" for each in archive]


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("papers")


@pytest.fixture
def bed(tmp_path: Path, papers: Path) -> Iterator[Bed]:
    made = Bed(tmp_path, papers)
    yield made
    made.host.stop()


def test_a_branch_becomes_an_artifact(bed: Bed) -> None:
    bed.host.token = "t0ken"
    then = bed.run()
    assert then.after is not None
    assert 57 <= then.after <= 63
    artifact = bed.status["artifact"]
    assert artifact["revision"] == f"main@sha1:{bed.sha}"
    assert artifact["path"] == f"gitrepository/flux-system/castle/{bed.sha}.tar.gz"
    assert artifact["url"] == f"http://source-controller.flux-system.svc.cluster.local./{artifact['path']}"
    assert (bed.disk.root / artifact["path"]).stat().st_size == artifact["size"]
    ready, stored = bed.condition("Ready"), bed.condition("ArtifactInStorage")
    for each in (ready, stored):
        assert (each["status"], each["reason"], each["observedGeneration"]) == ("True", "Succeeded", 1)
        assert each["message"] == f"stored artifact for revision 'main@sha1:{bed.sha}'"
    assert bed.condition("Reconciling") == {}
    assert bed.status["observedGeneration"] == 1
    assert bed.thing["metadata"]["finalizers"] == ["finalizers.fluxcd.io"]
    assert bed.api.events == [("Normal", "NewArtifact", "stored artifact for commit 'a commit'")]


def test_on_the_way_it_says_what_it_is_doing(bed: Bed) -> None:
    bed.run()
    said = [[(c["type"], c["status"], c["message"]) for c in each["conditions"][:2]] for each in bed.api.told]
    assert said[0] == [
        ("Reconciling", "True", "processing object: new generation -1 -> 1"),
        ("Ready", "Unknown", "processing object: new generation -1 -> 1"),
    ]
    assert said[1][1] == ("Ready", "Unknown", "building artifact")
    assert said[2][1][2] == f"building artifact: new upstream revision 'main@sha1:{bed.sha}'"
    assert said[-1][0][0] == "Ready"


@pytest.mark.parametrize(
    ("ref", "name"),
    [
        ({"branch": "main", "commit": "SHA"}, "main@"),
        ({"commit": "SHA"}, ""),
        ({"tag": "v1"}, "v1@"),
        ({"name": "refs/heads/main"}, "refs/heads/main@"),
    ],
)
def test_revisions_are_written_as_flux_writes_them(bed: Bed, ref: dict[str, str], name: str) -> None:
    bed.origin.git("tag", "-a", "v1", "-m", "t", bed.sha)
    bed.run(ref={key: bed.sha if value == "SHA" else value for key, value in ref.items()})
    assert bed.status["artifact"]["revision"] == f"{name}sha1:{bed.sha}"


def test_a_commit_that_is_not_the_newest_is_found_in_its_branch(bed: Bed) -> None:
    bed.host.old = True  # hands out what has a name only
    newer = bed.origin.commit({"a": "b"})
    bed.run(ref={"branch": "main", "commit": bed.sha})
    assert bed.status["artifact"]["revision"] == f"main@sha1:{bed.sha}"
    bed.run(ref={"branch": "main"})
    assert bed.status["artifact"]["revision"] == f"main@sha1:{newer}"
    assert bed.names() == ["a"]


def test_equal_content_makes_equal_bytes_without_links_and_what_is_ignored(bed: Bed) -> None:
    bed.origin.commit({**FILES, "link": ("link", "run"), ".gitignore": "x\n", ".sops.yaml": "s\n"})
    bed.run()
    first = bed.status["artifact"]["digest"]
    assert bed.names() == ["clusters/", "clusters/lab/", "clusters/lab/apps.yaml", "run"]
    with tarfile.open(bed.disk.root / bed.status["artifact"]["path"]) as archive:
        modes = {each.name: (oct(each.mode), each.uid, each.mtime) for each in archive}
    assert modes["run"] == ("0o700", 0, 0)
    assert modes["clusters"] == ("0o750", 0, 0)
    bed.origin.commit(FILES, message="the same again")
    time.sleep(1.1)
    bed.run()
    assert bed.status["artifact"]["digest"] == first


def test_what_is_said_about_ignoring_takes_the_place_of_flux_own_list(bed: Bed) -> None:
    bed.run(ignore="/clusters/\n")
    assert bed.names() == ["photo.png", "run"]
    assert bed.status["observedIgnore"] == "/clusters/\n"
    bed.origin.commit({**FILES, ".sourceignore": "/*\n!/run\n"})
    bed.run()
    assert bed.names() == ["run"]


def test_an_unchanged_branch_is_looked_at_and_not_fetched(bed: Bed) -> None:
    bed.run()
    before, asked = bed.status["artifact"], len(bed.host.seen)
    assert bed.again().after is not None
    assert bed.status["artifact"] == before
    assert len(bed.host.seen) - asked <= 2
    assert len(bed.api.events) == 1


def test_a_request_is_obeyed_and_acknowledged(bed: Bed) -> None:
    bed.run()
    newer = bed.origin.commit({"a": "b"})
    bed.api.annotate(**{"reconcile.fluxcd.io/requestedAt": "now"})
    bed.again()
    assert bed.status["lastHandledReconcileAt"] == "now"
    assert bed.status["artifact"]["revision"] == f"main@sha1:{newer}"


def test_a_suspended_one_does_nothing_but_acknowledge(bed: Bed) -> None:
    bed.run()
    before = bed.status["artifact"]
    bed.origin.commit({"a": "b"})
    bed.api.annotate(**{"reconcile.fluxcd.io/requestedAt": "then"})
    assert bed.run(suspend=True) == passes.NEVER
    assert (bed.status["artifact"], bed.status["lastHandledReconcileAt"]) == (before, "then")


def failed(bed: Bed, reason: str) -> str:
    """The message, once it is said everywhere."""
    ready, fetch = bed.condition("Ready"), bed.condition("FetchFailed")
    assert (fetch["status"], fetch["reason"], ready["status"], ready["reason"]) == ("True", reason, "False", reason)
    assert ready["message"] == fetch["message"]
    assert bed.condition("Reconciling")["reason"] == "ProgressingWithRetry"
    assert bed.api.events[-1] == ("Warning", reason, ready["message"])
    return str(ready["message"])


def test_a_failure_keeps_the_artifact_and_the_observed_generation(bed: Bed) -> None:
    bed.run()
    before = bed.status["artifact"]
    bed.host.status = 503
    assert bed.run(interval="2m0s") == passes.FAILED
    assert "failed to checkout and determine revision: unable to clone" in failed(bed, "GitOperationFailed")
    assert bed.status["artifact"]["revision"] == before["revision"]
    assert bed.status["observedGeneration"] == 1
    assert bed.condition("Ready")["observedGeneration"] == 2
    bed.host.status = 0
    assert bed.again().after is not None
    assert (bed.status["observedGeneration"], bed.condition("FetchFailed")) == (2, {})


def test_a_secret_that_is_not_there_or_no_good_is_named(bed: Bed) -> None:
    assert bed.run(secretRef={"name": "none"}) == passes.FAILED
    assert 'secrets "none" not found' in failed(bed, "AuthenticationFailed")
    assert bed.run(url="ssh://git@127.0.0.1:1/x") == passes.FAILED
    assert "'identity' is required" in failed(bed, "AuthenticationFailed")
    bed.host.token = "another"
    assert bed.run() == passes.FAILED
    assert "t0ken" not in failed(bed, "GitOperationFailed")


def test_a_branch_or_commit_that_is_missing_is_named(bed: Bed) -> None:
    assert bed.run(ref={"branch": "none"}) == passes.FAILED
    assert "couldn't find remote ref refs/heads/none" in failed(bed, "GitOperationFailed")
    assert bed.run(ref={"branch": "main", "commit": "9" * 40}) == passes.FAILED
    assert f"commit '{'9' * 40}' not found" in failed(bed, "GitOperationFailed")
    assert bed.run(ref={"semver": ">1"}) == passes.FAILED
    assert failed(bed, "GitOperationFailed") == "this stand-in does not know `spec.ref.semver`"


def test_an_empty_repository_is_told(bed: Bed) -> None:
    bed.origin.git("update-ref", "-d", "refs/heads/main")
    assert bed.run() == passes.FAILED
    assert failed(bed, "EmptyGitRepository") == "git repository is empty"


def test_after_a_restart_the_disk_is_empty_and_all_is_built_anew(bed: Bed) -> None:
    bed.run()
    digest = bed.status["artifact"]["digest"]
    (bed.disk.root / bed.status["artifact"]["path"]).unlink()
    bed.api.told.clear()
    bed.again()
    said = [each for each in bed.api.told if each.get("artifact") is None]
    ready = next(each for each in said[0]["conditions"] if each["type"] == "Ready")
    assert (ready["status"], ready["message"]) == ("Unknown", "building artifact: disappeared from storage")
    assert bed.status["artifact"]["digest"] == digest


def test_older_artifacts_are_collected(bed: Bed) -> None:
    for number in range(4):
        bed.origin.commit({"a": f"{number}"})
        bed.run()
    bed.again()
    folder = bed.disk.root / "gitrepository/flux-system/castle"
    assert len(list(folder.iterdir())) == 2


def test_who_is_deleted_leaves_nothing(bed: Bed) -> None:
    bed.run()
    bed.thing["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert bed.again() == passes.NEVER
    assert bed.api.things.get((KIND, "castle")) is None
    assert not (bed.disk.root / "gitrepository/flux-system/castle").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="an sshd with accounts of its own needs root")
def test_ssh_believes_the_known_host_alone(bed: Bed) -> None:
    room = Path(tempfile.mkdtemp(prefix="castle-test-", dir="/var/tmp"))  # its account reads it, too
    room.chmod(0o755)
    origin = Origin(room / "castle.git")
    sha = origin.commit(FILES)
    host = SshHost(origin, room / "ssh")
    try:
        known = f"[127.0.0.1]:{host.port} {' '.join(host.host_key.split()[:2])}\n"
        bed.api.secret("git", {"identity": _coded(host.key), "known_hosts": _coded(known)})
        assert bed.run(url=host.url).after is not None
        assert bed.status["artifact"]["revision"] == f"main@sha1:{sha}"
        bed.api.secret("git", {"identity": _coded(host.key), "known_hosts": _coded("other ssh-ed25519 AAAA\n")})
        assert bed.again() == passes.FAILED
        assert "Host key verification failed" in failed(bed, "GitOperationFailed")
    finally:
        host.stop()
        shutil.rmtree(room)


def test_the_disk_is_served_and_nothing_beside_it(bed: Bed, tmp_path: Path) -> None:
    bed.run()
    (tmp_path / "secret").write_text("s")
    served = storage.server(bed.disk, ("127.0.0.1", 0))
    threading.Thread(target=served.serve_forever, daemon=True).start()
    root = f"http://127.0.0.1:{served.server_address[1]}"
    try:
        with urllib.request.urlopen(f"{root}/", timeout=5) as answer:
            assert answer.status == 200
        with urllib.request.urlopen(f"{root}/{bed.status['artifact']['path']}", timeout=5) as answer:
            plain = io.BytesIO(gzip.decompress(answer.read()))
        with tarfile.open(fileobj=plain) as archive:
            assert archive.getnames()[0] == "clusters"
        for path in ("none", "%2e%2e/secret", "../secret"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(f"{root}/{path}", timeout=5)
    finally:
        served.shutdown()
        served.server_close()


def test_only_what_others_change_wakes_a_pass(bed: Bed) -> None:
    made = Controller(bed.api, bed.disk)  # type: ignore[arg-type]
    thing = {"metadata": {"namespace": "n", "name": "a", "uid": "u", "generation": 1}}
    for change, wakes in (
        (thing, True),
        ({**thing, "status": {"x": 1}}, False),
        ({"metadata": {**thing["metadata"], "generation": 2}}, True),
        ({"metadata": {**thing["metadata"], "generation": 2, "labels": {"a": "b"}}}, False),
        ({"metadata": {**thing["metadata"], "generation": 2,
                       "annotations": {"reconcile.fluxcd.io/requestedAt": "x"}}}, True),
    ):  # fmt: skip
        made.tell(Change("MODIFIED", change))
        name = made.work.take(0.01)
        assert (name == ("n", "a")) is wakes
        if name:
            made.work.done(name)


@pytest.mark.parametrize(
    ("said", "path", "out"),
    [
        ("*.md", "docs/a.md", True),
        ("/*.md", "docs/a.md", False),
        ("docs/", "docs/a.md", True),
        ("docs/", "x/docs", False),
        ("/docs/**", "docs/a/b", True),
        ("**/a/*.txt", "x/y/a/b.txt", True),
        ("**/a/*.txt", "x/y/a/c/b.txt", False),
        ("/*\n!/keep", "keep", False),
        ("/*\n!/keep", "other", True),
        ("# c\n\n*.png", "a.png", True),
        ("x", "photo.png", False),
        ("x", ".git/config", True),
    ],
)
def test_patterns_mean_what_gitignore_says(said: str, path: str, out: bool) -> None:
    assert ignore.Ignore(ignore.lines(said)).leaves_out(path.split("/")) is out


def test_durations_are_gos() -> None:
    assert (seconds("1m30s"), seconds("250ms"), seconds("1h")) == (90.0, 0.25, 3600.0)
    with pytest.raises(ValueError, match="no duration"):
        seconds("1d")
