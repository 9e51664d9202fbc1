"""The keys of castle.yaml. Options of drivers are not known here: each driver brings its own model."""

import ipaddress
import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ephemeral_castle.definition.names import Label, split_bucket_url, split_reach
from ephemeral_castle.model.castle import Role
from ephemeral_castle.model.excerpt import shown
from ephemeral_castle.model.giturl import BadAddress, address_of, check_ref
from ephemeral_castle.spi.options import LayerName, Options, SecretName, refusal
from ephemeral_castle.spi.units import Duration

_HOST_KEY = re.compile(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp\d+|sk-[a-z0-9@.-]+) [A-Za-z0-9+/]+=*( .*)?")
_SMALLEST_SUBNET = 29  # gateway, treasury side and a few machines


def _positive(seconds: float) -> float:
    if seconds <= 0:
        raise refusal("must be longer than nothing", "write a duration like `30s`")
    return seconds


def _bucket_url(url: str) -> str:
    split_bucket_url(url)
    return url


def _https_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port  # raises ValueError outside 0..65535
    except ValueError:
        raise refusal(f"`{shown(url)}` is not a URL", "write `https://HOST` or `https://HOST:PORT`") from None
    if parts.username is not None or parts.password is not None:
        raise refusal("a URL must not carry credentials", "keys belong into the key file (`treasury.keys`)")
    if parts.scheme == "http":
        raise refusal("plain HTTP would show every secret to the network", "write `https://...`; `ca` names its CA")
    if parts.scheme != "https" or not parts.hostname or port == 0:
        raise refusal(f"`{shown(url)}` is not an HTTPS URL", "write `https://HOST` or `https://HOST:PORT`")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise refusal("an endpoint is scheme, host and port only", f"write `https://{shown(parts.netloc)}`")
    return url.rstrip("/")


def _subnet(text: str) -> str:
    try:
        network = ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        raise refusal(f"`{shown(text)}` is not an IPv4 subnet", "write it like `10.89.77.0/24`") from None
    if "/" not in text or str(network) != text:
        raise refusal(f"`{shown(text)}` is an address, not a subnet", f"did you mean `{_usual(network)}`?")
    if network.prefixlen > _SMALLEST_SUBNET:
        raise refusal(f"`{text}` has no room for machines", f"use /{_SMALLEST_SUBNET} or larger, like `10.89.77.0/24`")
    if not network.is_private:
        raise refusal(f"`{text}` is a public network", "use one of RFC 1918, like `10.89.77.0/24`")
    return text


def _usual(network: ipaddress.IPv4Network) -> str:
    return str(network.supernet(new_prefix=24) if network.prefixlen == 32 else network)


def _driver(name: str) -> str:
    if not name:
        raise refusal("a driver has a name")
    return name


def _git_address(text: str) -> str:
    try:
        address_of(text)
    except BadAddress as error:
        raise refusal(error.message, error.hint) from None
    return text


def _git_ref(text: str) -> str:
    try:
        check_ref(text)
    except BadAddress as error:
        raise refusal(error.message, error.hint) from None
    return text


def _reach(text: str) -> str:
    split_reach(text)
    return text


def _host_keys(text: str) -> str:
    for line in text.strip().splitlines() or [""]:
        if not _HOST_KEY.fullmatch(line.strip()):
            raise refusal(
                "is not a public host key",
                "write `TYPE BASE64`, one key a line, as `ssh-keyscan HOST` prints after HOST",
            )
    return text


class BudgetModel(Options):
    """How long a rebirth may take and how much it may lose."""

    rto: Annotated[Duration, AfterValidator(_positive)] | None = Field(
        default=None, description="from the command that destroys to the last service probe", examples=["30s"]
    )
    rpo: Duration | None = Field(
        default=None, description="age of data that may be lost in a disaster", examples=["60s"]
    )


class ProofModel(Options):
    """How fresh the proof must be that the backup can be restored."""

    max_age: Annotated[Duration, AfterValidator(_positive)] = Field(
        default=86400.0, description="age up to which a restore into a scratch place counts as proof", examples=["24h"]
    )


class TreasuryModel(Options):
    """The S3 bucket outside the castle that everything comes back from."""

    url: Annotated[str, AfterValidator(_bucket_url)] = Field(
        description="bucket and, optionally, key prefix (default: the castle's name)", examples=["s3://castle-here"]
    )
    server: Literal["here"] | None = Field(
        default=None, description="castle runs an S3 server beside the machines", examples=["here"]
    )
    endpoint: Annotated[str, AfterValidator(_https_url)] | None = Field(
        default=None, description="any other S3 server", examples=["https://s3.eu-central-1.amazonaws.com"]
    )
    region: str = Field(default="us-east-1", min_length=1, description="region for signatures")
    path_style: bool = Field(default=True, description="bucket in the path (private servers) or in the host name")
    ca: str | None = Field(
        default=None, min_length=1, description="CA certificate of a private endpoint, PEM file", examples=["ca.pem"]
    )
    keys: str | None = Field(
        default=None,
        min_length=1,
        description="key file; relative to the definition, `~` is expanded (default: `CONFIG/NAME.key`, where CONFIG "
        "is `/etc/castle` for root and `$XDG_CONFIG_HOME/castle` for others)",
        examples=["~/.config/castle/here.key"],
    )
    port: int = Field(default=0, ge=0, le=65535, description="loopback port of `server: here`; 0: any free one")

    @model_validator(mode="after")
    def _one_server(self) -> Self:
        if self.server and self.endpoint:
            raise refusal("`server` and `endpoint` exclude each other", "keep the one that holds the bucket")
        if not self.server and not self.endpoint:
            raise refusal(
                "the treasury needs a server",
                "add `server: here` (castle runs one) or `endpoint: https://...` (any other S3 server)",
            )
        if self.port and not self.server:
            raise refusal("`port` belongs to `server: here`", "write the port into `endpoint`")
        if self.ca and self.server:
            raise refusal("`ca` belongs to `endpoint`", "`server: here` makes its own CA: remove `ca`")
        return self


