"""The last line of the demo, for people and scripts: the castle's own report beside the outside judge's verdict.

    castle report --json >report.json; python testbed/judge.py ... --json >verdict.json
    python testbed/reader.py check ... >reader.json
    python testbed/summary.py report.json verdict.json reader.json

Exit status 1 when a row or a file is lost, or when castle did not compare the data or found a difference.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def seconds(report: dict[str, Any], name: str) -> str:
    """One of the three figures with two decimals, or "unknown"."""
    value = report["figures"][name]["seconds"]
    return "unknown" if value is None else f"{value:.2f}s"


def summary(report: dict[str, Any], verdict: dict[str, Any], reader: dict[str, Any]) -> tuple[bool, str]:
    """Whether nothing is missing, and the line."""
    well = report["status"] == "done" and report["verified"] is True and verdict["lost"] == 0 and reader["well"]
    figures = " ".join(f"{name}={seconds(report, name)}" for name in ("outage", "rto", "whole"))
    rows = f"acknowledged={verdict['acknowledged']} lost={verdict['lost']} extra={verdict['extra']}"
    rows += f" files={reader['files_back']}/{reader['files']}"
    return well, f"{'ok' if well else 'FAILED'} life={report['life']} {rows} {figures}"


def main() -> int:
    """Parses the command line and prints the line."""
    parser = argparse.ArgumentParser(description="one line from a report and two verdicts")
    parser.add_argument("report", type=Path)
    parser.add_argument("verdict", type=Path)
    parser.add_argument("reader", type=Path)
    args = parser.parse_args()
    report, verdict, reader = (json.loads(path.read_text("utf-8")) for path in (args.report, args.verdict, args.reader))
    well, line = summary(report, verdict, reader)
    print(line)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
