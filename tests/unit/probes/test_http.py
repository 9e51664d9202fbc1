"""The probe of pages: what it asks for, what it makes of an answer, and its script against a real server."""

from __future__ import annotations

import base64
import hashlib
import http.server
import subprocess
import threading
from types import SimpleNamespace
from unittest.mock import AsyncMock

import pytest
from pydantic import ValidationError

from ephemeral_castle.model.castle import Castle, Layer, Role, Site, Treasury, Verb
from ephemeral_castle.probes.http import SCRIPT, Got, HttpOptions, HttpProbe, Wanted, fault, parse
from ephemeral_castle.spi.driver import Request
from ephemeral_castle.spi.options import read_options

WELL = Got(0, 200, "10.0.0.2", "d", "a page of posts", "")


@pytest.mark.parametrize(
    ("wanted", "got", "said"),
    [
        (Wanted("https://b/"), WELL, ""),
        (Wanted("https://b/", contains="posts"), WELL, ""),
        (Wanted("https://b/", contains="castle"), WELL, "`castle` is not on the page"),
        (Wanted("https://b/", status=404), WELL, "status 200 instead of 404"),
        (Wanted("https://b/", sha256="e"), WELL, "other bytes than in the backup"),
        (Wanted("https://b/"), Got(60, 0, "", "", "", "certificate has expired"), "certificate has expired"),
        (Wanted("https://b/"), Got(7, 0, "", "", "", ""), "curl ended with 7"),
    ],
)
def test_says_what_is_wrong(wanted, got, said):
    assert said in fault(wanted, got)
    assert bool(said) == bool(fault(wanted, got))


def test_reads_what_the_script_prints_also_with_bars_in_the_error():
    body = base64.b64encode(b"hello|\n").decode()
    assert parse([f"0|200|10.0.0.2|abc|{body}|a | b"]) == [Got(0, 200, "10.0.0.2", "abc", "hello|\n", "a | b")]


def test_a_url_without_a_host_is_refused():
    with pytest.raises(ValidationError, match="is no URL of a page"):
        read_options(HttpOptions, {"url": "blog"})


def test_a_page_is_looked_for_in_one_place_only():
    with pytest.raises(ValidationError, match="both say where the page is"):
        read_options(HttpOptions, {"url": "http://lab/", "name": "name", "machine": "data"})


@pytest.mark.parametrize("verb", [Verb.REBIRTH, Verb.DRILL])
async def test_a_lab_without_a_name_server_is_asked_by_machine(verb):
    """A home lab has no name server that takes changes; its pages were proven by nothing, and its drill refused."""
    ctx = SimpleNamespace(
        options=read_options(HttpOptions, {"url": "http://lab/", "machine": "data"}),
        request=SimpleNamespace(verb=verb),
        machine=AsyncMock(return_value=SimpleNamespace(address="10.0.0.7")),
    )
    assert await HttpProbe()._address(ctx) == "10.0.0.7"
    ctx.machine.assert_awaited_once_with("data")


def plan(verb: Verb):
    layer = Layer("page", Role.PROOF, "http-probe", needs=("blog",))
    castle = Castle("c", Treasury("b", "c"), {"here": Site("here", (layer,))})
    options = read_options(HttpOptions, {"url": "https://blog.example/", "name": "name"})
    return HttpProbe().plan(layer, options, Request(verb=verb, castle=castle, site=castle.site()))


def test_waits_for_what_it_needs_and_ends_the_outage():
    (step,) = plan(Verb.REBIRTH)
    assert {"serving:blog?", "named:name?"} <= set(step.needs)
    assert (step.clock, "served" in step.provides) == ("served", True)
    assert plan(Verb.WIPE) == []


class Blog(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = bytes(range(256)) if self.path.endswith(".bin") else b"a page\nof posts"
        self.send_response(404 if self.path == "/gone" else 200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def blog():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Blog)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_the_script_fetches_by_name_and_keeps_bytes(blog):
    base = f"http://blog.castle.example:{blog}"
    urls = [f"{base}/", f"{base}/a.bin", f"{base}/gone", "http://127.0.0.1:1/"]
    argv = ["sh", "-c", SCRIPT, "sh", f"blog.castle.example:{blog}:127.0.0.1", "5", *urls]
    said = subprocess.run(argv, input="", capture_output=True, text=True, check=True).stdout
    page, binary, gone, dead = parse(said.splitlines())
    assert (page.status, page.text, page.address) == (200, "a page\nof posts", "127.0.0.1")
    assert binary.sha256 == hashlib.sha256(bytes(range(256))).hexdigest()
    assert gone.status == 404
    assert (dead.code, dead.status) == (7, 0)
