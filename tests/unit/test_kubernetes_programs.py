"""Programs of the test bed's Kubernetes: named by what goes into them, built once, and whole or not at all."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from testbed.kubernetes import building, kit, places, programs
from testbed.kubernetes.places import ROOT, Trouble
from testbed.kubernetes.programs import BY_NAME, CLUSTER, PROGRAMS, Program

# Plays `go build ... -o FILE PACKAGE`: what it makes says the version that the linker was given.
GO = """\
#!/bin/bash
echo "$$ $*" >>"$CALLS"
[ -z "${SLOW:-}" ] || sleep "$SLOW"
[ -z "${BROKEN:-}" ] || { echo 'main.go:3: undefined: x' >&2; exit 1; }
while [ $# -gt 0 ]; do
  case $1 in
    -ldflags=*) said=${1##*=} ;;
    -o) made=$2; shift ;;
  esac
  shift
done
printf '#!/bin/sh\\necho tool %s\\n' "${LIES:-$said}" >"$made"
chmod +x "$made"
"""


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> building.Go:
    """A compiler that takes no time, and a cache of the test's own."""
    path = tmp_path / "bin" / "go"
    path.parent.mkdir()
    path.write_text(GO)
    path.chmod(0o755)
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    for module in (programs, building, kit):
        monkeypatch.setattr(module, "STORE", tmp_path / "store")
    return building.Go(str(path), "1.26")


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A program in a module of its own."""
    monkeypatch.setattr(programs, "HERE", tmp_path)
    folder = tmp_path / "tool"
    folder.mkdir()
    (folder / "go.mod").write_text("module x\n\nrequire example.org/tool v1.2.3\n")
    (folder / "go.sum").write_text("example.org/tool v1.2.3 h1:abc=\n")
    (folder / "main.go").write_text("package main\n")
    return Program("tool", "tool", ".", "example.org/tool", (("main.version", "bare"),))


def calls(tmp_path: Path) -> int:
    """How often the compiler was called."""
    return len((tmp_path / "calls").read_text().splitlines())


def test_the_name_of_a_file_is_made_from_all_that_decides_what_is_built(tool: Program) -> None:
    def digest(changed: Program = tool, minor: str = "1.26") -> str:
        return replace(changed).digest(minor)

    seen = {digest()}
    assert digest() in seen
    os.utime(tool.directory / "main.go", (1, 1))
    (tool.directory / "notes.txt").write_text("not built")
    assert digest() in seen
    for name in ("go.mod", "go.sum", "main.go"):
        path = tool.directory / name
        path.write_text(path.read_text() + "\n")
        assert digest() not in seen
        seen.add(digest())
    for other in (replace(tool, package="./other"), replace(tool, stamps=()), replace(tool, name="other")):
        assert digest(other) not in seen
    assert digest(minor="1.27") not in seen


def test_the_version_is_that_of_go_mod(tool: Program) -> None:
    assert tool.version == "v1.2.3"
    assert tool.ldflags == "-s -w -X main.version=1.2.3"
    with pytest.raises(Trouble, match=r"requires no example\.org/other"):
        _ = replace(tool, module="example.org/other").version


def test_a_requirement_is_not_mistaken_for_one_whose_name_begins_like_it(tmp_path: Path) -> None:
    file = tmp_path / "go.mod"
    file.write_text("require (\n\tk8s.io/kubernetes/more v0.1.0\n\tk8s.io/kubernetes v1.36.3 // indirect\n)\n")
    assert programs.module_version(file, "k8s.io/kubernetes") == "v1.36.3"


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda each: each.name)
def test_every_program_has_a_module_that_pins_it(program: Program) -> None:
    assert program.version.startswith("v")
    assert (program.directory / "go.mod").exists()
    assert program.folder == "pause" or (program.directory / "go.sum").exists()  # pause needs no module
    assert program.cpu > 0
    if program.package.startswith("."):
        assert list((program.directory / program.package).glob("*.go"))


def test_what_a_bare_cluster_needs_comes_first() -> None:
    first = [program.name for program in programs.chosen([CLUSTER])]
    assert first[:3] == ["kubelet", "kubeadm", "kubectl"]
    assert first == [program.name for program in PROGRAMS[: len(first)]]
    assert "kustomize-controller" not in first
    assert programs.chosen([]) == list(PROGRAMS)
    assert programs.chosen(["pause", "etcd"]) == [BY_NAME["etcd"], BY_NAME["pause"]]
    with pytest.raises(Trouble, match="no program is called kubelett"):
        programs.chosen(["kubelett"])


def test_a_program_is_built_once(tmp_path: Path, tool: Program, go: building.Go) -> None:
    assert building.present([tool], "1.26") == {}
    built = building.build([tool], go)
    assert built == building.present([tool], "1.26") == building.build([tool], go)
    assert subprocess.run([built["tool"]], capture_output=True, text=True, check=True).stdout == "tool 1.2.3\n"
    assert calls(tmp_path) == 1
    assert [path.name for path in built["tool"].parent.iterdir() if path.name != "lock"] == [built["tool"].name]


def test_a_build_that_fails_says_why_and_leaves_nothing(
    tool: Program, go: building.Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKEN", "1")
    with pytest.raises(Trouble, match="undefined: x") as failed:
        building.build([tool], go)
    assert "goes on from there" in failed.value.hints[0]
    assert building.present([tool], "1.26") == {}
    assert [path.name for path in tool.target("1.26").parent.iterdir()] == ["lock"]


def test_a_program_of_another_version_never_reaches_the_cache(
    tool: Program, go: building.Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIES", "v0.0.0-master")
    with pytest.raises(Trouble, match=r"does not name 1\.2\.3; it says: tool v0\.0\.0-master"):
        building.build([tool], go)
    assert building.present([tool], "1.26") == {}


def test_a_second_build_waits_and_takes_the_first_ones_program(
    tmp_path: Path, tool: Program, go: building.Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLOW", "0.3")
    threads = [threading.Thread(target=building.build, args=([tool], go)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert building.present([tool], "1.26")
    assert calls(tmp_path) == 1


def test_what_a_killed_build_left_is_removed_by_the_next(tool: Program, go: building.Go) -> None:
    left = tool.target("1.26").parent / "build.killed"
    left.mkdir(parents=True)
    (left / "tool").write_text("half")
    building.build([tool], go)
    assert not left.exists()


def test_a_compiler_at_work_is_named(
    tool: Program, go: building.Go, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(building, "BEAT", 0.05)
    monkeypatch.setenv("SLOW", "0.2")
    building.build([tool], go)
    said = capfd.readouterr()
    assert "still at work on tool (1 of 1)" in said.err
    assert "tool v1.2.3 built (1 of 1): 0." in said.err
    assert said.out == ""  # that belongs to the answer


def test_an_ended_build_ends_its_compiler(tmp_path: Path, tool: Program, go: building.Go) -> None:
    """A build that is told to end compiles nothing unseen and leaves no half program."""
    script = (
        "import signal, sys; from pathlib import Path; from testbed.kubernetes import building, programs\n"
        f"programs.HERE, programs.STORE = Path({str(tmp_path)!r}), Path({str(tmp_path / 'store')!r})\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        "tool = programs.Program('tool', 'tool', '.', 'example.org/tool')\n"
        f"building.build([tool], building.Go({go.path!r}, '1.26'))\n"
    )
    (tmp_path / "calls").touch()
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, env={**os.environ, "SLOW": "30"})
    while not (tmp_path / "calls").read_text():
        assert process.poll() is None
    compiler = int((tmp_path / "calls").read_text().split()[0])
    process.terminate()
    assert process.wait(10) == 143
    assert ended(compiler)
    assert not list((tmp_path / "store" / "programs").glob("build.*"))
    with (tmp_path / "store" / "programs" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_kit_is_named_by_its_content(tmp_path: Path, go: building.Go) -> None:
    files = {}
    for name in kit.NAMES:
        files[name] = tmp_path / "store" / f"{name}-1"
        files[name].parent.mkdir(exist_ok=True)
        files[name].write_text(name)
    first = kit.kit(files)
    assert sorted(path.name for path in first.iterdir()) == sorted(kit.NAMES)
    assert (first / "kubelet").stat().st_ino == files["kubelet"].stat().st_ino
    assert kit.kit(files) == first
    newer = tmp_path / "store" / "kubelet-2"
    newer.write_text("newer")
    second = kit.kit({**files, "kubelet": newer})
    assert second != first
    assert (first / "kubelet").read_text() == "kubelet"  # machines have it mounted
    assert sorted(path.name for path in (tmp_path / "store").iterdir()) == sorted(
        [first.name, second.name, newer.name, *(f"{name}-1" for name in kit.NAMES)]
    )


def test_our_own_go_leaves_nothing_in_the_home_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(building, "CACHE", tmp_path)
    monkeypatch.setattr(building, "STORE", tmp_path / "kubernetes")
    ours, theirs = building.Go(str(tmp_path / "go-1.26.6/go"), "1.26"), building.Go("/usr/local/go/bin/go", "1.26")
    assert ours.variables()["GOPATH"] == str(tmp_path / "kubernetes/go/path")
    assert theirs.variables().get("GOPATH") == os.environ.get("GOPATH")
    assert ours.variables()["CGO_ENABLED"] == theirs.variables()["CGO_ENABLED"] == "0"


def test_where_things_lie() -> None:
    assert (places.ROOT / "scripts" / "kubernetes").exists()
    assert places.STORE.name == "kubernetes"


def test_a_killed_build_leaves_no_compiler_behind(tmp_path: Path, tool: Program, go: building.Go) -> None:
    """Whatever ends the build, also between the compiler's start and its parent's hold of it, ends the compiler."""
    script = (
        "from pathlib import Path; from testbed.kubernetes import building, programs\n"
        f"programs.HERE, programs.STORE = Path({str(tmp_path)!r}), Path({str(tmp_path / 'store')!r})\n"
        "tool = programs.Program('tool', 'tool', '.', 'example.org/tool')\n"
        f"building.build([tool], building.Go({go.path!r}, '1.26'))\n"
    )
    (tmp_path / "calls").touch()
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, env={**os.environ, "SLOW": "30"})
    while not (tmp_path / "calls").read_text():
        assert process.poll() is None
    process.kill()
    process.wait(10)
    assert ended(int((tmp_path / "calls").read_text().split()[0]))


def ended(pid: int) -> bool:
    """Whether a process is gone, or dead and not yet buried, within ten seconds."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state in "ZX":
            return True
        time.sleep(0.1)
    return False
