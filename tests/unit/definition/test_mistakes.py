"""One test for each kind of mistake: where it is shown, what it says, what to do."""

from __future__ import annotations

import pytest

from .samples import GOOD, changed, check, errors, only, under_caret


def test_good_definition_has_no_findings() -> None:
    assert check(GOOD) == []


# (old, new, line, col, marked, words of the message, words of a hint)
MISTAKES = {
    "unknown key": ("budget: {rto: 30s", "budget: {rtto: 30s", 2, 10, "rtto", "unknown key `rtto` in `budget`",
                    "did you mean `rto`?"),
    "unknown top key": ("proof: {", "prof: {", 3, 1, "prof", "unknown key `prof`", "did you mean `proof`?"),
    "unknown key of a driver": ("        pooler: edge", "        poler: edge", 20, 9, "poler",
                                "unknown key `poler` in `database`", "did you mean `pooler`?"),
    "unknown key deep in a driver": ("{id: 432}", "{id: 432, memry: 1GiB}", 16, 27, "memry",
                                     "unknown key `memry` in `edge`", "did you mean `memory`?"),
    "unknown key far from any": ("proof: {max_age: 24h}", "proof: {zzz: 24h}", 3, 9, "zzz", "unknown key `zzz`",
                                 "known keys: `max_age`"),
    "missing key": ("{url: s3://castle-here, server: here}", "{server: here}", 4, 1, "treasury",
                    "`treasury` lacks the key `url`", "add `url: s3://castle-here`"),
    "missing top key": ("castle: here\n", "", 1, 1, "budget", "the definition lacks the key `castle`", "`castle: "),
    "missing key of a driver": ("        machine: data\n", "", 17, 7, "database", "`database` lacks the key `machine`",
                                "add `machine: "),
    "missing driver": ("        driver: postgres\n", "", 17, 7, "database", "`database` lacks the key `driver`",
                       "add `driver: podman`"),
    "bare duration": ("rto: 30s", "rto: 30", 2, 15, "30", "`rto`: 30 is a duration without a unit",
                      "`30s`, `30m` or `30h`"),
    "bare duration of a driver": ("machine: data\n", "machine: data\n        timeout: 90\n", 20, 18, "90",
                                  "90 is a duration without a unit", "`90s`"),
    "wrong unit of time": ("rpo: 60s", "rpo: 60sec", 2, 25, "60sec", "`60sec` is not a duration", "write `60s`"),
    "size as time": ("rpo: 60s", "rpo: 60MiB", 2, 25, "60MiB", "`60MiB` is not a duration", "units are `d`"),
    "bare size": ("memory: 2GiB", "memory: 2048", 15, 35, "2048", "2048 is a size without a unit", "`2048MiB`"),
    "wrong unit of size": ("memory: 2GiB", "memory: 2G", 15, 35, "2G", "`2G` is not a size", "`2GiB`"),
    "wrong case of unit": ("memory: 2GiB", "memory: 2gib", 15, 35, "2gib", "`2gib` is not a size", "write `2GiB`"),
    "no time at all": ("rto: 30s", "rto: 0s", 2, 15, "0s", "`rto`: must be longer than nothing", "`30s`"),
    "castle's name": ("castle: here", "castle: Tazlab_Home", 1, 9, "Tazlab_Home", "is not a DNS label (RFC 1123)",
                      "try `tazlab-home`"),
    "number as a name": ("castle: here", "castle: 42", 1, 9, "42", "must be a text, not the number 42",
                         'put it in quotes: `"42"`'),
    "layer's id": ("  machines: {role: ground}", "  m_1: {role: ground}\n  machines: {role: ground}", 6, 3, "m_1",
                   "is not a DNS label", "try `m-1`"),
    "unknown role": ("role: treasures", "role: treasure", 7, 20, "treasure", "`role`: unknown value `treasure`",
                     "did you mean `treasures`?"),
    "choice of a driver": ("        machines:\n", "        kind: lage\n        machines:\n", 14, 15, "lage",
                           "unknown value `lage`", "did you mean `large`?"),
    "unknown driver": ("driver: podman", "driver: podmann", 13, 17, "podmann", "unknown driver `podmann`",
                       "did you mean `podman`?"),
    "missing reference": ("needs: [machines]", "needs: [machine]", 7, 39, "machine",
                          "layer `database` needs `machine`, which does not exist", "did you mean `machines`?"),
    "needs itself": ("needs: [machines]", "needs: [database]", 7, 39, "database", "needs itself", "remove it"),
    "needs twice": ("needs: [machines]", "needs: [machines, machines]", 7, 49, "machines", "twice", "keep one"),
    "needs as text": ("needs: [machines]", "needs: machines", 7, 38, "machines", "`needs`: must be a list, not a text",
                      "write `[machines]`"),
    "missing machine": ("pooler: edge", "pooler: egde", 20, 17, "egde", "there is no machine `egde` on site `here`",
                        "did you mean `edge`?"),
    "missing machine in a list": ("pooler: edge", "standbys: [data, other]", 20, 26, "other",
                                  "there is no machine `other`", "machines: `data`, `edge`"),
    "missing layer in options": ("database: database}", "database: datbase}", 23, 51, "datbase",
                                 "there is no layer `datbase`", "did you mean `database`?"),
    "layer without entry": ("      answers: {driver: postgres-probe, database: database}\n", "", 11, 5, "layers",
                            "site `here` does not say how to make `answers`", "add `answers: {driver: ...}`"),
    "server and endpoint": ("server: here}", "server: here, endpoint: 'https://s3.example'}", 4, 1, "treasury",
                            "`server` and `endpoint` exclude each other", "keep the one"),
    "neither server nor endpoint": (", server: here}", "}", 4, 1, "treasury", "needs a server", "`server: here`"),
    "CA of a server here": ("server: here}", "server: here, ca: ca.pem}", 4, 1, "treasury", "`ca` belongs to",
                            "remove `ca`"),
    "port without server": ("server: here}", "endpoint: 'https://s3.example', port: 9}", 4, 1, "treasury",
                            "`port` belongs to `server: here`", "into `endpoint`"),
    "plain HTTP": ("server: here}", "endpoint: http://s3.example}", 4, 45, "http://s3.example", "plain HTTP",
                   "https"),
    "not S3": ("url: s3://castle-here", "url: https://castle-here", 4, 17, "https://castle-here", "is not an S3 URL",
               "s3://BUCKET"),
    "bucket's name": ("url: s3://castle-here", "url: s3://Castle_Here", 4, 17, "s3://Castle_Here",
                      "`Castle_Here` is not a bucket name", "lower-case"),
    "subnet": ("  here:\n    layers", "  here:\n    subnet: 10.89.77.5/24\n    layers", 11, 13, "10.89.77.5/24",
               "an address, not a subnet", "did you mean `10.89.77.0/24`?"),
    "small subnet": ("  here:\n    layers", "  here:\n    subnet: 10.89.77.0/31\n    layers", 11, 13, "10.89.77.0/31",
                     "no room for machines", "/29 or larger"),
    "public subnet": ("  here:\n    layers", "  here:\n    subnet: 8.8.8.0/24\n    layers", 11, 13, "8.8.8.0/24",
                      "public network", "RFC 1918"),
    "YAML 1.1 truth": ("machine: data\n", "machine: data\n        checked: yes\n", 20, 18, "yes",
                       "must be `true` or `false`, not a text", "write `true`"),
    "quoted number": ("id: 432", "id: '432'", 16, 22, "'432'", "must be a whole number, not a text", "without quotes"),
    "empty mapping": ("budget: {rto: 30s, rpo: 60s}", "budget:", 2, 1, "budget",
                      "`budget`: must be a mapping of keys, not nothing", "indented"),
    "text for a mapping": ("budget: {rto: 30s, rpo: 60s}", "budget: 30s", 2, 9, "30s",
                           "must be a mapping of keys, not a text", "keys below it"),
    "driver's own rule": ("users: {app: {}}", "users: {}", 17, 7, "database", "belongs to `app`, who is no user",
                          "add the user"),
    "member of a union": ("        machines:\n", "        extra: {id: x}\n        machines:\n", 14, 21, "x",
                          "must be a whole number, not a text", "without quotes"),
    "duplicate key": ("        pooler: edge\n", "        pooler: edge\n        machine: edge\n", 21, 9, "machine",
                      "duplicate key `machine`", "the first is on line 19"),
    "two layers with one id": ("  answers: {role: proof, needs: [database]}\n",
                               "  answers: {role: proof, needs: [database]}\n  machines: {role: walls}\n", 9, 3,
                               "machines", "two layers with one id: `machines`", "the first is on line 6"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake(name: str) -> None:
    old, new, line, col, marked, message, hint = MISTAKES[name]
    text = changed(old, new)
    finding = next(found for found in errors(text) if message in found.message)
    assert (finding.line, finding.col) == (line, col)
    assert under_caret(finding) == marked
    assert any(hint in said for said in finding.hints), finding.hints
    assert finding.message[0] in "`[" or finding.message[:1].islower() or finding.message[:1].isdigit()
    assert not finding.message.endswith(".")


ALONE = set(MISTAKES) - {
    "layer's id",  # a site then lacks the layer, too
}


@pytest.mark.parametrize("name", sorted(ALONE))
def test_mistake_draws_no_second_error(name: str) -> None:
    old, new, *_ = MISTAKES[name]
    only(changed(old, new))


def test_circle_is_spelled_out() -> None:
    text = changed("machines: {role: ground}", "machines: {role: ground, needs: [answers]}")
    finding = only(text)
    assert finding.message == ("needs go in a circle: `machines` needs `answers` needs `database` needs `machines`")
    assert (finding.line, under_caret(finding)) == (7, "machines")


def test_each_of_two_circles_is_told() -> None:
    text = changed(
        "  machines: {role: ground}\n",
        "  machines: {role: ground}\n  a: {role: walls, needs: [b]}\n  b: {role: walls, needs: [a]}\n"
        "  c: {role: walls, needs: [d]}\n  d: {role: walls, needs: [c]}\n",
    )
    circles = [found.message for found in errors(text) if "circle" in found.message]
    assert len(circles) == 2
    assert "`c` needs `d` needs `c`" in circles[1]


def test_site_with_a_layer_that_is_not_defined() -> None:
    text = changed("      answers: {driver", "      answer: {driver")
    messages = [finding.message for finding in errors(text)]
    assert "site `here` makes a layer `answer`, which does not exist" in messages
    assert "site `here` does not say how to make `answers`" in messages
    hints = [hint for finding in errors(text) for hint in finding.hints]
    assert "did you mean `answers`?" in hints


def test_machines_are_not_missed_when_the_ground_itself_is_wrong() -> None:
    finding = only(changed("{id: 432}", "{id: 0}"))
    assert "greater than or equal to 1" in finding.message


def test_all_errors_at_once_in_the_order_of_the_file() -> None:
    text = GOOD
    for old, new in [
        ("castle: here", "castle: Here"),
        ("rto: 30s", "rto: 30"),
        ("role: treasures", "role: tresures"),
        ("needs: [database]", "needs: [databse]"),
        ("driver: podman", "driver: podma"),
        ("pooler: edge", "poolr: edge"),
        ("database: database}", "database: 5}"),
    ]:
        assert old in text
        text = text.replace(old, new, 1)
    found = errors(text)
    assert [finding.line for finding in found] == [1, 2, 7, 8, 13, 20, 23]


def test_misspelled_key_that_is_free_is_suggested_before_one_that_is_taken() -> None:
    finding = only(changed("machine: data\n", "machine: data\n        machin: data\n"))
    assert finding.message == "unknown key `machin` in `database`"
    assert "did you mean `machine`?" not in finding.hints


def test_machines_are_missed_also_when_another_layer_is_wrong() -> None:
    text = changed("pooler: edge", "pooler: egde").replace("driver: postgres-probe", "driver: probe")
    assert [finding.message for finding in errors(text)] == [
        "there is no machine `egde` on site `here`",
        "unknown driver `probe`",
    ]


def test_machines_are_not_missed_when_no_driver_tells_them() -> None:
    text = changed(
        "driver: podman\n        machines:\n          data: {id: 431, memory: 2GiB}\n          edge: {id: 432}\n",
        "driver: postgres-probe\n        database: database\n",
    )
    assert errors(text) == []
