"""The SQL texts against the server of castle's own image: the very programs that they meet in a castle."""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ephemeral_castle.drivers.postgres.image import BIN, POSTGRES, UID
from ephemeral_castle.world.exec import LocalExec
from ephemeral_castle.world.images import ImageStore
from ephemeral_castle.world.podman_config import PodmanRoot
from tests.unit.postgres import test_server as texts
from tests.unit.postgres.servers import Programs, Server, home_of, serving

pytestmark = [pytest.mark.machines, pytest.mark.evidence("real", "postgresql", "podman")]
# The image's files with a directory of the server in them, in a mount namespace that ends with this process.
ROOM = """\
set -e
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
mount --rbind /dev "$2/root/dev"
mkdir -p "$2/root$3"
mount --bind "$3" "$2/root$3"
echo stands
exec sleep infinity
"""


def layer() -> str:
    """Where the files of the image lie in the store of this computer; it is built if need be."""
    images = ImageStore(LocalExec())
    reference = asyncio.run(images.build(POSTGRES, lambda text, *, done=None, total=None: None))
    work = images.path.with_name(f"{images.path.name}.work")
    root = PodmanRoot(graph=images.path, run=work / "run", config=work / "config", events="none")
    asked = root.command("image", "inspect", "--format", "{{.GraphDriver.Data.UpperDir}}", reference)
    done = subprocess.run(["unshare", "--mount", "--", *asked], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as room, home_of(UID) as home:
        for name in ("upper", "work", "root"):
            (Path(room) / name).mkdir()
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", ROOM, "room", layer(), room, str(home)]
        holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert holder.stdout is not None
        assert holder.stdout.readline() == "stands\n"
        inside = ("nsenter", "-t", str(holder.pid), "-m", "chroot", f"--userspec={UID}:{UID}", f"{room}/root")
        try:
            with serving(home, Programs(Path(BIN), inside, UID)) as made:
                yield made
        finally:
            holder.kill()
            holder.communicate()


admin = texts.admin
globals().update({name: test for name, test in vars(texts).items() if name.startswith("test_")})


def test_it_is_the_image_and_not_this_computer(server: Server) -> None:
    assert "castle-session" in server.run("ls", "/usr/local/bin")
