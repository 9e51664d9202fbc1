"""S3Objects against a scripted server: what is retried, what an uncertain write becomes, what errors say."""

import ssl
from email.utils import formatdate
from types import SimpleNamespace

import httpx
import pytest

from ephemeral_castle.errors import Conflict, DefinitionInvalid, Denied, NotFound, Permanent, Unreachable
from ephemeral_castle.spi.secret import Secret
from ephemeral_castle.world.objects import S3Objects
from ephemeral_castle.world.s3 import ATTEMPTS, Endpoint
from ephemeral_castle.world.s3_answers import certificate_failure, hidden_etag
from ephemeral_castle.world.sigv4 import Credentials
from ephemeral_castle.world.simulated import ManualClock

ENDPOINT = Endpoint("https://s3.example:9000", "bucket", "here")


def error(status: int, code: str, message: str = "", headers=None) -> httpx.Response:
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return httpx.Response(status, text=body, headers=headers)


class Server:
    """Answers from a script; an exception in it is raised instead. The last entry repeats."""

    def __init__(self, *script) -> None:
        self.script = list(script)
        self.seen: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        entry = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        answer = entry(request) if callable(entry) else entry
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, httpx.Response)
        return answer

    @property
    def lines(self) -> list[str]:
        return [f"{request.method} {request.url.raw_path.decode()}" for request in self.seen]


def connect(server: Server, endpoint: Endpoint = ENDPOINT) -> tuple[S3Objects, ManualClock]:
    clock = ManualClock()
    credentials = Credentials("KEY", Secret("secret"))
    return S3Objects(endpoint, credentials, clock, transport=httpx.MockTransport(server)), clock


OK = httpx.Response(200, headers={"etag": '"abc"'})
TIMEOUT = httpx.ReadTimeout("no answer")


async def test_path_style_and_host_style():
    server = Server(OK)
    objects, _ = connect(server)
    await objects.put("a/b c", b"x")
    assert str(server.seen[0].url) == "https://s3.example:9000/bucket/here/a/b%20c"
    assert server.seen[0].headers["host"] == "s3.example:9000"
    assert "SignedHeaders=host;x-amz-content-sha256;x-amz-date" in server.seen[0].headers["authorization"]

    objects, _ = connect(server, Endpoint("https://s3.eu.example.com", "bucket", path_style=False))
    await objects.put("a", b"x")
    assert str(server.seen[1].url) == "https://bucket.s3.eu.example.com/a"
    assert server.seen[1].headers["host"] == "bucket.s3.eu.example.com"


@pytest.mark.parametrize("url", ["http://s3.example", "s3.example", "https://", "https://s3.example/path"])
def test_an_endpoint_that_is_not_https_is_refused(url):
    with pytest.raises(DefinitionInvalid):
        Endpoint(url, "bucket")


async def test_a_key_that_a_server_would_resolve_is_refused():
    server = Server(OK)
    objects, _ = connect(server)
    for key in ("../other/castle.json", "a/./b", ".."):
        with pytest.raises(Permanent):
            await objects.put(key, b"")
    assert server.seen == []


@pytest.mark.parametrize(
    "failure",
    [
        error(503, "SlowDown"),
        error(500, "InternalError"),
        httpx.Response(502),
        httpx.Response(429),
        error(400, "RequestTimeout"),
        TIMEOUT,
        httpx.ConnectError("refused"),
        httpx.RemoteProtocolError("cut"),
    ],
    ids=str,
)
async def test_what_may_pass_is_tried_again(failure):
    server = Server(failure, failure, httpx.Response(200, content=b"body", headers={"etag": '"e"'}))
    objects, clock = connect(server)
    assert await objects.get("a") == (b"body", "e")
    assert len(clock.slept) == 2
    assert clock.slept[1] > clock.slept[0] / 2
    assert objects.client.retries == 2


