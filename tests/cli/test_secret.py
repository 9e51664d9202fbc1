"""`castle secret`: values come by standard input and go nowhere else."""

from __future__ import annotations

import json


def test_lists_names_and_no_value(run):
    assert run("secret", "list").stdout == "database/cipher\n"
    assert json.loads(run("secret", "list", "--json").stdout) == {"kind": "secret", "names": ["database/cipher"]}


def test_prints_one_when_asked_for_it(run):
    assert run("secret", "get", "app/token").stdout == "open sesame\n"


def test_takes_the_value_from_standard_input_without_its_last_line_end(run, wired):
    result = run("secret", "put", "dns/tsig", input="hmac-sha256:castle:c2VjcmV0\n")
    assert wired.asked[-1] == ("secret", "put", "dns/tsig", "hmac-sha256:castle:c2VjcmV0", False)
    assert "c2VjcmV0" not in result.output


def test_an_empty_value_is_refused(run):
    result = run("secret", "put", "dns/tsig", input="")
    assert result.exit_code == 2
    assert "standard input is empty" in result.stderr


def test_a_name_is_wanted_by_all_but_the_list(run):
    assert run("secret", "get").exit_code == 2
    assert run("secret", "list", "dns/tsig").exit_code == 2
