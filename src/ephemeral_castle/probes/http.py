"""Probe `http-probe`: pages by their name over HTTPS, through the answer of the zone's own server.

The request is made by curl inside the castle's network, to the address that the name server gives now: neither a cache
nor a hosts file can flatter it. Sources: curl(1), `--resolve`, `--write-out`, EXIT CODES.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urljoin, urlsplit

from pydantic import AfterValidator, Field, model_validator

from ephemeral_castle.errors import Permanent, Unreachable
from ephemeral_castle.model.castle import Layer, Verb
from ephemeral_castle.model.step import Effect, Observation, Phase, Retry, State, Step
from ephemeral_castle.spi.driver import Context, Request
from ephemeral_castle.spi.options import LayerName, MachineName, Options, refusal
from ephemeral_castle.spi.units import Duration

POLL = 0.05  # seconds between two looks
ONE = 5  # seconds for one request
CERTIFICATE, TIMES_OUT = 60, 28  # exit statuses of curl
SHOWN = 65536  # bytes of a page that are searched for a text

# Arguments: where a name leads (HOST:PORT:ADDRESS or ""), seconds, URLs. Standard input: the CA to trust, or nothing.
SCRIPT = """\
set -u
dir=$(mktemp -d -p /dev/shm castle-probe.XXXXXX) || exit 1
trap 'rm -rf "$dir"' EXIT
cat >"$dir/ca"
resolve=$1 limit=$2
shift 2
for url; do
  : >"$dir/body"
  said=$(curl -sS ${resolve:+--resolve "$resolve"} $([ -s "$dir/ca" ] && echo --cacert "$dir/ca") \\
    --max-time "$limit" -o "$dir/body" -w '%{http_code}|%{remote_ip}' -- "$url" 2>"$dir/error")
  code=$?
  printf '%s|%s|%s|%s|%s\\n' "$code" "${said:-000|}" "$(sha256sum <"$dir/body" | cut -c 1-64)" \\
    "$(head -c SHOWN "$dir/body" | base64 -w 0)" "$(tr '\\n|' '  ' <"$dir/error")"