async def test_after_the_last_try_nothing_answers():
    server = Server(httpx.ConnectError("connection refused"))
    objects, clock = connect(server)
    with pytest.raises(Unreachable) as caught:
        await objects.get("castle.json")
    assert len(server.seen) == ATTEMPTS
    assert len(clock.slept) == ATTEMPTS - 1
    assert "connection refused" in caught.value.why
    assert "castle.json" in caught.value.message


async def test_absent_object_and_absent_bucket_differ():
    objects, _ = connect(Server(error(404, "NoSuchKey")))
    assert await objects.get("a") is None
    objects, _ = connect(Server(error(404, "NoSuchBucket", "gone")))
    with pytest.raises(NotFound, match="reading a"):
        await objects.get("a")
    objects, _ = connect(Server(httpx.Response(404, text="<html>not found</html>")))
    with pytest.raises(NotFound):  # some proxy: never "the object does not exist"
        await objects.get("a")
    objects, _ = connect(Server(httpx.Response(404), httpx.Response(200)))
    assert await objects.head("a") is None
    objects, _ = connect(Server(httpx.Response(404)))
    with pytest.raises(NotFound, match="looking for a"):
        await objects.head("a")


async def test_a_lost_condition_is_a_conflict():
    server = Server(error(412, "PreconditionFailed"), httpx.Response(200, headers={"content-length": "3"}))
    objects, _ = connect(server)
    with pytest.raises(Conflict):
        await objects.create("a", b"x")
    assert server.seen[0].headers["if-none-match"] == "*"
    server = Server(error(412, "PreconditionFailed"))
    objects, _ = connect(server)
    with pytest.raises(Conflict):
        await objects.swap("a", b"x", "old")
    assert server.seen[0].headers["if-match"] == '"old"'
    assert len(server.seen) == 1
    objects, _ = connect(Server(error(404, "NoSuchKey")))
    with pytest.raises(Conflict) as caught:
        await objects.swap("a", b"x", "old")
    assert "deleted" in caught.value.why
    objects, _ = connect(Server(error(404, "NoSuchBucket")))
    with pytest.raises(NotFound):
        await objects.swap("a", b"x", "old")


async def test_a_conflict_that_decided_nothing_is_tried_again():
    server = Server(error(409, "ConditionalRequestConflict"), OK)
    objects, clock = connect(server)
    assert await objects.create("a", b"x") == "abc"
    assert len(clock.slept) == 1
    # It was refused outright, so a 412 after it is a plain loss: nothing has to be compared.
    server = Server(error(409, "ConditionalRequestConflict"), error(412, "PreconditionFailed"))
    objects, _ = connect(server)
    with pytest.raises(Conflict):
        await objects.swap("a", b"x", "old")
    assert server.lines == ["PUT /bucket/here/a"] * 2


@pytest.mark.parametrize("lost", [TIMEOUT, error(500, "InternalError"), httpx.RemoteProtocolError("cut")], ids=str)
async def test_a_write_whose_answer_was_lost_is_found_by_reading_back(lost):
    """First try carried out, answer lost; the second meets our own object."""
    ours = httpx.Response(200, content=b"mine", headers={"etag": '"mine"'})
    for write in ("create", "swap"):
        server = Server(lost, error(412, "PreconditionFailed"), ours)
        objects, _ = connect(server)
        arguments = ("a", b"mine") if write == "create" else ("a", b"mine", "old")
        assert await getattr(objects, write)(*arguments) == "mine"
        assert server.lines == ["PUT /bucket/here/a", "PUT /bucket/here/a", "GET /bucket/here/a"]


async def test_a_lost_answer_and_somebody_elses_object_is_a_conflict():
    theirs = httpx.Response(200, content=b"theirs", headers={"etag": '"theirs"'})
    objects, _ = connect(Server(TIMEOUT, error(412, "PreconditionFailed"), theirs))
    with pytest.raises(Conflict):
        await objects.swap("a", b"mine", "old")


