"""The process of a backup's pod for repositories on volumes: runs pgBackRest where the volume is.

What to run comes by the environment: COMMAND, COMMAND_OPTS (a line of words), NAMESPACE, SELECTOR, CONTAINER, and
CONFIG_HASH, which the configuration there must have reached.
"""

from __future__ import annotations

import os
import shlex
import sys

from .. import execs
from ..api import Api, Refused, Silent
from . import names

SCRIPT = """\
if [ "$(cat /etc/pgbackrest/conf.d/config-hash)" != "$1" ]; then echo "not the newest configuration" >&2; exit 1; fi
shift
exec pgbackrest "$@"
"""
LONGEST = 24 * 3600.0  # seconds of silence: a large backup says nothing until its end


def main() -> int:
    """Runs it and takes over its exit status; the Job tries again where the pod was not there."""
    said = os.environ
    api = Api.in_cluster(names.MANAGER)
    try:
        pods = api.objects("v1", "Pod", said["NAMESPACE"], said["SELECTOR"])
        running = [each for each in pods if each.get("status", {}).get("phase") == "Running"]
        if not running:
            print(f"no pod of {said['SELECTOR']} runs", file=sys.stderr)
            return 1
        place = (said["NAMESPACE"], running[0]["metadata"]["name"], said["CONTAINER"])
        words = [said["COMMAND"], *shlex.split(said["COMMAND_OPTS"])]
        done = execs.run(api, place, ["bash", "-ceu", "--", SCRIPT, "-", said["CONFIG_HASH"], *words], timeout=LONGEST)
    except (Refused, Silent) as error:
        print(error, file=sys.stderr)
        return 1
    sys.stdout.write(done.out)
    sys.stderr.write(done.errors)
    return done.code


if __name__ == "__main__":
    sys.exit(main())
