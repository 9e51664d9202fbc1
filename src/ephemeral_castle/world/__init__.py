"""The only home of side effects: processes, files, network, time."""

import sys

# httpx's own command line: httpx loads it, with rich and pygments, wherever those are installed, and goes on without
# it where they are not. It costs 30 ms at every start.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
