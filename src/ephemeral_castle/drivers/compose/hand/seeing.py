"""What stands, and one look at its health."""

from __future__ import annotations

from .podman import HOME, LATE, Json, Layer, podman, run

NANO = 1_000_000_000


def see(layer: Layer, request: Json) -> Json:
    """What stands: digest of what was applied, containers, and with `check` their health; is podman-compose here."""
    found = layer.containers()
    kept = layer.kept("applied")
    applied = kept.get("digest", "")
    wants = request.get("check") and (not request.get("digest") or request["digest"] == applied)
    if wants:
        for each, said in zip(found, all_checked(layer, found), strict=True):
            each["health"] = said
    tool = (HOME / ".tool" / f"{request.get('tool', '')}.py").is_file()
    return {"digest": applied, "sha": kept.get("sha", ""), "containers": found, "tool": tool, "checked": bool(wants)}


def all_checked(layer: Layer, containers: list[Json]) -> list[str]:
    """One look at the health of each, side by side; podman tells what to ask of one that was never seen well."""
    known = layer.kept("checks")
    new = layer.inspected([each["name"] for each in containers if each["id"] not in known])
    checks = [known[each["id"]] if each["id"] in known else check_of(new[each["name"]]) for each in containers]
    if len(containers) < len(("one", "another")):
        return list(map(checked, containers, checks))
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=4) as pool:
        return list(pool.map(checked, containers, checks))


def check_of(detail: Json) -> Json:
    """What is asked of a container, and who runs it; {} when nothing is."""
    check = health_of(detail)
    if check is None:
        return {}
    return {"test": check["Test"], "limit": policy_of(check)[1] + 5, "runtime": detail.get("OCIRuntime", "")}


def checked(container: Json, check: Json) -> str:
    """One look at the health of a container: "healthy", "unhealthy", or "" where nothing is asked."""
    if not check or not container["running"]:
        return ""
    code = asked(container, check)
    if code not in {0, LATE}:  # podman's own run keeps the check's last words
        code = podman("healthcheck", "run", container["name"], timeout=check["limit"]).returncode
    return "healthy" if code == 0 else "unhealthy"


def asked(container: Json, check: Json) -> int | None:
    """Exit status of the check when runc runs it as podman would, with the container's own user, rights and limits.

    Podman and the process that watches over its commands double what a look costs. None: only podman can run it.
    """
    how, *words = check["test"]
    argv = {"CMD": words, "CMD-SHELL": ["sh", "-c", " ".join(words)]}.get(how)
    if not argv or check["runtime"] != "runc":
        return None
    return run("runc", "exec", container["id"], *argv, timeout=check["limit"]).returncode


def health_of(detail: Json) -> Json | None:
    """The health check of the Compose file or of the image; None when there is none."""
    check: Json = detail["Config"].get("Healthcheck") or {}
    test = check.get("Test") or []
    return None if not test or test[0] == "NONE" else check


def policy_of(check: Json) -> tuple[float, float, int, float]:
    """Interval, timeout, retries, start period; Compose's defaults."""
    return (
        (check.get("Interval") or 30 * NANO) / NANO,
        (check.get("Timeout") or 30 * NANO) / NANO,
        check.get("Retries") or 3,
        (check.get("StartPeriod") or 0) / NANO,
    )