async def test_a_server_that_stores_and_never_answers_writes_is_settled_too():
    ours = httpx.Response(200, content=b"mine", headers={"etag": '"mine"'})

    def by_method(request):
        return ours if request.method == "GET" else TIMEOUT

    objects, _ = connect(Server(by_method))
    assert await objects.create("a", b"mine") == "mine"
    server = Server(TIMEOUT)
    objects, _ = connect(server)
    with pytest.raises(Unreachable, match="writing a"):
        await objects.create("a", b"mine")
    assert server.lines.count("GET /bucket/here/a") == 2


async def test_no_connection_means_nothing_was_written():
    objects, _ = connect(Server(httpx.ConnectError("refused"), error(412, "PreconditionFailed")))
    with pytest.raises(Conflict):
        await objects.swap("a", b"mine", "old")


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"])
async def test_a_denial_carries_the_code_of_the_server(code):
    server = Server(error(403, code, "because"))
    objects, clock = connect(server)
    with pytest.raises(Denied) as caught:
        await objects.get("a")
    assert caught.value.why == f"{code}: because"
    assert len(server.seen) == 1
    assert clock.slept == []
    assert "secret" not in str(caught.value.as_dict()).replace("secret key", "")


async def test_an_unknown_key_is_never_taken_for_an_absent_object():
    objects, _ = connect(Server(error(404, "XAdminUserNotFound")))
    with pytest.raises(Denied):
        await objects.get("a")


async def test_clock_skew_is_named_with_both_times():
    clock = ManualClock()
    date = {"date": formatdate(clock.now() + 1200, usegmt=True)}
    objects, _ = connect(Server(error(403, "SignatureDoesNotMatch", headers=date)))
    with pytest.raises(Denied) as caught:
        await objects.get("a")
    assert "this computer says 2023-11-14 22:13:20 UTC" in caught.value.why
    assert "the server says 2023-11-14 22:33:20 UTC" in caught.value.why
    assert objects.client.skew == pytest.approx(1200, abs=1)
    near = {"date": formatdate(clock.now() + 60, usegmt=True)}
    objects, _ = connect(Server(error(403, "AccessDenied", headers=near)))
    with pytest.raises(Denied) as caught:
        await objects.get("a")
    assert "says" not in caught.value.why


def wrapped(code: int, message: str) -> httpx.ConnectError:
    cause = ssl.SSLCertVerificationError(1, message)
    cause.verify_code, cause.verify_message = code, message
    outer = httpx.ConnectError("handshake")
    outer.__cause__ = cause
    return outer


@pytest.mark.parametrize(
    ("code", "message", "hint"),
    [(10, "certificate has expired", "renew"), (19, "self-signed certificate in chain", "treasury.ca")],
)
async def test_a_bad_certificate_is_permanent_and_named(code, message, hint):
    server = Server(wrapped(code, message))
    objects, _ = connect(server)
    with pytest.raises(Permanent, match=r"certificate of s3\.example") as caught:
        await objects.get("a")
    assert message in caught.value.why
    assert hint in caught.value.hints[-1]
    assert len(server.seen) == 1
    assert certificate_failure(httpx.ConnectError("refused"), "host") is None


@pytest.mark.parametrize("kind", [ssl.SSLWantReadError, ssl.SSLEOFError, ssl.SSLZeroReturnError])
def test_a_server_that_falls_silent_in_the_handshake_is_no_bad_certificate(kind):
    """A server that was stopped passed for one that refuses TLS for good, and nobody tried again."""
    silence = httpx.ConnectTimeout("timed out")
    silence.__context__ = kind("the operation did not complete (read)")
    assert certificate_failure(silence, "host") is None


async def test_a_wrong_region_is_told():
    answer = error(400, "AuthorizationHeaderMalformed", headers={"x-amz-bucket-region": "eu-west-1"})
    objects, _ = connect(Server(answer))
    with pytest.raises(Permanent) as caught:
        await objects.get("a")
    assert "eu-west-1" in caught.value.hints[-1]


