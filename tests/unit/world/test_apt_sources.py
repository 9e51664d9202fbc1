from __future__ import annotations

import pytest

from ephemeral_castle.world.apt_sources import host_sources

DEB822 = """# comment
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main contrib
Signed-By: /usr/share/keyrings/debian.gpg

Types: deb
URIs: http://mirror.example/security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
"""


@pytest.fixture
def etc(tmp_path):
    (tmp_path / "apt/sources.list.d").mkdir(parents=True)
    return tmp_path


def test_one_line_format(etc):
    (etc / "apt/sources.list").write_text(
        "# deb http://no.example bookworm main\n"
        "deb [arch=amd64 trusted=yes] http://local.example/debian bookworm main contrib\n"
        "deb-src http://local.example/debian bookworm main\n"
        "deb http://local.example/debian bookworm-security main # fixes\n"
    )
    assert host_sources("bookworm", etc) == [
        "deb [trusted=yes] http://local.example/debian bookworm main",
        "deb http://local.example/debian bookworm-security main",
    ]


def test_deb822_format(etc):
    (etc / "apt/sources.list.d/debian.sources").write_text(DEB822)
    assert host_sources("bookworm", etc) == [
        "deb [signed-by=/usr/share/keyrings/debian.gpg] http://mirror.example/debian bookworm main",
        "deb [signed-by=/usr/share/keyrings/debian.gpg] http://mirror.example/debian bookworm-updates main",
        "deb http://mirror.example/security bookworm-security main",
    ]


def test_other_vendors_are_left_out(etc):
    (etc / "apt/sources.list.d/vendor.list").write_text("deb https://vendor.example cloud-bookworm main\n")
    (etc / "apt/sources.list.d/node.sources").write_text(
        "Types: deb\nURIs: https://node.example\nSuites: nodistro\nComponents: main\n"
    )
    assert host_sources("bookworm", etc) == []


def test_another_suite_gives_none(etc):
    (etc / "apt/sources.list").write_text("deb http://local.example/debian trixie main\n")
    assert host_sources("bookworm", etc) == []


def test_security_alone_is_not_enough(etc):
    (etc / "apt/sources.list").write_text("deb http://local.example/debian bookworm-security main\n")
    assert host_sources("bookworm", etc) == []
