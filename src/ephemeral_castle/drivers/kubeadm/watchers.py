"""Whether this computer lets as many files be watched as the programs of a cluster watch.

Linux counts watchers (inotify instances) by user, over all containers of a computer: the kubelets and API servers of
all castles share 128 by default, and each stops or waits for ever without its own. Source: inotify(7), proc(5).
"""

from __future__ import annotations

from ephemeral_castle.errors import Refused
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.spi.driver import Context

CONTROL, WORKER, ROOM = 22, 8, 6  # as counted with Kubernetes 1.36; room for others of this user
LOOK = """\
cat /proc/sys/fs/inotify/max_user_instances
find /proc/[0-9]*/fd -lname anon_inode:inotify 2>/dev/null | wc -l
"""


async def check(ctx: Context) -> None:
    """Looks, where this run adds a cluster to what stands; a rebirth frees as many as it takes.

    Raises:
        Refused: there are too few.
    """
    adds = ctx.request.verb is Verb.DRILL or (ctx.request.verb is Verb.RAISE and ctx.life != ctx.old_life)
    if not adds:
        return
    result = await ctx.world.exec.run(["sh", "-c", LOOK], timeout=30)
    told = [int(word) for word in result.out.split() if word.isdigit()]
    if len(told) != 2:
        return  # a kernel without that limit
    limit, used = told
    needed = CONTROL * len(ctx.options.control) + WORKER * len(ctx.options.workers) + ROOM
    if used + needed > limit:
        raise Refused(
            "this computer lets too few files be watched for another cluster",
            where=f"layer {ctx.layer.id}",
            why=f"{used} of {limit} watchers of this user are taken, and the cluster's programs need about {needed}",
            state="nothing was changed; castle changes no setting of this computer by itself",
            hints=[
                "end another cluster on this computer",
                f"or allow more: sysctl fs.inotify.max_user_instances={max(512, 2 * (used + needed))}",
            ],
        )
