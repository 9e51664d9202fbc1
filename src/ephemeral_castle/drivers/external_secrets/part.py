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

    async def cipher(self, cluster: Cluster, options: CipherOptions) -> str:
        """What is wrong with the pass in the cluster, in words; "" when it is the one of the proof.

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
        if values.same(found, await self.own_pass(options)):
            return ""
        return f"the pass in key `{options.key}` of Secret {options.secret} is another one than `{options.equals}`"

    async def own_pass(self, options: CipherOptions) -> Secret:
        """The pass with which castle proved the backup. Raises Permanent: there is none."""
        found = await self.ctx.secrets.get(options.equals)
        if found is None:
            raise Permanent(
                f"castle has no secret `{options.equals}`",
                where=f"layer `{self.layer}`, `cipher`",
                why="the pass in the cluster is compared with the one that opened the backup",
                state="nothing was changed by this step",
                hints=[f"castle secret put {options.equals}", "or mend `cipher.equals`", onward(self.ctx)],
            )
        return found


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
