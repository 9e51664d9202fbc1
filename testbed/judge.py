"""Compares what a writer was told with what the database holds: lost and extra rows.

A row is *lost* when it was acknowledged and is not there. It is *extra* when it is there and was not acknowledged:
the commit went through and its answer never arrived. Extra rows are no fault; the count is shown because many of them
would mean a broken writer. Only ids from the first logged one on are looked at. Stop the writer before judging.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import psql

SHOWN = 10  # lost ids that are named


@dataclass(frozen=True)
class Verdict:
    """What came of it. `longest_gap`: seconds between two acknowledgements, the outage as the writer saw it."""

    acknowledged: int
    lost: int
    extra: int
    lost_ids: list[int]
    longest_gap: float

    def text(self) -> str:
        """One line for people."""
        words = f"acknowledged {self.acknowledged}, lost {self.lost}, extra {self.extra}"
        named = f" (lost: {', '.join(map(str, self.lost_ids))})" if self.lost_ids else ""
        return f"{words}, longest gap {self.longest_gap:.2f} s{named}"


def read_log(path: Path) -> list[tuple[int, float]]:
    """Acknowledged ids with their times; a last line that was cut off by a kill is left out."""
    text = path.read_text(encoding="utf-8")
    return [(int(i), float(at)) for i, at in re.findall(r"^(\d+) (\d+\.\d{3})\n", text, re.MULTILINE)]


def judge(target: psql.Target, table: str, log: list[tuple[int, float]]) -> Verdict:
    """Asks the database in one transaction, so that it works through a pooler that shares its sessions."""
    ids = "\n".join(str(i) for i, _ in log)
    answer = target.run(
        "begin;\n"
        "create temporary table acknowledged (id bigint primary key) on commit drop;\n"
        f"\\copy acknowledged from stdin\n{ids}\n\\.\n"
        f"select count(*) from {table} t where t.id >= (select min(id) from acknowledged)"
        " and not exists (select from acknowledged a where a.id = t.id);\n"
        f"select id from acknowledged a where not exists (select from {table} t where t.id = a.id) order by id;\n"
        "commit;\n"
    )
    extra, *lost = (int(line) for line in answer.splitlines())
    times = [at for _, at in log]
    gap = max((b - a for a, b in itertools.pairwise(times)), default=0.0)
    return Verdict(len(log), len(lost), extra, lost[:SHOWN], round(gap, 3))


def main() -> int:
    """Parses the command line; exit status 1: a row is lost; 2: nothing was acknowledged; 3: no answer."""
    parser = argparse.ArgumentParser(description="compares the writer's log with the table; password in PGPASSWORD")
    psql.add_arguments(parser)
    parser.add_argument("--table", default="ledger")
    parser.add_argument("--log", required=True)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    log = read_log(Path(args.log))
    if not log:
        print("judge: nothing was acknowledged, so nothing can be judged", file=sys.stderr)
        return 2
    try:
        verdict = judge(psql.target(args), args.table, log)
    except psql.PsqlError as error:
        print(f"judge: the database could not be asked: {error}", file=sys.stderr)
        return 3
    print(json.dumps(asdict(verdict)) if args.json else f"judge: {verdict.text()}")
    return 1 if verdict.lost else 0


if __name__ == "__main__":
    sys.exit(main())
