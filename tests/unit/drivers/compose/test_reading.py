"""What is read from a Compose file, and what is refused, each with file, line and column."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemeral_castle.drivers.compose import reading
from ephemeral_castle.drivers.compose.project import Port
from tests.unit.drivers.compose.samples import GOOD, files, read, said, wanted, warned

WEB = "  web:\n    image: registry.example/web:1\n"


def test_a_good_project_is_read() -> None:
    found = read(GOOD)
    assert found.findings == ()
    assert found.project is not None
    web = found.project.services["web"]
    assert web.ports == (Port(8000, 80),)
    assert web.after == {"job": "service_completed_successfully"}
    assert web.start_interval == 0.25
    assert found.project.jobs == {"job"}
    assert found.project.name == "blog"
    assert found.names == {"CASTLE_ADDRESS_EDGE"}


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        ("services:", "servises:", "1:1", "there is no `servises` at the top of a Compose file (did"),
        ("    image: localhost/tool\n", "    imagee: localhost/tool\n", "16:5", "there is no `imagee` in service"),
        ('command: ["migrate"]', 'command: ["migrate"', "", "invalid YAML"),
        ('command: ["migrate"]', "image: other", "17:5", "`image` stands here twice"),
        ('command: ["migrate"]', "build: .", "17:5", "service `job` is built by Compose"),
        ('command: ["migrate"]', "extends: {service: web}", "17:5", "`extends` is not followed"),
        ("    image: localhost/tool\n", "", "15:3", "service `job` has no image"),
        ('command: ["migrate"]', "depends_on: [web]", "2:3", "services wait for each other: `web` waits for `job`"),
        ("{job: {condition: service_completed", "{jab: {condition: service_completed", "2:3", "waits for `jab`"),
        ("service_completed_successfully", "service_done", "", "`service_done` is no condition"),
        ("${CASTLE_ADDRESS_EDGE}", "${CASTLE_ADRESS_EDGE}", "6:13", "`${CASTLE_ADRESS_EDGE}` has no value (castle"),
        ("${CASTLE_ADDRESS_EDGE}", "${X:?say where}", "6:13", "`${X}` has no value: say where"),
        ("${CASTLE_ADDRESS_EDGE}", "${X", "6:13", "`${` has no closing brace"),
        ("${CASTLE_ADDRESS_EDGE}", "yes", "6:13", "`PEER: yes` is a boolean to YAML"),
        ("env_file: web.env", "env_file: [web.env, other.env]", "8:25", "`other.env` is not in `stacks/data`"),
        ("env_file: web.env", "env_file: ../web.env", "8:15", "the file lies outside of the project's directory"),
        ("./conf:/etc/web:ro", "./conf:/etc/web", "12:9", "comes from the repository, into memory"),
        ("./conf:/etc/web:ro", "./none:/etc/web:ro", "12:9", "`./none` is not in `stacks/data`"),
        ("./conf:/etc/web:ro", "../conf:/etc/web:ro", "12:9", "outside of the project's directory"),
        ("secrets: [token]", "secrets: [other]", "9:15", "is given secret `other`, which is not declared"),
        ("file: ./secrets/token", "file: ./secrets/other", "9:15", "nobody gives `./secrets/other`"),
        ("file: ./secrets/token", "file: ./token", "9:15", "`./token` is not in `stacks/data`"),
        ("file: ./secrets/token", "file: ./web.env", "9:15", "lies in the repository"),
        ("file: ./secrets/token", "environment: TOKEN", "19:11", "secret `token` comes from the environment"),
        ("file: ./secrets/token", "external: true", "19:11", "secret `token` is external"),
        ("volumes: {data: {}}", "volumes: {data: {external: true}}", "18:11", "volume `data` is external"),
        ('["8000:80"]', "[22:22]", "4:13", "`22:22` is a number to YAML"),
        ('["8000:80"]', '["http:80"]', "4:13", "`http:80` is no port"),
        ("volumes: {data: {}}", "volumes: {data: {}}\ninclude: [other.yaml]", "19:1", "`include` is not followed"),
        ("- data:/data", "- !override data:/data", "11:9", "the tag `!override` is not read"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(old: str, new: str, where: str, what: str) -> None:
    assert old in GOOD
    found = said(GOOD.replace(old, new))
    assert any(what in each and each.startswith(f"stacks/data/compose.yaml:{where}") for each in found), found


def test_merge_keys_and_anchors_are_followed() -> None:
    text = "x-all: &all {image: registry.example/web:1}\nservices:\n  a: {<<: *all}\n  b: {<<: *all, image: b}\n"
    found = read(text).project
    assert found is not None
    assert {name: each.image for name, each in found.services.items()} == {"a": "registry.example/web:1", "b": "b"}


def test_services_behind_profiles_do_not_run() -> None:
    found = read(GOOD + "x-end: 1\n".replace("x-end", "x-e")).project
    hidden = read(
        GOOD.replace(
            '    command: ["migrate"]', '    command: ["migrate"]\n  debug:\n    image: d\n    profiles: [debug]'
        )
    )
    assert found is not None
    assert hidden.project is not None
    assert set(hidden.project.services) == set(found.services)


def test_aliases_that_multiply_end_somewhere() -> None:
    text = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))
    assert any("too large" in each for each in said(text))


def test_a_project_without_a_compose_file_is_told() -> None:
    found = reading.read(wanted(), {})
    assert str(found.findings[0]).startswith("stacks/data: there is no compose.yaml for machine `data`")


def test_what_compose_would_merge_by_itself_is_refused() -> None:
    found = said(GOOD, **{"compose.override.yaml": "services: {}"})
    assert [each.partition(" (")[0] for each in found] == [
        "stacks/data/compose.override.yaml: Compose would merge this file by itself; castle reads one file"
    ]


def test_a_secret_that_is_also_a_file_of_the_repository_is_refused() -> None:
    assert any("has a file of this name" in each for each in said(GOOD, **{"secrets/token": "plain"}))


def test_values_of_the_env_file_count_and_defaults_need_none() -> None:
    text = GOOD.replace("${CASTLE_ADDRESS_EDGE}", "${PEER:?}/${OTHER:-none}")
    assert said(text) != []
    found = read(text, **{".env": "# comment\nexport PEER='host one' # more\n"})
    assert found.findings == ()
    assert found.project is not None
    assert found.project.services["web"].variables[0].value == "host one/none"


@pytest.mark.parametrize("path", ["/srv/data", "~/data"])
def test_a_path_of_the_machine_is_refused_until_its_loss_is_accepted(path: str) -> None:
    text = GOOD.replace("./conf:/etc/web:ro", f"{path}:/srv")
    [found] = said(text)
    assert f"`{path}` lies on the machine itself: what `web` writes there ends with the life" in found
    assert f"`accept_loss: [{path}]` in the layer" in found
    assert said(text, lost=[path]) == []
    assert "accepted by `accept_loss`" in warned(text, lost=[path])[0]


@pytest.mark.parametrize("mount", ["/srv/data:/srv:ro", "/run/podman/podman.sock:/sock", "/dev:/dev"])
def test_a_path_that_is_only_read_or_no_reboot_keeps_may_end(mount: str) -> None:
    assert read(GOOD.replace("./conf:/etc/web:ro", mount)).findings == ()


@pytest.mark.parametrize(
    ("old", "new", "volume"),
    [
        ("volumes: {data: {}}", "name: lab\nvolumes: {data: {}}", "lab_data"),
        ("volumes: {data: {}}", "volumes: {data: {name: mine}}", "mine"),
        ("      - data:/data\n", "      - cache:/c\n      - {type: volume, source: cache, target: /d}\n", "blog_cache"),
    ],
)
def test_a_volume_that_no_layer_keeps_is_refused(old: str, new: str, volume: str) -> None:
    """A database in a volume of the Compose file was destroyed by a rebirth, for a warning that nobody read."""
    text = GOOD.replace(old, new).replace("volumes: {data: {}}", "volumes: {data: {}, cache: }")
    [found] = said(text)
    assert f"volume `{volume}` is kept by no layer: what `web` writes there ends with the life" in found
    assert "`machine: data`" in found
    assert f"`accept_loss: [{volume}]`" in found
    assert said(text, lost=[volume]) == []
    [accepted] = warned(text, lost=[volume])
    assert f"`{volume}` ends with the life, with what `web` writes there; accepted by `accept_loss`" in accepted


def test_a_volume_that_is_only_read_or_has_no_name_may_end() -> None:
    text = GOOD.replace("      - data:/data\n", "      - cache:/c:ro\n      - /var/cache\n")
    assert read(text.replace("volumes: {data: {}}", "volumes: {data: {}, cache: {}}")).findings == ()


def test_a_service_that_compose_builds_is_told_once() -> None:
    [found] = said(GOOD.replace("    image: localhost/tool\n", "    build: ./tool\n"))
    assert "service `job` is built by Compose" in found


def test_two_owners_of_one_secret_are_refused() -> None:
    text = GOOD.replace('command: ["migrate"]', 'secrets: [{source: token, uid: "7"}]')
    assert any("want another owner or mode of secret `token`" in each for each in said(text))


@given(st.text(max_size=200))
def test_no_text_makes_the_reader_fail(text: str) -> None:
    found = read(text)
    assert found.project is not None or found.findings


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text("a:-${}/.", max_size=6),
                    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(
                        ["services", "image", "ports", "volumes", "secrets", "environment", "depends_on", "web", "file",
                         "healthcheck", "env_file", "source", "configs", "condition"]), below, max_size=4),
                    max_leaves=20))  # fmt: skip
def test_no_shape_makes_the_reader_fail(value: object) -> None:
    import json

    found = reading.read(wanted(), files(json.dumps(value)))
    assert found.project is not None or found.findings