done
""".replace("SHOWN", str(SHOWN))


def _https(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise refusal(f"`{url}` is no URL of a page", "write `https://blog.example.org/`")
    return url


class Page(Options):
    """One page and what must be seen on it."""

    path: str = Field(description="relative to `url`", examples=["/posts/1"])
    contains: str = Field(default="", description="text that the page must hold; one that comes from the database")
    status: int = Field(default=200, ge=100, le=599, description="HTTP status")


class Files(Options):
    """Files of a `restic` layer that must come back byte for byte through the web."""

    layer: LayerName = Field(description="the layer that keeps them")
    under: str = Field(description="where `url` shows them", examples=["/uploads/"])
    count: int = Field(default=5, ge=1, le=50, description="how many are fetched")


class HttpOptions(Options):
    """Pages by their name."""

    url: Annotated[str, AfterValidator(_https)] = Field(description="base URL", examples=["https://blog.example.org/"])
    name: LayerName | None = Field(default=None, description="layer whose name server is asked for the address")
    machine: MachineName | None = Field(
        default=None, description="machine that answers for the URL's host, where no name server has it"
    )
    certificate: LayerName | None = Field(
        default=None, description="layer whose CA is trusted; without it the computer's own CAs are"
    )
    pages: list[Page] = Field(default_factory=lambda: [Page(path="")], description="what is looked at")
    files: Files | None = Field(default=None, description="files that are compared with their digest in the backup")
    timeout: Duration = Field(default=60.0, description="longest wait for all pages")

    @model_validator(mode="after")
    def _one_way(self) -> HttpOptions:
        if self.name is not None and self.machine is not None:
            raise refusal("`name` and `machine` both say where the page is", "keep `name`: readers come that way")
        return self


@dataclass(frozen=True)
class Wanted:
    """One URL and what must come. `sha256`: of the whole body, or ""."""

    url: str
    status: int = 200
    contains: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Got:
    """What came. `code`: curl's exit status; `text`: the beginning of the body; `error`: curl's words."""

    code: int
    status: int
    address: str
    sha256: str
    text: str
    error: str


def parse(lines: Sequence[str]) -> list[Got]:
    """What the script printed, a line for each URL."""
    found = []
    for line in lines:
        code, status, address, digest, body, error = line.split("|", 5)
        text = base64.b64decode(body).decode(errors="replace")
        found.append(Got(int(code), int(status or 0), address, digest, text, error.strip()))
    return found


def fault(wanted: Wanted, got: Got) -> str:
    """Why an answer is not the wanted one, in plain words; "" when it is."""
    if got.code == CERTIFICATE:
        return f"{wanted.url}: the certificate is not accepted: {got.error}"
    if got.code:
        return f"{wanted.url}: {got.error or f'curl ended with {got.code}'}"
    if got.status != wanted.status:
        return f"{wanted.url}: status {got.status} instead of {wanted.status}: {got.text[:80].strip()}"
    if wanted.contains and wanted.contains not in got.text:
        return f"{wanted.url}: `{wanted.contains}` is not on the page"
    if wanted.sha256 and got.sha256 != wanted.sha256:
        return f"{wanted.url}: other bytes than in the backup"
    return ""


class HttpProbe:
    """A layer that proves: what a reader would see."""

    name = "http-probe"
    Options: Any = HttpOptions

    def plan(self, layer: Layer, options: HttpOptions, request: Request, /) -> Sequence[Step]:
        """One step at the very end; it ends the outage."""
        if request.verb not in (Verb.REBIRTH, Verb.RAISE, Verb.DRILL):
            return []
        asked = dict.fromkeys((*layer.needs, *filter(None, (options.name,))))
        needs = [f"{token}:{need}?" for need in asked for token in ("serving", "named", "open")]
        return [
            Step(
                f"{layer.id}.get",
                layer.id,
                self.name,
                "get",
                f"pages of {urlsplit(options.url).hostname}",
                Phase.VERIFY,
                Effect.READ,
                needs=tuple(needs),
                provides=("served", f"served:{layer.id}"),
                exact=True,
                deadline=options.timeout + 5,
                retry=Retry(attempts=1),
                clock="served",
                params={"v": 1},
            )
        ]

    async def observe(self, step: Step, ctx: Context, /) -> Observation:
        """Asks until every page is as it must be."""
        wanted = self._wanted(ctx)
        clock = ctx.world.clock
        end = clock.monotonic() + ctx.options.timeout
        while True:
            address = await self._address(ctx)
            faults, answers = await self._ask(ctx, wanted, address)
            if not faults:
                files = sum(bool(page.sha256) for page in wanted)
                text = f"{len(wanted) - files} pages, {files} files" + (f" at {address}" if address else "")
                return Observation(State.REACHED, text, {"pages": [got.status for got in answers], "address": address})
            if clock.monotonic() >= end or any(got.code == CERTIFICATE for got in answers):
                raise Permanent(
                    "the pages are not as they must be",
                    where=ctx.options.url,
                    why="; ".join(faults[:5]),
                    state="the services run and the data are home; readers do not see them yet",
                    hints=["castle logs", "castle resume, once the cause is mended"],
                )
            ctx.progress(faults[0])
            await clock.sleep(POLL)

    async def act(self, step: Step, ctx: Context, /) -> Observation | None:
        """A probe changes nothing."""
        return None

    async def settled(self, ctx: Context, /) -> str:
        """The pages, asked once. Files are compared in the life that they came home to, before anybody changes them."""
        pages = [page for page in self._wanted(ctx) if not page.sha256]
        faults, _ = await self._ask(ctx, pages, await self._address(ctx))
        return "; ".join(faults)

    @staticmethod
    def _wanted(ctx: Context) -> list[Wanted]:
        options: HttpOptions = ctx.options
        wanted = [Wanted(urljoin(options.url, page.path), page.status, page.contains) for page in options.pages]
        if options.files:
            base = urljoin(options.url, options.files.under)
            sample = ctx.facts(f"{options.files.layer}.home").get("sample", [])[: options.files.count]
            wanted += [Wanted(urljoin(base, file["path"]), sha256=file["sha256"]) for file in sample]
        return wanted

    async def _address(self, ctx: Context) -> str:
        """Where the page is: a machine, or what the zone's own server answers now; "" when curl is to find out.

        In a drill no name server is asked.
        """
        host = str(urlsplit(ctx.options.url).hostname)
        if ctx.options.machine is not None:
            return str((await ctx.machine(ctx.options.machine)).address)
        if ctx.request.verb is Verb.DRILL:
            return _drilled(ctx, host)
        if ctx.options.name is None:
            return ""
        server = ctx.facts(f"{ctx.options.name}.switch").get("resolver", "")
        found = (await ctx.world.names.query(str(server), host, "A")).get(host, "A").values
        if not found:
            raise Permanent(
                f"the name server has no address for {host}",
                where=str(server),
                state="the services run and the data are home",
                hints=["castle resume"],
            )
        return str(found[0])

    async def _ask(self, ctx: Context, wanted: Sequence[Wanted], address: str) -> tuple[list[str], list[Got]]:
        parts = urlsplit(ctx.options.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        resolve = f"{parts.hostname}:{port}:{address}" if address else ""
        argv = ["sh", "-c", SCRIPT, "sh", resolve, str(ONE), *(page.url for page in wanted)]
        limit = ONE * len(wanted) + 5
        result = await ctx.world.exec.run(ctx.world.enclosure.enter(argv), stdin=self._ca(ctx), timeout=limit)
        answers = parse(result.out.splitlines())
        if len(answers) != len(wanted):
            raise Unreachable("curl cannot be run in the castle's network", why=result.last_words())
        return [text for page, got in zip(wanted, answers, strict=True) if (text := fault(page, got))], answers

    @staticmethod
    def _ca(ctx: Context) -> bytes:
        if ctx.options.certificate is None:
            return b""
        facts: Mapping[str, Any] = ctx.facts(f"{ctx.options.certificate}.ready")
        return str(facts.get("ca", "")).encode()


def _drilled(ctx: Context, host: str) -> str:
    """Where a drill's own castle answers for a name: the name itself leads to the living one.

    Raises:
        Permanent: no layer says which machine it is.
    """
    if ctx.options.name is not None:
        names: Mapping[str, str] = ctx.published(ctx.options.name, "meant") or {}
        found = names.get(host, "")
    else:
        ends = [ctx.published(need, "endpoint") for need in ctx.layer.needs]
        found = next((str(end["address"]) for end in ends if end), "")
    if found:
        return found
    raise Permanent(
        f"which machine of the drill answers for {host} is not said",
        where=f"layer `{ctx.layer.id}`",
        why="the name leads to the living castle, and a drill must not ask that one",
        state="the living castle was not touched",
        hints=["give the probe `machine:`, or as `name:` a layer whose `records` name the machine", "castle drill"],
    )
