"""What is still at the cut, and runs again after it."""

from __future__ import annotations

from .podman import Broken, Json, Layer, last, podman, standing
from .seeing import check_of, checked


def writers(layer: Layer, request: Json) -> list[Json]:
    """The containers that have to be still: all of the layer, or those with a named volume that they may write.

    With `layers`, the ids of all layers that the definition has, also what writes for a layer that it has no more:
    no other step would stop that.
    """
    known = request.get("layers") or []
    found = standing() if known else layer.containers()
    own = [each for each in found if each["layer"] == layer.name]
    strays = [each for each in found if each["layer"] not in {layer.name, *known}]
    asked = strays if request["all"] else own + strays
    details = layer.inspected([each["name"] for each in asked])
    busy = [each for each in asked if any(writes(mount) for mount in details[each["name"]].get("Mounts") or [])]
    return [*own, *busy] if request["all"] else busy


def writes(mount: Json) -> bool:
    """Whether data that may matter can be written there."""
    return mount.get("Type") == "volume" and bool(mount.get("RW"))


def moving(layer: Layer, request: Json) -> Json:
    """Which of them run, and the names of those that `still` stopped."""
    found = writers(layer, request)
    return {"services": [told(layer, each) for each in found],
            "running": [told(layer, each) for each in found if each["running"]],
            "names": layer.kept("stilled").get("names", [])}  # fmt: skip


def told(layer: Layer, container: Json) -> str:
    """A service, for people; with its layer when that is another one."""
    name = str(container["service"])
    return name if container["layer"] == layer.name else f"{container['layer']}/{name}"


def still(layer: Layer, request: Json) -> Json:
    """Stops them, having written down which ran."""
    running = [each["name"] for each in writers(layer, request) if each["running"]]
    known = layer.kept("stilled").get("names", [])
    layer.keep("stilled", {"names": sorted({*known, *running})})
    layer.forget("again")
    if running:
        said = podman("stop", "-t", str(request["grace"]), *running, timeout=request["grace"] + 60)
        if said.returncode != 0:
            raise Broken(f"a service does not stop: {last(said.stderr)}")
    return moving(layer, request)


def stopped(layer: Layer, request: Json) -> list[Json]:
    """What `still` stopped and is still there. A machine that was started anew forgot it, so the run tells it, too."""
    names = {*layer.kept("stilled").get("names", []), *request.get("names", [])}
    return [each for each in standing() if each["name"] in names]


def waiting(layer: Layer, request: Json) -> Json:
    """Which of what `still` stopped does not run again, and which of it is not well."""
    found = stopped(layer, request)
    begun = layer.kept("again").get("names", [])
    # A job may have ended well since it was started again.
    ended = [each["name"] for each in found if each["name"] in begun and each["state"] == "exited" and not each["code"]]
    running = [each for each in found if each["running"]]
    details = layer.inspected([each["name"] for each in running])
    said = {each["name"]: checked(each, check_of(details[each["name"]])) for each in running}
    return {
        "idle": [told(layer, each) for each in found if not each["running"] and each["name"] not in ended],
        "unwell": [told(layer, each) for each in running if said[each["name"]] == "unhealthy"],
    }


def again(layer: Layer, request: Json) -> Json:
    """Starts what `still` stopped."""
    back = [each["name"] for each in stopped(layer, request)]
    if back:
        said = podman("start", *back)
        if said.returncode != 0:
            raise Broken(f"a service does not start again: {last(said.stderr)}")
    layer.keep("again", {"names": back})
    layer.forget("stilled")
    return {"services": back}
