"""Compares `castle check`'s judgement of custom resources with verdicts of a real API server.

    uv run bench/verdicts.py FILE --crds DIR [--exclude SUBDIR]

FILE holds one JSON document a line (may be gzipped): `doc`, `code` (201, 400, 422), `message`, `causes` as lists of
reason, field and message. Paths are compared as sets of the causes' fields, "<nil>" dropped; for 400 as the quoted
fields of the message. Ends with 1 when a goal of the issue is missed.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from figure import Figure

from ephemeral_castle.manifests.schemas.cel_rules import compiled
from ephemeral_castle.manifests.schemas.crds import definitions, is_crd
from ephemeral_castle.manifests.schemas.lock import NAME, Entry, Lock, written
from ephemeral_castle.manifests.schemas.store import digest, pack
from ephemeral_castle.manifests.schemas.structural import Definition, Structural, Verdict

GOALS = {"decisions": 99.5, "paths": 98.0, "structural": 30_000, "with CEL": 8_000, "start": 150}
_OFTEN = (
    "PostgresCluster",
    "ExternalSecret",
    "Kustomization",
    "HelmRelease",
    "Certificate",
    "ClusterIssuer",
    "Cluster",
)
_START = """
import sys
from pathlib import Path
from ephemeral_castle.manifests.schemas.lock import read
from ephemeral_castle.manifests.schemas.store import Store
folder, lock = Path(sys.argv[1]), read(Path(sys.argv[2]).read_text())
store = Store(lock, lambda name: (folder / name.removeprefix("sha256:")).read_bytes())
for each in lock.entries:
    spec = {"users": [{"name": "a"}], "instances": [{"dataVolumeClaimSpec": {}}], "suspend": "yes"}
    document = {"apiVersion": each.api, "kind": each.kind, "metadata": {"name": "a"}, "spec": spec}
    store.find(each.api, each.kind).judge(document)
"""
_UNKNOWN = re.compile(r'unknown field "([^"]*)"')
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Kinds = dict[tuple[str, str], Structural]


@dataclass
class Tally:
    """What the comparison found."""

    documents: int = 0
    same: int = 0
    rejected: int = 0
    paths: int = 0
    words: int = 0
    crashes: int = 0
    evaluated: int = 0
    unchecked: int = 0
    lines: list[str] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)


def crds(folder: Path, exclude: list[str]) -> Iterator[dict[str, Any]]:
    """Every CRD below a folder."""
    for path in sorted(folder.rglob("*.y*ml")):
        if not any(each in path.relative_to(folder).parts for each in exclude):
            yield from filter(is_crd, yaml.load_all(path.read_text(), Loader=_LOADER))


def kinds(folder: Path, exclude: list[str], *, rules: bool) -> Kinds:
    """The compiled definitions of a folder, by apiVersion and kind."""
    return {
        (each.api, each.kind): Structural(each, compiled(each.schema) if rules else None)
        for crd in crds(folder, exclude)
        for each in definitions(crd)
        if each.served
    }


def ours(found: Kinds, document: dict[str, Any]) -> Verdict:
    """Our judgement of one document."""
    structural = found.get((str(document.get("apiVersion")), str(document.get("kind"))))
    return structural.judge(document) if structural else Verdict(404)


def fields(code: int, message: str, causes: list[list[str]]) -> set[str]:
    """The paths of a verdict."""
    if code == 400:
        return set(_UNKNOWN.findall(message))
    return {each[1] for each in causes} - {"<nil>"}


def compare(found: Kinds, lines: list[dict[str, Any]]) -> Tally:
    """Judges every document beside the server's verdict."""
    tally = Tally()
    for number, line in enumerate(lines, 1):
        tally.documents += 1
        code, message, causes = line["code"], line.get("message") or "", line.get("causes") or []
        try:
            verdict = ours(found, line["doc"])
        except Exception as error:  # noqa: BLE001 a crash is what is counted
            tally.crashes += 1
            tally.lines.append(f"line {number}: crash: {error!r}")
            continue
        tally.evaluated += verdict.rules
        tally.unchecked += verdict.unchecked
        named = f"line {number}: {line['doc'].get('kind')}"
        tally.codes[f"{code}->{verdict.code}"] += 1
        tally.same += (code < 300) == (verdict.code < 300)
        if (code < 300) != (verdict.code < 300):
            tally.lines.append(f"{named}: server {code}, ours {verdict.code}: {message or verdict.message}")
        if code < 300:
            continue
        tally.rejected += 1
        says = [[each.reason, each.field, each.message] for each in verdict.causes]
        theirs, mine = fields(code, message, causes), fields(verdict.code, verdict.message, says)
        tally.paths += theirs == mine
        same_words = {each[2] for each in causes} == {each[2] for each in says} if code == 422 else theirs == mine
        tally.words += same_words
        if verdict.code >= 300 and theirs != mine:
            tally.lines.append(f"{named}: paths: server {sorted(theirs)}, ours {sorted(mine)}")
        elif verdict.code >= 300 and not same_words:
            tally.lines.append(f"{named}: words: server {sorted(map(str, causes))}\n    ours {sorted(map(str, says))}")
    return tally


