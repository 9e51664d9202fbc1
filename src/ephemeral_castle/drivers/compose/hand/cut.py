"""What stands, and what is still."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from .health import health_of, policy_of
from .podman import HOME, Broken, Json, Layer, last, podman


def see(layer: Layer, request: Json) -> Json:
    """What stands: digest of what was applied, containers, and with `check` their health; is podman-compose here."""
    found = layer.containers()
    kept = layer.kept("applied")
    applied = kept.get("digest", "")
    wants = request.get("check") and (not request.get("digest") or request["digest"] == applied)
    if wants and found:
        details = layer.inspected([each["name"] for each in found])
        with ThreadPoolExecutor(max_workers=4) as pool:
            for each, said in zip(found, pool.map(lambda c: checked(details[c["name"]]), found), strict=True):
                each["health"] = said
    tool = (HOME / ".tool" / f"{request.get('tool', '')}.py").is_file()
    return {"digest": applied, "sha": kept.get("sha", ""), "containers": found, "tool": tool, "checked": bool(wants)}


def checked(detail: Json) -> str:
    """One look at the health of a container: "healthy", "unhealthy", or "" where nothing is asked."""
    check = health_of(detail)
    if check is None or detail["State"]["Status"] != "running":
        return ""
    said = podman("healthcheck", "run", detail["Name"], timeout=policy_of(check)[1] + 5)
    return "healthy" if said.returncode == 0 else "unhealthy"


def writers(layer: Layer, request: Json) -> list[Json]:
    """The containers that have to be still: all, or those with a named volume that they may write."""
    found = layer.containers()
    if request["all"]:
        return found
    details = layer.inspected([each["name"] for each in found])
    return [each for each in found if any(writes(mount) for mount in details[each["name"]].get("Mounts") or [])]


def writes(mount: Json) -> bool:
    """Whether data that may matter can be written there."""
    return mount.get("Type") == "volume" and bool(mount.get("RW"))


def moving(layer: Layer, request: Json) -> Json:
    """Which of them run."""
    found = writers(layer, request)
    return {"services": [each["service"] for each in found],
            "running": [each["service"] for each in found if each["running"]]}  # fmt: skip


def still(layer: Layer, request: Json) -> Json:
    """Stops them, having written down which ran."""
    running = [each["name"] for each in writers(layer, request) if each["running"]]
    known = layer.kept("stilled").get("names", [])
    layer.keep("stilled", {"names": sorted({*known, *running})})
    if running:
        said = podman("stop", "-t", str(request["grace"]), *running, timeout=request["grace"] + 60)
        if said.returncode != 0:
            raise Broken(f"a service does not stop: {last(said.stderr)}")
    return moving(layer, request)


def again(layer: Layer, _request: Json) -> Json:
    """Starts what `still` stopped."""
    names = layer.kept("stilled").get("names", [])
    there = {each["name"] for each in layer.containers()}
    back = [name for name in names if name in there]
    if back:
        said = podman("start", *back)
        if said.returncode != 0:
            raise Broken(f"a service does not start again: {last(said.stderr)}")
    layer.forget("stilled")
    return {"services": back}
