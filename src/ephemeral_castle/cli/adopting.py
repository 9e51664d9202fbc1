"""A castle from a cluster that lives already: it is looked at, never changed, and a definition of it is written."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ephemeral_castle.cli import chores, wiring, worlds
from ephemeral_castle.cli.examining import needed
from ephemeral_castle.definition.adopted import Adopted, Where, adopted
from ephemeral_castle.definition.names import nearest_label
from ephemeral_castle.definition.template import Answers
from ephemeral_castle.errors import Denied, NotFound, Permanent, UsageError
from ephemeral_castle.manifests.living.finding import Fate
from ephemeral_castle.manifests.living.survey import KINDS, Survey, survey
from ephemeral_castle.model.castle import Castle, Site
from ephemeral_castle.spi.claims import role
from ephemeral_castle.spi.kubernetes import Cluster, Manifest, Ref

SYSTEM = Ref("v1", "Namespace", "kube-system")
AT_ONCE = 4  # kinds that are listed at a time
SECRET, KEPT = "Secret", ("known_hosts",)


async def adopt(answers: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """Writes castle.yaml and, where it is missing, a key file; never overwrites. Of the cluster it only reads.

    Args:
        answers: `name`, `endpoint`, `bucket`; an empty name is made from the context's.
        told: `context` and `kubeconfig` ("" as kubectl chooses), `site`, `directory`, `access`.

    Raises:
        Conflict: a definition is there already. Others: as kubeconfig and API server say.
    """
    directory = Path(told["directory"])
    context, seen = await _seen(told)
    made, chosen = _definition(answers, told, context, seen)
    file = directory / "castle.yaml"
    await asyncio.to_thread(chores.write_new, file, made.text)
    castle = wiring.load_castle(str(file))
    keys = chores.ensure_keys(castle, told.get("access"))
    notes = list(made.notes) + ([] if keys else [f"{castle.treasury.keys} is there already, and was left as it is"])
    return {
        "castle": chosen.name,
        "context": context,
        "files": [str(file), *keys],
        "cluster": {key: seen[key] for key in ("server", "version", "uid")},
        "unseen": seen["unseen"],
        "findings": [each.as_dict() for each in seen["survey"].findings],
        "counts": {fate.value: sum(each.fate is fate for each in seen["survey"].findings) for fate in Fate},
        "give": [
            {"secret": name, "from": f"{secret} {key}", "command": _handing(name, secret, key)}
            for name, (secret, key) in made.given.items()
        ],
        "notes": notes,
    }


async def rights(castle: Castle | None, site: Site | None, told: Mapping[str, Any]) -> dict[str, Any]:
    """The ClusterRole for a definition; without one, for the definition that `adopt` would write."""
    if castle is None or site is None:
        context, seen = await _seen(told)
        made, _ = _definition({"name": told.get("name", "")}, told, context, seen)
        with tempfile.TemporaryDirectory(prefix="castle-adopt-") as folder:
            file = Path(folder, "castle.yaml")
            await asyncio.to_thread(file.write_text, made.text)
            castle = wiring.load_castle(str(file))
        site = wiring.site_of(castle, None)
    wanted = needed(castle, site)
    if not wanted:
        raise UsageError(
            f"site `{site.name}` works in no cluster", why="no layer of it needs rights in one", hints=["castle plan"]
        )
    return {"castle": castle.name, "role": role(f"castle-{castle.name}", wanted)}


async def _seen(told: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The context, and what its cluster tells."""
    files = str(told.get("kubeconfig") or "")
    context = str(told.get("context") or "") or worlds.current_context(files)
    cluster = worlds.cluster_of(files, context)
    try:
        return context, await look(cluster)
    finally:
        await cluster.close()


async def look(cluster: Cluster) -> dict[str, Any]:
    """Reads a cluster: `server`, `version`, `uid`, `survey`, and `unseen`: kinds that we may not list.

    Raises:
        Permanent: it has no namespace kube-system, by which clusters are told apart.
    """
    system = await cluster.get(SYSTEM)
    if system is None:
        raise Permanent("this is no usual cluster", where=cluster.server, why="it has no namespace kube-system")
    gate = asyncio.Semaphore(AT_ONCE)

    async def read(api: str, kind: str) -> tuple[str, Sequence[Manifest], str]:
        async with gate:
            return await _listed(cluster, api, kind)

    answers = await asyncio.gather(*(read(api, kind) for api, kind, _ in KINDS))
    found: Survey = survey({kind: objects for kind, objects, _ in answers})
    return {
        "server": cluster.server,
        "version": await cluster.version(),
        "uid": str(system["metadata"]["uid"]),
        "survey": found,
        "unseen": [why for _, _, why in answers if why],
    }


async def _listed(cluster: Cluster, api: str, kind: str) -> tuple[str, Sequence[Manifest], str]:
    """All objects of a kind, and why they cannot be seen. Of Secrets only names and keys are kept."""
    try:
        found = await cluster.list(api, kind)
    except NotFound:
        return kind, (), ""
    except Denied as error:
        return kind, (), f"{kind}: {error.why or error.message}"
    return kind, [_bare(each) if kind == SECRET else each for each in found], ""


def _bare(secret: Manifest) -> Manifest:
    data = {key: value if key in KEPT else "" for key, value in (secret.get("data") or {}).items()}
    return {**secret, "data": data}


def _definition(
    answers: Mapping[str, Any], told: Mapping[str, Any], context: str, seen: Mapping[str, Any]
) -> tuple[Adopted, Answers]:
    name = str(answers.get("name") or "") or nearest_label(context) or "home"
    chosen = Answers(name=name, bucket=str(answers.get("bucket") or ""), endpoint=str(answers.get("endpoint") or ""))
    where = Where(context, seen["uid"], _files(told))
    return adopted(chosen, str(told.get("site") or "home"), where, seen["survey"]), chosen


def _files(told: Mapping[str, Any]) -> str:
    """As the definition names them: absolute, since it may be read from anywhere."""
    named = str(told.get("kubeconfig") or "")
    return ":".join(str(Path(each).expanduser().absolute()) for each in named.split(":") if each)


def _handing(name: str, secret: str, key: str) -> str:
    """The command by which a secret goes from the cluster to castle, and through nothing that keeps it."""
    space, _, own = secret.partition("/")
    path = key.replace(".", "\\.")
    return f"kubectl get secret -n {space} {own} -o jsonpath='{{.data.{path}}}' | base64 -d | castle secret put {name}"