def page(keys: list[str], token: str = "") -> httpx.Response:
    items = "".join(
        f"<Contents><Key>here/{key}</Key><Size>3</Size><ETag>&quot;e-{key}&quot;</ETag>"
        "<LastModified>2023-11-14T22:13:20.000Z</LastModified></Contents>"
        for key in keys
    )
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    xmlns = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
    encoding = "<EncodingType>url</EncodingType>"
    return httpx.Response(200, text=f"<ListBucketResult {xmlns}>{encoding}{more}{items}</ListBucketResult>")


async def test_listing_follows_every_page_and_decodes_keys():
    server = Server(page(["a", "b"], "next/1"), page(["c+d%2Be"]))
    objects, _ = connect(server)
    listed = [stat async for stat in objects.list("")]
    assert [(s.key, s.size, s.etag, s.modified) for s in listed] == [
        ("a", 3, "e-a", 1_700_000_000.0),
        ("b", 3, "e-b", 1_700_000_000.0),
        ("c d+e", 3, "e-c+d%2Be", 1_700_000_000.0),
    ]
    assert "continuation-token" not in server.lines[0]
    assert "continuation-token=next%2F1" in server.lines[1]
    assert "prefix=here%2F" in server.lines[1]


async def test_a_listing_that_is_not_xml_is_an_error_not_an_empty_bucket():
    objects, _ = connect(Server(httpx.Response(200, text="<html><body>welcome")))
    with pytest.raises(Permanent):
        _ = [stat async for stat in objects.list("")]


async def test_deleting_twice_is_no_error():
    objects, _ = connect(Server(httpx.Response(204)))
    await objects.delete("a")
    objects, _ = connect(Server(error(404, "NoSuchKey")))
    await objects.delete("a")
    objects, _ = connect(Server(error(404, "NoSuchBucket")))
    with pytest.raises(NotFound):
        await objects.delete("a")


async def test_versions_that_the_server_keeps_are_an_error():
    body = "<DeleteResult><Error><Key>here/a</Key><Code>AccessDenied</Code></Error></DeleteResult>"
    objects, _ = connect(Server(httpx.Response(200, text=body)))
    with pytest.raises(Conflict) as caught:
        await objects.delete_versions([("here/a", "1")])
    assert "AccessDenied for here/a" in caught.value.why


def test_the_etag_below_a_delete_marker():
    versions = (
        "<ListVersionsResult><DeleteMarker><Key>a</Key><IsLatest>{}</IsLatest></DeleteMarker>"
        '<Version><Key>a</Key><ETag>"two"</ETag></Version><Version><Key>a</Key><ETag>"one"</ETag></Version>'
        "</ListVersionsResult>"
    )
    assert hidden_etag(versions.format("true").encode(), "a") == "two"
    assert hidden_etag(versions.format("false").encode(), "a") is None
    assert hidden_etag(versions.format("true").encode(), "b") is None


async def test_bucket_switches():
    enabled = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    objects, _ = connect(Server(httpx.Response(200, text=enabled)))
    assert await objects.versioning()
    objects, _ = connect(Server(httpx.Response(200, text="<VersioningConfiguration/>")))
    assert not await objects.versioning()
    objects, _ = connect(Server(error(404, "ObjectLockConfigurationNotFoundError")))
    assert not await objects.object_lock()
    objects, _ = connect(Server(error(404, "NoSuchBucketPolicy")))
    assert await objects.policy() == ""
    server = Server(httpx.Response(404), error(409, "BucketAlreadyExists"))
    objects, _ = connect(server)
    with pytest.raises(Conflict):
        await objects.ensure_bucket()
    server = Server(httpx.Response(404), httpx.Response(200))
    objects, _ = connect(server, Endpoint("https://s3.example", "bucket", region="eu-west-1"))
    assert await objects.ensure_bucket()
    assert b"<LocationConstraint>eu-west-1<" in server.seen[1].content


def test_nothing_of_the_secret_is_shown():
    objects, _ = connect(Server(OK))
    holder = SimpleNamespace(credentials=objects.client.credentials, endpoint=objects.endpoint)
    assert "'secret'" not in repr(holder)
