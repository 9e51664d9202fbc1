"""Measures what is promised, prints each figure beside its goal and writes JSON.

    scripts/bench                  all parts
    scripts/bench startup rebirth  some

`rebirth`, `restore`, `whole` and both `kubernetes` parts need root; what did not stand is raised for them and removed.
`watch`, `flux` and half of `check` need the programs of `scripts/kubernetes programs`. The `kubernetes` parts need all
that `scripts/kubernetes prefetch` builds, and run only when they are named. Ratios are taken within one run on one
computer; seconds of two computers do not compare.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from importlib import import_module
from pathlib import Path

PARTS = ("startup", "check", "verdicts", "rebirth", "restore", "whole", "watch", "flux")
NAMED = ("kubernetes", "kubernetes-data")  # parts that run only when they are named


def main() -> int:
    """Parses the command line and measures; exit status 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description="measures what is promised")
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="PART",
        help=f"of {', '.join((*PARTS, *NAMED))}; without one all but {' and '.join(NAMED)}",
    )
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), help="where the figures are written")
    args = parser.parse_args()
    parts = args.parts or list(PARTS)
    if unknown := set(parts) - {*PARTS, *NAMED}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    computer = {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    results: dict[str, object] = {"v": 1, "computer": computer}
    missed = []
    for part in parts:
        print(f"{part}:", flush=True)
        figures = import_module(part.replace("-", "_")).measure()
        for figure in figures:
            print(figure.line(), flush=True)
        missed += [figure.name for figure in figures if figure.met is False]
        results[part] = [figure.to_json() for figure in figures]
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(f"bench: {'missed: ' + ', '.join(missed) if missed else 'ok: every goal is met'} (figures in {args.json})")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