class RepositoryModel(Options):
    """The Git repository that holds what the castle's walls are made from. A copy of it is kept in the treasury."""

    url: Annotated[str, AfterValidator(_git_address)] = Field(
        description="`https://HOST/PATH`, `ssh://USER@HOST/PATH`, `USER@HOST:PATH`, or a path on this computer",
        examples=["git@git.example.org:home/castle.git"],
    )
    ref: Annotated[str, AfterValidator(_git_ref)] = Field(
        default="main", description="branch, tag or whole commit id", examples=["main"]
    )
    key: SecretName | None = Field(
        default=None, description="private SSH key that may read it", examples=["secret:git/key"]
    )
    host_key: Annotated[str, AfterValidator(_host_keys)] | None = Field(
        default=None,
        description="public keys of the SSH host, one a line; nobody else is believed",
        examples=["ssh-ed25519 AAAA..."],
    )
    token: SecretName | None = Field(
        default=None,
        description="access token or password for https; an account, where the host wants one, stands in the URL "
        "(`https://USER@HOST/PATH`)",
        examples=["secret:git/token"],
    )
    ca: str | None = Field(
        default=None, min_length=1, description="CA certificate of a private https host, PEM file", examples=["ca.pem"]
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        kind = address_of(self.url).kind
        for name, belongs in (("key", "ssh"), ("host_key", "ssh"), ("token", "https"), ("ca", "https")):
            if getattr(self, name) and kind != belongs:
                raise refusal(f"`{name}` belongs to an {belongs} address", f"remove `{name}`, or change `url`")
        if kind == "ssh" and not self.key:
            raise refusal("an SSH address needs a private key", "add `key: secret:NAME`")
        if kind == "ssh" and not self.host_key:
            raise refusal(
                "an SSH address needs the host's public key: nobody else must be believed",
                "add `host_key: ...`; `ssh-keyscan HOST` prints it, compare it with what the host's owner publishes",
            )
        return self


class LayerModel(Options):
    """What a layer is, on every site."""

    role: Role = Field(description="what it is for", examples=["treasures"])
    needs: tuple[LayerName, ...] = Field(
        default=(), description="layers that must stand first", examples=[["machines"]]
    )


class EntryModel(BaseModel):
    """How a layer is made on one site; every further key is an option of the driver."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, hide_input_in_errors=True)

    driver: Annotated[str, AfterValidator(_driver)] = Field(
        description="name of the driver that knows the system", examples=["podman"]
    )


class SiteModel(Options):
    """A place where the castle can land."""

    subnet: Annotated[str, AfterValidator(_subnet)] = Field(
        default="10.89.77.0/24", description="IPv4 network of the machines; another one for a second castle"
    )
    reach: dict[Label, Annotated[str, AfterValidator(_reach)]] = Field(
        default={},
        description="services of this computer, or that it reaches, which machines find at their network's gateway: "
        "`HOST:PORT`, or `PORT:HOST:PORT` for another port there",
        examples=[{"registry": "127.0.0.1:5000"}],
    )
    layers: dict[Label, EntryModel] = Field(
        min_length=1,
        description="one entry for every layer; `ground` may be left out where a cluster is there already",
    )

    @model_validator(mode="after")
    def _one_each(self) -> Self:
        ports = [split_reach(text)[0] for text in self.reach.values()]
        twice = next((port for port in ports if ports.count(port) > 1), 0)
        if twice:
            raise refusal(f"two of `reach` want port {twice} at the gateway", "write one as `PORT:HOST:PORT`")
        return self


class Definition(Options):
    """One castle: what it is, and how it is made on each site."""

    castle: Label = Field(description="name of the castle", examples=["here"])
    budget: BudgetModel = Field(default=BudgetModel(), description="limits that reports compare with")
    proof: ProofModel = Field(default=ProofModel(), description="when a proof restore is repeated")
    treasury: TreasuryModel = Field(description="where everything comes back from")
    repository: RepositoryModel | None = Field(default=None, description="Git repository that the walls are made from")
    layers: dict[Label, LayerModel] = Field(min_length=1, description="what: role and order")
    sites: dict[Label, SiteModel] = Field(min_length=1, description="how, for each place; the first is the default")
