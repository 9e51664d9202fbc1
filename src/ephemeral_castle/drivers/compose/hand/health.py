"""Whether services are well, by their own health checks."""

from __future__ import annotations

import datetime as dt
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor

from .order import advance
from .podman import Broken, Json, Layer, last, podman
from .seeing import check_of, health_of, policy_of

TAIL = 5  # lines of a log that are told
FIRST, MOST = 0.1, 2.0  # seconds between looks: at first, at most
SETTLED = 1.0  # seconds that a service without a health check must have run
ENDING = ("stopping", "stopped")  # podman has not written down yet how it ended; then it says "exited"
RESTARTS = 3  # a service that podman started so often anew does not come up


class Patient:
    """One container and the judgement on it."""

    def __init__(self, container: Json, detail: Json, service: Json, begun: float) -> None:
        self.name, self.service = container["name"], container["service"]
        self.job = service["job"]
        self.check = health_of(detail)
        self.id, self.asked = container["id"], check_of(detail)
        self.start_interval = service.get("start_interval") or 0.0
        self.begun = max(begun, unix(detail["State"].get("StartedAt", "")))
        self.next, self.pause, self.failures, self.said = 0.0, FIRST, 0, ""
        self.verdict = ""  # "healthy", "done", "failed: …", or "" while it is not known

    def look(self, now: float) -> None:
        """Judges by what podman says, and runs the check when it is time."""
        detail = inspect_one(self.name)
        state = detail["State"]
        if state["Status"] in ENDING:
            return
        if state["Status"] != "running":
            self.ended(detail)
        elif self.check is None:
            lived = time.time() - unix(state.get("StartedAt", ""))
            self.verdict = "" if self.job or lived < SETTLED else "healthy"
        elif now >= self.next:
            self.ask(now)

    def ended(self, detail: Json) -> None:
        """It does not run: a job that ended well, or one that died."""
        state, policy = detail["State"], (detail.get("HostConfig", {}).get("RestartPolicy") or {}).get("Name", "")
        code = state.get("ExitCode", 0)
        if self.job and code == 0 and state["Status"] == "exited":
            self.verdict = "done"
        elif policy in ("", "no") or detail.get("RestartCount", 0) >= RESTARTS:
            self.verdict = f"failed: it ended with exit status {code}"

    def ask(self, now: float) -> None:
        """One run of the health check; its policy gives the time that a service has to become well."""
        check = self.check or {}
        interval, timeout, retries, start = policy_of(check)
        said = podman("healthcheck", "run", self.name, timeout=timeout + 5)
        if said.returncode == 0:
            self.verdict = "healthy"
            return
        self.failures += 1
        waited = time.time() - self.begun
        if waited >= start + retries * interval and self.failures >= min(retries, 2):
            self.verdict = f"failed: its health check failed {self.failures} times in {waited:.0f} s"
        self.pause = min(self.pause * 1.5, interval, self.start_interval or MOST, MOST)
        self.next = now + self.pause

    def told(self) -> Json:
        """What is told of one that failed: the check's last words, and those of the service."""
        detail = inspect_one(self.name)
        log = ((detail["State"].get("Healthcheck") or detail["State"].get("Health") or {}).get("Log")) or []
        logs = podman("logs", "--tail", str(TAIL), self.name)
        return {
            "service": self.service,
            "why": self.verdict.removeprefix("failed: ") or "it is not well yet",
            "check": (log[-1].get("Output", "").strip() if log and self.check else ""),
            "logs": [line for line in (logs.stdout + logs.stderr).splitlines() if line.strip()][-TAIL:],
        }


def inspect_one(name: str) -> Json:
    """One container as podman describes it."""
    said = podman("inspect", "--type", "container", name)
    if said.returncode != 0:
        raise Broken(f"container {name} is gone: {last(said.stderr)}")
    found: Json = json.loads(said.stdout)[0]
    return found


def unix(text: str) -> float:
    """Seconds of podman's RFC 3339 time; 0 for its zero."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)", text)
    if found is None or text.startswith("0001"):
        return 0.0
    zone = "+00:00" if found[3] == "Z" else found[3]
    return dt.datetime.fromisoformat(found[1] + zone).timestamp()


def health(layer: Layer, request: Json) -> Json:
    """Starts what still waits, asks every service until it is well, has failed, or the time is up."""
    begun = time.time()
    state = layer.kept("state") or {"started": []}
    patients: dict[str, Patient] = {}
    pause = FIRST
    while True:
        layer.check_turn()
        admit(layer, request, state, patients, begun)
        waiting = [each for each in patients.values() if not each.verdict]
        with ThreadPoolExecutor(max_workers=4) as pool:
            list(pool.map(lambda each: each.look(time.time()), waiting))
        failed = [each for each in patients.values() if each.verdict.startswith("failed")]
        well = well_of(patients)
        if failed:
            return {"failed": [each.told() for each in failed], "services": verdicts(request, patients)}
        before = len(state["started"])
        advance(layer, request, well, state)
        if len(well) == len(request["services"]):
            layer.keep("checks", {each.id: each.asked for each in patients.values()})
            return {"failed": [], "services": verdicts(request, patients), "containers": layer.containers()}
        if time.time() - begun > request["limit"]:
            late = [each.told() for each in patients.values() if not each.verdict]
            return {"failed": late or [never(request, well)], "services": verdicts(request, patients)}
        if len(state["started"]) == before:
            time.sleep(pause)
            pause = min(pause * 1.3, 1.0)


def admit(layer: Layer, request: Json, state: Json, patients: dict[str, Patient], begun: float) -> None:
    """Takes containers of services that were started since."""
    known = {each.service for each in patients.values()}
    new = [name for name in state["started"] if name in request["services"] and name not in known]
    if not new:
        return
    found = [each for each in layer.containers() if each["service"] in new]
    details = layer.inspected([each["name"] for each in found])
    for each in found:
        service = request["services"][each["service"]]
        patients[each["name"]] = Patient(each, details[each["name"]], service, begun)
    missing = set(new) - {each["service"] for each in found}
    if missing:
        raise Broken(f"the container of {', '.join(sorted(missing))} is gone")


def well_of(patients: dict[str, Patient]) -> dict[str, str]:
    """Services of which every container is well, and how."""
    found: dict[str, str] = {}
    by_service: dict[str, list[str]] = {}
    for each in patients.values():
        by_service.setdefault(each.service, []).append(each.verdict)
    for service, said in by_service.items():
        if all(said):
            found[service] = said[0]
    return found


def never(request: Json, well: dict[str, str]) -> Json:
    """Nothing failed, but somebody was never started."""
    left = sorted(set(request["services"]) - set(well))
    return {"service": ", ".join(left), "why": "the time was up before it could be started", "check": "", "logs": []}


def verdicts(request: Json, patients: dict[str, Patient]) -> Json:
    """How each service stands."""
    found = {each.service: each.verdict or "starting" for each in patients.values()}
    return {name: found.get(name, "not started") for name in request["services"]}
