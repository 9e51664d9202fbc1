"""The probe against servers that do not keep what S3 promises."""

from collections.abc import Mapping
from email.utils import formatdate
from urllib.parse import parse_qs

import httpx
import pytest

from ephemeral_castle.spi.driver import Check
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.world.objects import S3Objects
from ephemeral_castle.world.s3 import Endpoint
from ephemeral_castle.world.sigv4 import Credentials
from ephemeral_castle.world.simulated import ManualClock
from ephemeral_castle.world.treasury_probe import probe


class FakeServer:
    """A bucket without versions. `faults`: "create", "swap": the condition is ignored; "stale": reads are old."""

    def __init__(self, *faults: str, skew: float = 0.0) -> None:
        self.faults = faults
        self.skew = skew
        self.stored: dict[str, bytes] = {}
        self.first: dict[str, bytes] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        answer = self.answer(request)
        answer.headers["date"] = formatdate(ManualClock().now() + self.skew, usegmt=True)
        return answer

    def answer(self, request: httpx.Request) -> httpx.Response:
        key = request.url.path.removeprefix("/bucket").removeprefix("/")
        query = parse_qs(request.url.query.decode(), keep_blank_values=True)
        if not key:
            return self.bucket(request, query)
        if request.method == "PUT":
            return self.put(request, key)
        if request.method == "DELETE":
            self.stored.pop(key, None)
            return httpx.Response(204)
        shown = self.first if "stale" in self.faults else self.stored
        if key not in shown:
            return httpx.Response(404, text="<Error><Code>NoSuchKey</Code></Error>")
        body = shown[key]
        return httpx.Response(200, content=body, headers={"etag": f'"{body.decode()}"'})

    def put(self, request: httpx.Request, key: str) -> httpx.Response:
        headers, here = request.headers, self.stored.get(key)
        exists = "if-none-match" in headers and here is not None and "create" not in self.faults
        expected = headers.get("if-match", "").strip('"')
        stale = expected and (here is None or here.decode() != expected) and "swap" not in self.faults
        if exists or stale:
            return httpx.Response(412, text="<Error><Code>PreconditionFailed</Code></Error>")
        self.stored[key] = request.content
        self.first.setdefault(key, request.content)
        return httpx.Response(200, headers={"etag": f'"{request.content.decode()}"'})

    def bucket(self, request: httpx.Request, query: Mapping[str, list[str]]) -> httpx.Response:
        if request.method == "HEAD":
            return httpx.Response(200)
        if "list-type" in query:
            keys = "".join(f"<Contents><Key>{key}</Key></Contents>" for key in self.stored)
            return httpx.Response(200, text=f"<ListBucketResult>{keys}</ListBucketResult>")
        if "versioning" in query:
            return httpx.Response(200, text="<VersioningConfiguration/>")
        return httpx.Response(501, text="<Error><Code>NotImplemented</Code></Error>")


async def look(server: FakeServer, here: str = "") -> dict[str, Check]:
    endpoint = Endpoint("https://s3.example", "bucket")
    transport = httpx.MockTransport(server)
    async with S3Objects(endpoint, Credentials("KEY", Secret("s")), ManualClock(), transport=transport) as objects:
        return {check.title: check for check in await probe(objects, here=here)}


async def test_a_good_server_without_versions_gets_warnings_only():
    server = FakeServer()
    checks = await look(server)
    assert [check.title for check in checks.values() if check.ok is False] == []
    assert [check.title for check in checks.values() if check.ok is None] == ["versions", "object lock"]
    assert all(check.section == "treasury" and check.fact for check in checks.values())
    assert server.stored == {}


async def test_a_treasury_on_this_computer_was_told_to_make_its_bucket_with_a_lock():
    """Nobody can: castle makes that bucket, and a lock in it would not bind the root of the same computer."""
    checks = await look(FakeServer(), "/var/lib/castle/here.treasury")
    assert "object lock" not in checks
    copies = checks["copies elsewhere"]
    assert copies.ok is None
    assert "copy /var/lib/castle/here.treasury to another computer" in copies.mend


@pytest.mark.parametrize(
    ("fault", "title"),
    [
        ("create", "a second create is refused (If-None-Match)"),
        ("create", "of 16 clients one wins"),
        ("swap", "a stale write is refused (If-Match)"),
        ("stale", "what was written is read back at once"),
    ],
)
async def test_a_server_that_ignores_a_condition_is_found(fault, title):
    server = FakeServer(fault)
    checks = await look(server)
    assert checks[title].ok is False
    assert checks[title].mend
    assert server.stored == {}


async def test_the_race_says_how_many_won():
    assert (await look(FakeServer("create")))["of 16 clients one wins"].data["winners"] == [16, 16]


@pytest.mark.parametrize(("skew", "ok", "word"), [(0, True, "yes"), (60, True, "ahead"), (-900, False, "behind")])
async def test_the_servers_clock(skew, ok, word):
    check = (await look(FakeServer(skew=skew)))["clocks agree"]
    assert check.ok is ok
    assert word in check.fact
