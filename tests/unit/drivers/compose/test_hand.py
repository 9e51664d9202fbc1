"""The program that runs on machines, against a podman of shell and Python that keeps its containers in a file."""

from __future__ import annotations

import asyncio
import io
import json
import os
import subprocess
import sys
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ephemeral_castle.drivers.compose import errand

PODMAN = f"""\
#!{sys.executable}
# A podman that knows what the hand asks of it. Its containers lie in $PODMAN_STATE.
import fcntl, json, os, sys, time
path = os.environ["PODMAN_STATE"]
lock = open(path + ".lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)  # the hand looks at several containers at once
state = json.load(open(path))
cs = state["containers"]
args = sys.argv[1:]
state["calls"].append(args)
code = 0
def save():
    json.dump(state, open(path + ".new", "w"))
    os.rename(path + ".new", path)
def now():
    return time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z", time.gmtime(time.time() - 5))
if args[0] == "ps":
    key, _, value = args[args.index("--filter") + 1].removeprefix("label=").partition("=")
    def labels(c):
        folder = os.environ["CASTLE_COMPOSE"] + "/" + c.get("layer", "blog")
        return {{"com.docker.compose.service": c["service"], "com.docker.compose.project.working_dir": folder,
            "com.docker.compose.project": c.get("project", "blog")}}
    print(json.dumps([dict(Names=[n], Id=c["id"], State=c["state"], ExitCode=c["code"], Image=c["image"],
        Labels=labels(c)) for n, c in cs.items() if not value or labels(c)[key] == value]))
elif args[0] == "inspect":
    out = []
    for n in args[3:]:
        c = cs[n]
        out.append(dict(Name=n, State=dict(Status=c["state"], ExitCode=c["code"], StartedAt=now(),
            Healthcheck=dict(Log=[dict(Output="not yet")])), Config=dict(Healthcheck=c.get("check")),
            OCIRuntime=c.get("runtime", "runc"),
            HostConfig=dict(RestartPolicy=dict(Name="")), RestartCount=0, Mounts=c.get("mounts", [])))
    print(json.dumps(out))
elif args[0] == "start":
    for n in args[1:]:
        cs[n]["state"], cs[n]["code"] = ("exited", cs[n]["ends"]) if "ends" in cs[n] else ("running", 0)
elif args[0] == "stop" and state.get("stuck"):
    sys.exit(125)
elif args[0] == "stop":
    for n in args[3:]:
        cs[n]["state"] = "exited"
elif args[0] == "rm":
    for n in args[4:]:
        del cs[n]
elif args[0] == "healthcheck":
    c = cs[args[2]]
    c["sick"] = c.get("sick", 0) - 1
    code = 1 if c["sick"] >= 0 else 0
elif args[0] == "logs":
    print("last words of " + args[3])
save()
sys.exit(code)
"""
# The runtime below podman: a check that it runs leaves no trace in podman's log.
RUNC = f"""\
#!{sys.executable}
import fcntl, json, os, sys
path = os.environ["PODMAN_STATE"]
lock = open(path + ".lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
state = json.load(open(path))
state["calls"].append(["runc", *sys.argv[1:]])
json.dump(state, open(path + ".new", "w"))
os.rename(path + ".new", path)
asked = next(c for c in state["containers"].values() if c["id"] == sys.argv[2])
sys.exit(asked.get("exit", int(asked.get("sick", 0) > 0)))
"""
# In the place of podman-compose: makes what the test says that the project has.
COMPOSE = """\
import json, os, sys
path = os.environ["PODMAN_STATE"]
state = json.load(open(path))
wanted = json.load(open("wanted.json"))
for name, made in wanted.items():
    known = state["containers"].get(name)
    if known is None or known["version"] != made["version"]:
        state["containers"][name] = {**made, "state": "created", "code": 0, "id": f"{name}-{made['version']}"}
json.dump(state, open(path, "w"))
"""
CHECK = {"Test": ["CMD", "true"], "Interval": 50_000_000, "Retries": 2}


