"""Reads `castle status --json` on standard input and prints one fact of it: the state, or where a service answers.

castle status --json | python testbed/standing.py state        # up, sealed, partly, down, unknown
castle status --json | python testbed/standing.py database     # 127.0.0.1:PORT
"""

from __future__ import annotations

import json
import sys


def main() -> int:
    """Prints the fact; exit status 1 when there is none."""
    wanted = sys.argv[1]
    try:
        survey = json.load(sys.stdin)
    except ValueError:
        survey = {}
    found = survey.get("state", "down") if wanted == "state" else survey.get("addresses", {}).get(wanted)
    if not found:
        print(f"standing: castle status names no address for {wanted}", file=sys.stderr)
        return 1
    print(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
