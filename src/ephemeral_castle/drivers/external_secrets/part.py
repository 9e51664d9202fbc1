"""What all parts of the driver share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

from ephemeral_castle.drivers.external_secrets import objects, values
from ephemeral_castle.drivers.external_secrets.objects import External
from ephemeral_castle.drivers.external_secrets.options import CipherOptions, ExternalSecretsOptions
from ephemeral_castle.drivers.external_secrets.vocabulary import API, EXTERNAL
from ephemeral_castle.errors import NotFound, Permanent
from ephemeral_castle.spi import part
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.kubernetes import Cluster, Manifest, Ref
from ephemeral_castle.spi.onward import onward
from ephemeral_castle.spi.secret import Secret

LOOKS = 1.0  # seconds between two looks for a secret that another layer makes
T = TypeVar("T")


class Part(part.Part[ExternalSecretsOptions]):
    """One action of the driver on one step."""

    def __init__(self, ctx: Context) -> None:
        super().__init__(ctx)
        self.store: Ref = objects.store_of(self.options.store)

    async def listed(self, cluster: Cluster) -> list[Manifest]:
        """Every ExternalSecret that reads from the store; none while the cluster does not know the kind."""
        try:
            found = await cluster.list(API, EXTERNAL, self.store.namespace)
        except NotFound:
            return []
        return [each for each in found if objects.uses(each, self.store)]

    def wanted_keys(self, external: External) -> tuple[str, ...]:
        """Keys that its Secret must have: the option's, or those that it names itself."""
        for each in self.options.secrets:
            if (each.namespace, each.name) == (external.ref.namespace, external.ref.name) and each.keys:
                return tuple(each.keys)
        return external.keys

    def judged(self, external: External, secret: Manifest | None) -> str:
        """What is wrong with the Secret of an ExternalSecret, in words; "" when it is whole."""
        if secret is None:
            return f"Secret {external} is not there"
        try:
            wrong = values.wanting(values.contents(secret), self.wanted_keys(external))
        except ValueError:
            wrong = "a value cannot be read"
        return f"Secret {external.ref.namespace}/{secret['metadata']['name']}: {wrong}" if wrong else ""

    async def unequal(self, external: External, secret: Manifest | None, until: float = 0.0) -> str:
        """Which key of a Secret is not castle's own, in words; "" when all are that must be.

        Args:
            external: that makes it.
            secret: as it is.
            until: monotonic seconds up to which a secret that another layer makes in this run is waited for.

        Raises:
            Permanent: castle has no such secret to compare with.
        """
        for key, name in self._equals(external).items():
            own = await self.own(name, until)
            found = values.whole(values.contents(secret or {}), key)
            if found is None or not values.same(found, own):
                return f"key `{key}` of Secret {external} is another one than castle's own `{name}`"
        return ""

    def _equals(self, external: External) -> dict[str, str]:
        place = (external.ref.namespace, external.ref.name)
        return next((each.equals for each in self.options.secrets if (each.namespace, each.name) == place), {})

    async def cipher(self, cluster: Cluster, options: CipherOptions, until: float = 0.0) -> str:
        """What is wrong with the pass in the cluster, in words; "" when it is the one of the proof.

        Args:
            cluster: the API server.
            options: which pass.
            until: as in `own`.

        Raises:
            Permanent: castle has no such secret to compare with.
        """
        space, name = options.secret.split("/")
        secret = await cluster.get(Ref("v1", "Secret", name, space))
        if secret is None:
            return f"Secret {options.secret} is not there"
        found = values.cipher_of(values.contents(secret), options.key, options.repository)
        if found is None:
            what = f"has no `repo{options.repository}-cipher-pass`" if _is_file(options) else "is empty"
            return f"key `{options.key}` of Secret {options.secret} {what}"
        if values.same(found, await self.own(options.equals, until)):
            return ""
        return f"the pass in key `{options.key}` of Secret {options.secret} is another one than `{options.equals}`"

    async def own(self, name: str, until: float = 0.0) -> Secret:
        """One of castle's own, that what comes from the store is compared with.

        Args:
            name: of the secret.
            until: monotonic seconds up to which one of another layer is waited for: at a first birth that layer makes
                it beside this one.

        Raises:
            Permanent: there is none.
        """
        clock = self.ctx.world.clock
        made_here = name.partition("/")[0] in {each.id for each in self.ctx.request.site.layers}
        while True:
            found = await self.ctx.secrets.get(name)
            if found is not None:
                return found
            if not made_here or clock.monotonic() >= until:
                break
            self.ctx.progress(f"layer `{name.partition('/')[0]}` is still to make the secret `{name}`")
            await clock.sleep(LOOKS)
        raise Permanent(
            f"castle has no secret `{name}`",
            where=f"layer `{self.layer}`",
            why="what the store holds is compared with castle's own, and there is none",
            state="nothing was changed by this step",
            hints=[f"castle secret put {name}", "or mend `equals`", onward(self.ctx)],
        )


def _is_file(options: CipherOptions) -> bool:
    return options.key.endswith(values.CONF)


async def together(works: Iterable[Awaitable[T]]) -> list[T]:
    """All of them at once; the first that fails ends the others."""

    async def one(work: Awaitable[T]) -> T:
        return await work

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(work)) for work in works]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
