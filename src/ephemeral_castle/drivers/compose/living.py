"""A project with the values of this life: addresses, where other layers answer, secrets."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from ephemeral_castle.drivers.compose.machines import machines_of
from ephemeral_castle.drivers.compose.part import Part, variable
from ephemeral_castle.drivers.compose.reading import Reading
from ephemeral_castle.errors import Permanent
from ephemeral_castle.spi import marks
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.spi.world import Machine


class Unmade(Exception):
    """A secret of the layer's own that nobody has made yet: a look changes nothing, so it does not make it."""


class Living(Part):
    """Reads projects as a machine of this life is to have them."""

    async def reading(self, machine: Machine, sha: str, *, make: bool) -> tuple[dict[str, str], Reading]:
        """The values that the project asks for, and the project with them.

        Args:
            machine: whose project it is.
            sha: commit.
            make: a secret of the layer's own that is missing is made, and stored.

        Raises:
            Permanent: a value is missing. Unmade: a secret is, and is not to be made now.
        """
        values = await self._values(machine, (await self.read(self.name, sha)).names, make=make)
        return values, await self.read(self.name, sha, values)

    async def _values(self, machine: Machine, names: frozenset[str], *, make: bool) -> dict[str, str]:
        """What castle gives for interpolation, as far as the file asks for it."""
        found = {
            "CASTLE_NAME": marks.name(self.ctx),
            "CASTLE_LIFE": str(self.ctx.life),
            "CASTLE_MACHINE": self.name,
        }
        for other in machines_of(self.ctx.request):
            name = variable("ADDRESS_", other)
            if name in names:
                found[name] = machine.address if other == self.name else (await self.ctx.machine(other)).address
        for need in self.ctx.layer.needs:
            found |= self._endpoint(need, names)
        accepted = {file for file in self.options.secrets if file in names and self.options.accept_environment}
        for file in accepted:
            found[file] = (await self.secret(self.options.secrets[file], make=make)).reveal()
        return {name: value for name, value in found.items() if name in names}

    def _endpoint(self, need: str, names: frozenset[str]) -> Mapping[str, str]:
        host, port = variable("", need, "_HOST"), variable("", need, "_PORT")
        if not {host, port} & names:
            return {}
        where = self.ctx.published(need, "endpoint")
        if not where:
            raise Permanent(
                f"layer `{need}` does not say where it answers",
                why=f"the project of machine `{self.name}` asks for {host}, and only a layer with one address gives it",
                state="its services were not touched",
                hints=["write the address into the Compose file, or name another layer", "castle resume"],
            )
        return {host: str(where["address"]), port: str(where["port"])}

    async def secret(self, name: str, *, make: bool) -> Secret:
        """A secret by name. One of the layer's own is made up when it is missing, and stored before it is used.

        Raises:
            Permanent: it is missing and belongs to somebody else. Unmade: it is not to be made up now.
        """
        known = await self.ctx.secrets.get(name)
        if known is not None:
            return known
        if not name.startswith(f"{self.layer}/"):
            raise Permanent(
                f"the secret `{name}` is missing",
                why=f"layer `{self.layer}` gives it to its projects; only secrets named `{self.layer}/...` are made up",
                state="the services were not touched",
                hints=[f"put it into the key file under [secrets]: '{name}' = '...'", "castle resume"],
            )
        if not make:
            raise Unmade(name)
        made = Secret(secrets.token_urlsafe(30))
        await self.ctx.secrets.put(name, made)
        return made