def speed(found: Kinds, lines: list[dict[str, Any]]) -> float:
    """Documents a second of processor time, the best of three passes over the file."""
    keyed = [((str(line["doc"].get("apiVersion")), str(line["doc"].get("kind"))), line["doc"]) for line in lines]
    documents = [(found[key], document) for key, document in keyed if key in found]
    best = float("inf")
    for _ in range(3):
        begun = time.process_time()
        for structural, document in documents:
            structural.judge(document)
        best = min(best, time.process_time() - begun)
    return len(documents) / best


def started(definitions_of: list[Definition]) -> float:
    """Milliseconds of processor time: a process starts, and judges an object of each kind out of the cache."""
    with TemporaryDirectory() as folder:
        entries = []
        for each in definitions_of:
            packed = pack(each)
            entries.append(Entry(each.api, each.kind, digest(packed), "bench"))
            Path(folder, entries[-1].digest.removeprefix("sha256:")).write_bytes(packed)
        lock = Path(folder, NAME)
        lock.write_text(written(Lock((), tuple(entries))))
        samples = []
        for _ in range(5):
            begun = _children()
            subprocess.run([sys.executable, "-c", _START, folder, str(lock)], check=True)
            samples.append(1000 * (_children() - begun))
    return min(samples)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure() -> list[Figure]:
    """The figures for `scripts/bench verdicts`, where the server's verdicts lie beside the checkout."""
    shared = Path(__file__).parents[2] / "shared" / "crds"
    file = shared / "verdicts" / "dev.jsonl.gz"
    if not file.exists():
        print(f"  not measured: the server's verdicts are not here ({file})")
        return []
    with gzip.open(file, "rt", encoding="utf-8") as opened:
        lines = [json.loads(line) for line in opened if line.strip()]
    exclude = ["external-secrets-v0.16.2"]
    full, plain = kinds(shared, exclude, rules=True), kinds(shared, exclude, rules=False)
    tally = compare(full, lines)
    used = [found.of for (_, kind), found in full.items() if kind in _OFTEN]
    return [
        Figure("same decision as the API server", [100 * tally.same / tally.documents], "%", GOALS["decisions"], True),
        Figure("same paths of what it rejects", [100 * tally.paths / tally.rejected], "%", GOALS["paths"], True),
        Figure("crashes", [float(tally.crashes)], "", 0),
        Figure("documents a second, structure", [speed(plain, lines)], "", GOALS["structural"], True),
        Figure("documents a second, with CEL", [speed(full, lines)], "", GOALS["with CEL"], True),
        Figure(f"start and {len(used)} kinds from the cache", [started(used)], "ms", GOALS["start"]),
    ]


def main() -> int:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--crds", type=Path, required=True)
    parser.add_argument("--exclude", action="append", default=[], metavar="SUBDIR")
    options = parser.parse_args()
    opened = gzip.open if options.file.suffix == ".gz" else open
    with opened(options.file, "rt", encoding="utf-8") as file:
        lines = [json.loads(line) for line in file if line.strip()]
    full = kinds(options.crds, options.exclude, rules=True)
    tally = compare(full, lines)
    decisions, paths = 100 * tally.same / tally.documents, 100 * tally.paths / max(tally.rejected, 1)
    words = 100 * tally.words / max(tally.rejected, 1)
    structural, with_cel = speed(kinds(options.crds, options.exclude, rules=False), lines), speed(full, lines)
    print("\n".join(tally.lines))
    print(f"documents {tally.documents}  ({', '.join(f'{key} {n}' for key, n in sorted(tally.codes.items()))})")
    print(f"same decision {decisions:.2f} % (goal {GOALS['decisions']} %)")
    print(f"same paths {paths:.2f} % of {tally.rejected} rejected (goal {GOALS['paths']} %), same words {words:.2f} %")
    print(f"crashes {tally.crashes}; rules of CEL evaluated {tally.evaluated}, not looked into {tally.unchecked}")
    print(f"documents a second of processor time: structural {structural:,.0f} (goal {GOALS['structural']:,})")
    print(f"documents a second of processor time: with CEL {with_cel:,.0f} (goal {GOALS['with CEL']:,})")
    met = (
        decisions >= GOALS["decisions"]
        and paths >= GOALS["paths"]
        and not tally.crashes
        and structural >= GOALS["structural"]
        and with_cel >= GOALS["with CEL"]
    )
    print("verdicts: ok" if met else "verdicts: a goal is missed")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