class Hand:
    """One machine, as far as the hand sees it."""

    def __init__(self, base: Path) -> None:
        self.home, self.state, self.bin = base / "compose", base / "state.json", base / "bin"
        self.bin.mkdir()
        for name, text in (("podman", PODMAN), ("runc", RUNC)):
            (self.bin / name).write_text(text)
            (self.bin / name).chmod(0o755)
        self.state.write_text(json.dumps({"containers": {}, "calls": []}))
        self.services: dict[str, dict[str, Any]] = {}
        self.wanted: dict[str, dict[str, Any]] = {}
        self.files: dict[str, bytes] = {}
        self.digest = "one"

    def service(self, name: str, *, version: int = 1, after: dict[str, str] | None = None, job: bool = False,
                reads: tuple[str, ...] = (), **container: Any) -> None:  # fmt: skip
        self.services[name] = {"after": after or {}, "job": job, "reads": list(reads), "start_interval": 0}
        self.wanted[f"blog_{name}_1"] = {"service": name, "version": version, "image": "i", **container}

    def do(self, verb: str, **more: Any) -> dict[str, Any]:
        request = {"digest": self.digest, "sha": "5" * 40, "tool": "t", "file": "compose.yaml", "project": "blog",
                   "grace": 0, "limit": 60, "all": False, "services": self.services, **more}  # fmt: skip
        program = errand.hand()
        stdin = b"%d\n" % len(program) + program + json.dumps(request).encode() + b"\n"
        stdin += self.archive() if verb == "up" else b""
        env = {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}", "CASTLE_COMPOSE": str(self.home),
               "PODMAN_STATE": str(self.state)}  # fmt: skip
        command = [sys.executable, "-c", errand.BOOT, verb, "blog"]
        done = subprocess.run(command, input=stdin, env=env, capture_output=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr.decode()
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def archive(self) -> bytes:
        # The clean environment of podman-compose has no PODMAN_STATE: the stand-in is told where it is.
        tool = f"import os; os.environ['PODMAN_STATE'] = {str(self.state)!r}\n{COMPOSE}".encode()
        files = {
            "tool": tool, "project/compose.yaml": b"", "project/wanted.json": json.dumps(self.wanted).encode(),
            "beside/override.yaml": b"", "beside/env": b"", **self.files,
        }  # fmt: skip
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode, entry.uid, entry.gid = len(content), 0o400, os.getuid(), os.getgid()
                tar.addfile(entry, io.BytesIO(content))
        return buffer.getvalue()

    def calls(self, *first: str) -> list[list[str]]:
        """What podman was asked, from the beginning of the command line."""
        return [call for call in json.loads(self.state.read_text())["calls"] if call[: len(first)] == list(first)]

    def containers(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.state.read_text())["containers"]
        return found

    def change(self, name: str, **what: Any) -> None:
        state = json.loads(self.state.read_text())
        state["containers"][name].update(what)
        self.state.write_text(json.dumps(state))


@pytest.fixture
def hand(tmp_path: Path) -> Hand:
    return Hand(tmp_path)


def test_a_service_comes_up_and_is_seen(hand: Hand) -> None:
    hand.service("web")
    assert hand.do("see")["digest"] == ""
    assert hand.do("up")["fresh"] == ["web"]
    seen = hand.do("see", check=True)
    assert (seen["digest"], seen["tool"], seen["containers"][0]["running"]) == ("one", True, True)
    assert seen["sha"] == "5" * 40
    assert (hand.home.stat().st_mode & 0o777) == 0o700


def test_a_look_at_a_service_that_was_seen_well_asks_podman_for_its_state_only(hand: Hand) -> None:
    """A look took a podman that inspects and one that runs the check, on each machine: `castle raise` 1.5 s."""
    hand.service("web", check={**CHECK, "Test": ["CMD-SHELL", "wget", "-q"]})
    hand.service("plain")
    hand.do("up")
    assert hand.do("health")["failed"] == []
    before = len(hand.calls())
    assert [each["health"] for each in hand.do("see", check=True)["containers"]] == ["healthy", ""]
    assert [call[:3] for call in hand.calls()[before:]] == [
        ["ps", "-a", "--no-trunc"],
        ["runc", "exec", "blog_web_1-1"],
    ]
    assert hand.calls("runc")[-1][3:] == ["sh", "-c", "wget -q"]


@pytest.mark.parametrize(
    ("how", "asked", "health"),
    [
        ({"exit": 0}, ["runc"], "healthy"),
        ({"exit": 1}, ["runc", "healthcheck"], "healthy"),  # podman has the last word
        ({"exit": 1, "sick": 9}, ["runc", "healthcheck"], "unhealthy"),
        ({"exit": 124}, ["runc"], "unhealthy"),  # its time was up: it is not waited for twice
        ({"exit": 1, "runtime": "crun"}, ["healthcheck"], "healthy"),
        ({"exit": 1, "check": {"Test": ["CMD"]}}, ["healthcheck"], "healthy"),
    ],
)
def test_a_check_that_does_not_pass_is_run_again_by_podman_which_keeps_its_words(
    hand: Hand, how: dict[str, Any], asked: list[str], health: str
) -> None:
    hand.service("web", **{"check": CHECK, **how})
    hand.do("up")
    assert [each["health"] for each in hand.do("see", check=True)["containers"]] == [health]
    assert [call[0] for call in hand.calls() if call[0] in ("runc", "healthcheck")] == asked


def test_what_waits_for_health_and_for_an_end_is_started_in_that_order(hand: Hand) -> None:
    hand.service("web", check=CHECK, sick=1)
    hand.service("job", after={"web": "service_healthy"}, job=True, ends=0)
    hand.service("last", after={"job": "service_completed_successfully"})
    hand.do("up")
    assert [call[1] for call in hand.calls("start")] == ["blog_web_1"]
    found = hand.do("health")
    assert found["failed"] == []
    assert found["services"] == {"web": "healthy", "job": "done", "last": "healthy"}
    assert [call[1] for call in hand.calls("start")] == ["blog_web_1", "blog_job_1", "blog_last_1"]


def test_a_service_that_never_gets_well_is_told_with_check_and_log(hand: Hand) -> None:
    hand.service("web", check=CHECK, sick=999)
    hand.service("other", after={"web": "service_healthy"})
    hand.do("up")
    failed = hand.do("health")["failed"]
    assert [(each["service"], each["check"], each["logs"]) for each in failed] == [
        ("web", "not yet", ["last words of blog_web_1"])
    ]
    assert hand.containers()["blog_other_1"]["state"] == "created"


def test_a_start_period_is_waited_for(hand: Hand) -> None:
    hand.service("web", check={**CHECK, "StartPeriod": 20_000_000_000}, sick=4)
    hand.do("up")
    assert hand.do("health")["failed"] == []


def test_a_hand_that_a_killed_run_left_behind_makes_way(hand: Hand) -> None:
    """It held the lock for the whole time that services have, and the run that was resumed waited for it in vain."""
    hand.service("web", check={**CHECK, "StartPeriod": 60_000_000_000}, sick=999)
    hand.do("up")
    with ThreadPoolExecutor() as pool:
        left = pool.submit(hand.do, "health", limit=25)
        while not hand.calls("healthcheck"):
            time.sleep(0.05)
        begun = time.monotonic()
        hand.do("again")
        assert left.result()["error"] == "another run has taken over"
        assert time.monotonic() - begun < 10


def test_one_that_dies_is_told(hand: Hand) -> None:
    hand.service("web", ends=3)
    hand.do("up")
    assert hand.do("health")["failed"][0]["why"] == "it ended with exit status 3"


def test_a_job_that_fails_lets_nobody_go_on(hand: Hand) -> None:
    hand.service("job", job=True, ends=1)
    hand.service("web", after={"job": "service_completed_successfully"})
    hand.do("up")
    assert [each["service"] for each in hand.do("health")["failed"]] == ["job"]


def test_unchanged_containers_stay_and_jobs_are_not_done_again(hand: Hand) -> None:
    hand.service("web")
    hand.service("job", job=True, ends=0)
    hand.do("up")
    before = len(hand.calls("start"))
    hand.digest = "two"
    assert hand.do("up")["fresh"] == []
    assert len(hand.calls("start")) == before


def test_a_removed_service_goes_and_volumes_stay(hand: Hand) -> None:
    hand.service("web")
    hand.service("old")
    hand.do("up")
    del hand.services["old"], hand.wanted["blog_old_1"]
    assert hand.do("up")["removed"] == ["blog_old_1"]
    assert set(hand.containers()) == {"blog_web_1"}
    assert hand.calls("volume") == []


def test_a_project_that_is_renamed_leaves_no_container_behind(hand: Hand) -> None:
    hand.service("web")
    hand.do("up")
    hand.change("blog_web_1", project="old")
    assert hand.do("up")["removed"] == ["blog_web_1"]


def test_a_service_is_started_anew_when_its_secret_changed_and_no_other_is(hand: Hand) -> None:
    hand.service("web", reads=("secrets/token",))
    hand.service("other")
    hand.files["project/secrets/token"] = b"one"
    hand.do("up")
    hand.files["project/secrets/token"] = b"two"
    hand.do("up")
    assert hand.calls("stop") == [["stop", "-t", "0", "blog_web_1"]]
    assert (hand.home / "blog" / "secrets" / "token").read_bytes() == b"two"
    assert (hand.home / "blog" / "secrets" / "token").stat().st_mode & 0o777 == 0o400


def test_a_service_that_does_not_stop_for_its_new_secret_is_told(hand: Hand) -> None:
    """The failure was ignored, and the service went on with the secret of before while the step said that it is up."""
    hand.service("web", reads=("secrets/token",))
    hand.files["project/secrets/token"] = b"one"
    hand.do("up")
    hand.files["project/secrets/token"] = b"two"
    state = json.loads(hand.state.read_text())
    hand.state.write_text(json.dumps({**state, "stuck": True}))
    assert "a service whose file changed does not stop" in hand.do("up")["error"]


def test_files_that_went_from_the_project_go_and_others_keep_their_inode(hand: Hand) -> None:
    hand.service("web")
    hand.files = {"project/a/b": b"1", "project/c": b"2"}
    hand.do("up")
    inode = (hand.home / "blog" / "c").stat().st_ino
    del hand.files["project/a/b"]
    hand.do("up")
    assert not (hand.home / "blog" / "a").exists()
    assert (hand.home / "blog" / "c").stat().st_ino == inode


def test_what_writes_a_volume_is_stilled_and_started_again(hand: Hand) -> None:
    hand.service("web", mounts=[{"Type": "volume", "RW": True}])
    hand.service("reader", mounts=[{"Type": "volume", "RW": False}, {"Type": "bind", "RW": True}])
    hand.do("up")
    assert hand.do("moving")["running"] == ["web"]
    assert hand.do("still")["running"] == []
    assert hand.do("still")["running"] == []  # the second finds nothing, and forgets nothing
    assert hand.containers()["blog_reader_1"]["state"] == "running"
    assert hand.do("again")["services"] == ["blog_web_1"]
    assert hand.containers()["blog_web_1"]["state"] == "running"
    assert hand.do("moving", all=True)["running"] == ["web", "reader"]


def test_what_a_renamed_or_removed_layer_left_running_is_stilled_and_started_again(hand: Hand) -> None:
    """Only containers of the layer's own folder were stopped: those of its former name went on writing."""
    mounts = [{"Type": "volume", "RW": True}]
    hand.service("web", mounts=mounts)
    hand.service("former", mounts=mounts)
    hand.service("other", mounts=mounts)
    hand.service("reader")
    hand.do("up")
    for name, layer in (("former", "journal"), ("other", "shop"), ("reader", "journal")):
        hand.change(f"blog_{name}_1", layer=layer)
    assert hand.do("moving", layers=[])["running"] == ["web"]
    assert hand.do("moving", layers=["blog", "shop"])["running"] == ["web", "journal/former"]
    names = ["blog_former_1", "blog_web_1"]
    assert hand.do("still", layers=["blog", "shop"])["names"] == names
    assert {name for name, each in hand.containers().items() if each["state"] == "exited"} == set(names)
    assert hand.do("waiting", layers=["blog", "shop"])["idle"] == ["web", "journal/former"]
    assert sorted(hand.do("again")["services"]) == names
    assert hand.do("waiting", layers=["blog", "shop"], names=names) == {"idle": [], "unwell": []}


def test_what_an_earlier_cut_stopped_is_not_started_after_a_later_one(hand: Hand) -> None:
    """After `castle seal` and `castle raise`, a restore started what a person had stopped by hand since."""
    hand.service("web", mounts=[{"Type": "volume", "RW": True}])
    hand.do("up")
    hand.do("still")
    hand.do("up")
    hand.change("blog_web_1", state="exited")
    assert hand.do("moving")["names"] == []


def test_a_machine_that_forgot_what_it_stopped_is_told_by_the_run(hand: Hand) -> None:
    hand.service("web", mounts=[{"Type": "volume", "RW": True}], check=CHECK)
    hand.do("up")
    names = hand.do("still")["names"]
    (hand.home / ".blog" / "stilled").unlink()
    assert hand.do("waiting", names=names)["idle"] == ["web"]
    hand.do("again", names=names)
    hand.change("blog_web_1", sick=1)
    assert hand.do("waiting", names=names) == {"idle": [], "unwell": ["web"]}
    assert hand.do("waiting", names=names) == {"idle": [], "unwell": []}


def test_a_job_that_ended_well_after_it_was_started_again_is_not_waited_for(hand: Hand) -> None:
    hand.service("job", mounts=[{"Type": "volume", "RW": True}], job=True)
    hand.do("up")
    names = hand.do("still")["names"]
    assert hand.do("waiting", names=names)["idle"] == ["job"]  # stopped, with an exit status of 0
    hand.change("blog_job_1", ends=0)
    hand.do("again", names=names)
    assert hand.do("waiting", names=names)["idle"] == []


def test_an_up_that_was_broken_off_is_never_taken_for_done(hand: Hand) -> None:
    hand.service("web")
    hand.do("up")
    (hand.bin / "podman").write_text("#!/bin/sh\nexit 1\n")
    assert "podman cannot list" in hand.do("up")["error"]
    (hand.bin / "podman").write_text(PODMAN)
    assert hand.do("see")["digest"] == ""


def test_after_a_reboot_jobs_are_done_again(hand: Hand) -> None:
    hand.service("job", job=True, ends=0)
    hand.do("up")
    for file in (hand.home / ".blog").glob("*"):
        if file.is_file():
            file.unlink()
    hand.do("up")
    assert len(hand.calls("start")) == 2


async def test_an_answer_that_is_none_is_an_error_with_the_machines_words() -> None:
    from ephemeral_castle.errors import Transient
    from ephemeral_castle.spi.world import Machine, Result

    class Mute:
        async def run(self, argv: list[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Result:
            await asyncio.sleep(0)
            return Result(127, "", "sh: python3: not found")

    machine = Machine(431, "data", 1, "10.0.0.1", Mute())  # type: ignore[arg-type]
    with pytest.raises(Transient) as error:
        await errand.send(machine, "see", "blog", {})
    assert "python3: not found" in error.value.why
