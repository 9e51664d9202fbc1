"""Services in their order: made by podman-compose, started when what they wait for is there."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

from .memory import sync
from .podman import HOME, Broken, Json, Layer, last, podman


def up(layer: Layer, request: Json, body: bytes) -> Json:
    """Files, containers as the project wants them, and the start of all that waits for nobody's health.

    Args:
        layer: whose project it is.
        request: what the hand was told.
        body: archive of the files.
    """
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        return apply(layer, request, archive)


def apply(layer: Layer, request: Json, archive: tarfile.TarFile) -> Json:
    """See `up`."""
    before = layer.kept("applied")
    layer.forget("applied")
    layer.forget("stilled")  # what runs from here on is what the project says, not what ran at an earlier cut
    tool = HOME / ".tool" / f"{request['tool']}.py"
    if "tool" in archive.getnames():
        stream = archive.extractfile("tool")
        tool.parent.mkdir(parents=True, exist_ok=True)
        new = tool.with_suffix(".new")
        new.write_bytes(stream.read() if stream else b"")
        new.rename(tool)
    changed = sync(layer.project, archive, "project/")
    sync(layer.beside / "files", archive, "beside/")
    old = {each["name"]: each["id"] for each in layer.containers()}
    compose(layer, request, tool)
    removed = remove_orphans(layer, request)
    seen = layer.containers()
    fresh = {each["service"] for each in seen if old.get(each["name"]) != each["id"]}
    stop_changed(seen, request, changed, fresh)
    # Jobs that ended well are not done again, unless something of them is new or the machine was started anew.
    started = [each["service"] for each in seen if each["service"] not in fresh and done(each, request)]
    state = {"started": started if before else []}
    layer.keep("state", state)
    advance(layer, request, {}, state)
    layer.keep("applied", {"digest": request["digest"], "sha": request["sha"]})
    return {"containers": layer.containers(), "fresh": sorted(fresh), "removed": removed}


def compose(layer: Layer, request: Json, tool: Path) -> None:
    """Podman-compose makes what is missing and makes anew what changed; it starts nothing."""
    beside = layer.beside / "files"
    command = [
        sys.executable, str(tool), "-f", request["file"], "-f", str(beside / "override.yaml"),
        "--env-file", str(beside / "env"), "-p", request["project"], "--in-pod=false",
        "up", "--no-start", "--no-deps", "--no-build", "-t", str(request["grace"]),
    ]  # fmt: skip
    clean = {"PATH": os.environ.get("PATH", os.defpath), "HOME": "/root", "PYTHONDONTWRITEBYTECODE": "1"}
    said = subprocess.run(
        command, cwd=layer.project, env=clean, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if said.returncode != 0:
        raise Broken(f"podman-compose ended with {said.returncode}: {last(said.stderr or said.stdout, 4)}")


def remove_orphans(layer: Layer, request: Json) -> list[str]:
    """Containers of services that the project has no more, or had under another name. Their volumes stay."""
    orphans = [
        each["name"]
        for each in layer.containers()
        if each["service"] not in request["services"] or each["project"] != request["project"]
    ]
    if orphans:
        said = podman("rm", "-f", "-t", str(request["grace"]), *orphans)
        if said.returncode != 0:
            raise Broken(f"a service that was removed will not go: {last(said.stderr)}")
    return orphans


def stop_changed(seen: list[Json], request: Json, changed: set[str], fresh: set[str]) -> None:
    """A container sees the file that was there when it started: it is stopped, to be started with the new one."""
    names = [
        each["name"]
        for each in seen
        if each["running"]
        and each["service"] not in fresh
        and changed.intersection(request["services"][each["service"]]["reads"])
    ]
    if names:
        said = podman("stop", "-t", str(request["grace"]), *names, timeout=request["grace"] + 60)
        if said.returncode != 0:
            raise Broken(f"a service whose file changed does not stop: {last(said.stderr)}")


def done(container: Json, request: Json) -> bool:
    """Whether this is a job that ended well."""
    job = request["services"].get(container["service"], {}).get("job", False)
    return bool(job) and container["state"] == "exited" and container["code"] == 0


def advance(layer: Layer, request: Json, well: dict[str, str], state: Json) -> None:
    """Starts every service whose conditions hold, and then those that waited for these.

    Args:
        layer: where.
        request: with the conditions of each service.
        well: service -> "healthy" or "done", as far as that is known.
        state: `started` grows.
    """
    services: Json = request["services"]
    while True:
        started = set(state["started"])
        ready = [
            name
            for name, service in services.items()
            if name not in started and all(met(dep, how, started, well) for dep, how in service["after"].items())
        ]
        if not ready:
            return
        idle = [each["name"] for each in layer.containers() if each["service"] in ready and not each["running"]]
        if idle:
            said = podman("start", *idle)
            if said.returncode != 0:
                raise Broken(f"a service does not start: {last(said.stderr)}")
        state["started"] = [*state["started"], *ready]
        layer.keep("state", state)


def met(dep: str, how: str, started: set[str], well: dict[str, str]) -> bool:
    """Whether a condition of `depends_on` holds."""
    if how == "service_started":
        return dep in started
    return well.get(dep) == ("done" if how == "service_completed_successfully" else "healthy")
