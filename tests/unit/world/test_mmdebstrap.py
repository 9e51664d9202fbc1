from __future__ import annotations

import dataclasses
import shutil
import subprocess

import pytest

from ephemeral_castle.spi.world import Recipe
from ephemeral_castle.world import mmdebstrap

RECIPE = Recipe("machine", ("podman", "procps"), {"/etc/motd": "hello\n"}, ("true",))


@pytest.mark.parametrize(
    "change",
    [
        {"packages": ("podman",)},
        {"files": {"/etc/motd": "hello!\n"}},
        {"commands": ()},
        {"suite": "trixie"},
        {"name": "other"},
    ],
)
def test_digest_depends_on_everything(change):
    assert mmdebstrap.digest(dataclasses.replace(RECIPE, **change)) != mmdebstrap.digest(RECIPE)


def test_digest_does_not_depend_on_the_order_of_files():
    one = dataclasses.replace(RECIPE, files={"/a": "1", "/b": "2"})
    other = dataclasses.replace(RECIPE, files={"/b": "2", "/a": "1"})
    assert mmdebstrap.digest(one) == mmdebstrap.digest(other)
    assert len(mmdebstrap.digest(one)) == 12


def test_command_installs_all_packages_together_without_recommends(tmp_path):
    argv = mmdebstrap.command(RECIPE, tmp_path, ["deb http://x bookworm main"])
    assert "--include=podman,procps" in argv
    assert '--aptopt=APT::Install-Recommends "false"' in argv
    assert argv[-3:] == ["bookworm", f"{tmp_path}/root.tar", "deb http://x bookworm main"]


def test_passwd_is_whole_before_packages_whose_scripts_call_groupadd(tmp_path):
    assert not any(word.startswith("--essential-hook") for word in mmdebstrap.command(RECIPE, tmp_path, []))
    recipe = dataclasses.replace(RECIPE, packages=("passwd", "caddy"))
    (hook,) = (word for word in mmdebstrap.command(recipe, tmp_path, []) if word.startswith("--essential-hook"))
    assert hook.endswith('install -oDPkg::Chroot-Directory="$1" passwd')


def test_cause_is_what_a_packages_script_said():
    lines = [
        "Setting up caddy (2.6.2-5) ...",
        "/var/lib/dpkg/info/caddy.postinst: 7: groupadd: not found",
        "dpkg: error processing package caddy (--configure):",
        "E: Sub-process env returned an error code (1)",
    ]
    assert mmdebstrap.cause(lines) == " / ".join(lines[1:3])


def test_files_and_commands_reach_the_new_root(tmp_path):
    """The script runs with a stand-in for chroot that prefixes nothing but changes into the root."""
    recipe = dataclasses.replace(
        RECIPE,
        files={"etc/deep/a file": "it's\n", "usr/run": "#!/bin/sh\n"},
        commands=("echo done > marker",),
    )
    build, root, tools = tmp_path / "it's here", tmp_path / "root", tmp_path / "bin"
    for directory in (build, root, tools):
        directory.mkdir()
    # Absolute targets would leave the stand-in's root, so it rewrites the one argument that is a path.
    (tools / "chroot").write_text(
        '#!/bin/sh\ncd "$1"; shift\nif [ $# -gt 4 ]; then t=.$5; set -- "$1" "$2" "$3" "$4" "$t" "$6"; fi\nexec "$@"\n'
    )
    (tools / "chroot").chmod(0o755)
    mmdebstrap.stage(recipe, build)
    shell = shutil.which("sh")
    assert shell
    subprocess.run([shell, str(build / "customize.sh"), str(root)], check=True, env={"PATH": f"{tools}:/usr/bin:/bin"})
    assert (root / "etc/deep/a file").read_text() == "it's\n"
    assert (root / "usr/run").stat().st_mode & 0o777 == 0o755
    assert (root / "etc/deep/a file").stat().st_mode & 0o777 == 0o644
    assert (root / "marker").read_text() == "done\n"


def test_phases():
    assert mmdebstrap.phase("I: running apt-get update...") == (1, "reading package lists")
    assert mmdebstrap.phase("I: installing remaining packages inside the chroot...") == (5, "installing packages")
    assert mmdebstrap.phase("Setting up procps") is None


def test_cause_is_apts_own_line():
    lines = [
        "I: downloading packages with apt...",
        "Reading package lists...",
        "E: Unable to locate package nosuch",
        "E: apt-get --yes install failed",
        "I: removing tempdir",
    ]
    assert mmdebstrap.cause(lines) == "Unable to locate package nosuch"


def test_cause_without_an_error_line():
    assert mmdebstrap.cause(["I: x", "cp: cannot stat 'a'"]) == "cp: cannot stat 'a'"
    assert mmdebstrap.cause([]) == "mmdebstrap did not say why"
