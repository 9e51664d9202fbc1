"""Issuing by ACME: one order from its beginning to the certificate, gone on with wherever a runner was killed."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ephemeral_castle.drivers.certificates import carried as vault
from ephemeral_castle.drivers.certificates import papers
from ephemeral_castle.drivers.certificates.carried import Coming
from ephemeral_castle.drivers.certificates.challenge import Challenge
from ephemeral_castle.drivers.certificates.papers import Fault, Wanted
from ephemeral_castle.drivers.certificates.part import read_file
from ephemeral_castle.errors import Denied, NotFound, Permanent, Transient
from ephemeral_castle.spi.acme import AcmeAccount, AcmeOrder, AcmeProof, RateLimited
from ephemeral_castle.spi.driver import Context
from ephemeral_castle.spi.secret import Secret

T = TypeVar("T")
PATIENCE = 20.0  # seconds for which silence is waited out; what was reached until then is gone on with
_PAUSE, _LONGEST = 0.2, 3.0


async def issue(ctx: Context) -> Coming:
    """A new certificate, complete in the vault; services are not given it yet.

    Raises:
        RateLimited, Denied, Unreachable, Permanent: what CA or name server say.
    """
    try:
        return await _patiently(ctx, lambda: Issuing(ctx).run())
    except RateLimited as error:
        if error.until:
            error.hints = (*error.hints, f"it issues again from {papers.when(error.until)} on")
        raise


async def _patiently(ctx: Context, work: Callable[[], Awaitable[T]]) -> T:
    clock, pause = ctx.world.clock, _PAUSE
    until = clock.monotonic() + PATIENCE
    while True:
        try:
            return await work()
        except Transient as error:
            wait = max(pause, error.retry_after or 0.0)
            if clock.monotonic() + wait >= until:
                raise
            ctx.progress(f"{error.message} ({error.why}); asked again")
            await clock.sleep(wait)
            pause = min(_LONGEST, pause * 2)


class Issuing:
    """One try. Everything that a later try needs is in the vault before it has an effect elsewhere."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.acme = ctx.world.acme
        self.options = ctx.options.acme
        self.names = tuple(ctx.options.names)
        self.until = ctx.world.clock.monotonic() + self.options.timeout

    async def run(self) -> Coming:
        """From account to chain."""
        account = await self._account()
        coming, order = await self._ordered(account)
        if order.status == "pending":
            order = await self._prove(account, order)
        if order.status == "ready":
            self.ctx.progress("the CA issues the certificate")
            order = await self.acme.finalize(account, order, papers.request_for(self.names, coming.key))
        while order.status == "processing":
            order = await self._again(account, order)
        if order.status != "valid":
            raise self._failed(order)
        return await self._fetched(account, coming, order)

    async def _account(self) -> AcmeAccount:
        """The castle's account at this CA. Its key is kept before its first use: it is the account."""
        key = await vault.text(self.ctx, "account-key")
        if not key:
            key = papers.new_key()
            await vault.keep(self.ctx, "account-key", key)
        ca = read_file(self.ctx, self.options.ca) if self.options.ca else ""
        return await self.acme.enter(AcmeAccount(self.options.directory, ca, Secret(key)), self.options.contact)

    async def _ordered(self, account: AcmeAccount) -> tuple[Coming, AcmeOrder]:
        """The order that was begun, as long as the CA has it; else a new one."""
        coming = vault.begun(await vault.read(self.ctx), self.options.directory, self.names)
        if coming is None:
            made = Coming(papers.new_key(), self.options.directory, self.names, self.ctx.run)
            coming = await vault.keep_coming(self.ctx, made)
        elif coming.order:
            order = await self._known(account, coming.order)
            if order is not None:
                self.ctx.decided("continue", f"order {coming.order} was begun and is {order.status}")
                return coming, order
        await self.ctx.intent("order a certificate", names=list(self.names), directory=self.options.directory)
        order = await self.acme.order(account, self.names)
        coming = dataclasses.replace(coming, order=order.url, run=self.ctx.run)
        return await vault.keep_coming(self.ctx, coming), order

    async def _known(self, account: AcmeAccount, url: str) -> AcmeOrder | None:
        """An order that was begun; None when nothing comes of it any more."""
        try:
            order = await self.acme.read(account, url)
        except (NotFound, Denied):
            return None
        return None if order.status == "invalid" else order

    async def _prove(self, account: AcmeAccount, order: AcmeOrder) -> AcmeOrder:
        """Shows by the DNS that the names are ours."""
        proofs = [await self.acme.proof(account, url) for url in order.authorizations]
        asked = [each for each in proofs if each.status == "pending"]
        for each in asked:
            if not each.challenge:
                raise Permanent(
                    "the CA offers no proof by the DNS", where=each.name, why="there is no dns-01 challenge"
                )
        async with Challenge(self.ctx, [(each.name, each.text) for each in asked]):
            for each in asked:
                await self.acme.answer(account, each.challenge)
            for each in asked:
                await self._proven(account, each)
            while (order := await self.acme.read(account, order.url)).status == "pending":
                await self._pause(order.wait)
        return order

    async def _proven(self, account: AcmeAccount, asked: AcmeProof) -> None:
        while (seen := await self.acme.proof(account, asked.url)).status == "pending":
            self.ctx.progress(f"the CA looks for the answer at _acme-challenge.{asked.name}")
            await self._pause(seen.wait)
        if seen.status != "valid":
            raise Denied(
                f"the CA did not find the answer for {asked.name} in the DNS",
                where=f"_acme-challenge.{asked.name}",
                why=seen.error or f"the authorization is {seen.status}",
                hints=["see that the world asks the name server that `dns` names, and all others of the zone have it"],
            )

    async def _again(self, account: AcmeAccount, order: AcmeOrder) -> AcmeOrder:
        await self._pause(order.wait)
        return await self.acme.read(account, order.url)

    async def _pause(self, wait: float) -> None:
        clock = self.ctx.world.clock
        pause = min(max(_PAUSE, wait), 10.0)
        if clock.monotonic() + pause > self.until:
            raise Permanent(
                f"the CA was not done within {self.options.timeout:g} s", where=self.options.directory,
                why="the order is kept, and the next run goes on with it",
            )  # fmt: skip
        await clock.sleep(pause)

    def _failed(self, order: AcmeOrder) -> Permanent:
        why = order.error or f"the order is {order.status}"
        return Permanent("the CA did not issue the certificate", where=order.url, why=why)

    async def _fetched(self, account: AcmeAccount, coming: Coming, order: AcmeOrder) -> Coming:
        chain = await self.acme.certificate(account, order.certificate)
        wanted = Wanted(self.names, self.ctx.world.clock.now(), 0.0)
        seen = papers.judge(chain, coming.key, wanted)
        if any(seen.has(fault) for fault in (Fault.UNREADABLE, Fault.KEY, Fault.NAMES)):
            raise Permanent("the CA issued another certificate than was asked for", where=order.url, why=seen.why)
        return await vault.keep_coming(self.ctx, dataclasses.replace(coming, chain=chain))
