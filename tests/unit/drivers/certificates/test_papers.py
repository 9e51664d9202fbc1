"""What a certificate is worth: names, time, key, chain, clocks."""

from __future__ import annotations

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from ephemeral_castle.drivers.certificates import authority, papers
from ephemeral_castle.drivers.certificates.papers import DAY, Fault, Judgement, Wanted, judge

NOW = 1_790_000_000.0
NAME = "blog.castle.example"
CA_KEY, KEY = papers.new_key(), papers.new_key()
CA = authority.make_authority("test", CA_KEY, ["castle.example"], NOW)
CHAIN = authority.make_leaf(CA, CA_KEY, KEY, [NAME], NOW)


def at(moment: float, *names: str, root: str = CA, before: float = 21 * DAY) -> Judgement:
    return judge(CHAIN, KEY, Wanted(names or (NAME,), moment, before, root))


@pytest.mark.parametrize(
    ("moment", "good", "due"),
    [
        (NOW, True, False),
        (NOW + 68.9 * DAY, True, False),
        (NOW + 69.1 * DAY, True, True),
        (NOW + 88.9 * DAY, True, True),
        (NOW + 89.1 * DAY, False, False),
        (NOW + 91 * DAY, False, False),
        (NOW - 0.9 * DAY, True, False),  # it is dated a day back
        (NOW - 1.1 * DAY, False, False),
    ],
)
def test_time(moment: float, good: bool, due: bool) -> None:
    seen = at(moment)
    assert (seen.good, seen.due) == (good, due), seen.why


def test_a_long_renewal_time_is_at_most_a_third_of_its_life() -> None:
    assert not at(NOW + 59 * DAY, before=365 * DAY).due
    assert at(NOW + 61 * DAY, before=365 * DAY).due


@pytest.mark.parametrize(
    ("moment", "fault", "word"),
    [(NOW - 2 * DAY, Fault.EARLY, "clock is behind"), (NOW + 91 * DAY, Fault.ENDED, "ago"),
     (NOW + 89.5 * DAY, Fault.ENDING, "in 12 hours")],
)  # fmt: skip
def test_faults_of_time_in_plain_words(moment: float, fault: Fault, word: str) -> None:
    seen = at(moment)
    assert seen.has(fault)
    assert word in seen.why


def test_a_key_of_another_certificate() -> None:
    assert judge(CHAIN, papers.new_key(), Wanted([NAME], NOW, DAY)).has(Fault.KEY)
    assert judge(CHAIN, "nonsense", Wanted([NAME], NOW, DAY)).has(Fault.KEY)


def test_names_that_it_is_not_for() -> None:
    assert "www.castle.example" in at(NOW, NAME, "www.castle.example").why


@pytest.mark.parametrize(
    ("carried", "name", "covered"),
    [
        (["a.b.c"], "a.b.c", True), (["*.b.c"], "a.b.c", True), (["*.b.c"], "b.c", False),
        (["*.b.c"], "x.a.b.c", False), (["*.b.c"], "*.b.c", True), (["a.b.c"], "*.b.c", False),
        ([], "a.b.c", False), (["A.B.C"], "a.b.c", True),
    ],
)  # fmt: skip
def test_wildcards_cover_one_label(carried: list[str], name: str, covered: bool) -> None:
    assert papers.covers(carried, name) is covered


def test_another_root() -> None:
    other = authority.make_authority("other", papers.new_key(), ["castle.example"], NOW)
    assert at(NOW, root=other).has(Fault.CHAIN)
    assert at(NOW, root="garbage").has(Fault.CHAIN)


def test_a_chain_in_which_one_did_not_sign_the_next() -> None:
    other = authority.make_authority("other", papers.new_key(), ["castle.example"], NOW)
    mixed = papers.text_of([papers.read_chain(CHAIN)[0], papers.read_chain(other)[0]])
    assert judge(mixed, KEY, Wanted([NAME], NOW, DAY)).has(Fault.CHAIN)


def test_another_issuer_than_the_definition_names() -> None:
    wanted = Wanted([NAME], NOW, DAY, issuer="https://ca.example/dir")
    assert judge(CHAIN, KEY, wanted, issuer="own").has(Fault.ISSUER)
    assert judge(CHAIN, KEY, wanted, issuer="https://ca.example/dir").good


@pytest.mark.parametrize(("chain", "key"), [("", ""), (CHAIN, ""), ("", KEY)])
def test_a_missing_half_is_none(chain: str, key: str) -> None:
    assert judge(chain, key, Wanted([NAME], NOW, DAY)).has(Fault.MISSING)


@given(st.text(max_size=200))
@settings(max_examples=50)
def test_whatever_the_vault_has_is_judged_and_never_quoted(text: str) -> None:
    seen = judge(f"x{text}", KEY, Wanted([NAME], NOW, DAY))
    assert seen.has(Fault.UNREADABLE)
    assert seen.why == "what the vault has is no certificate"


def test_a_request_names_all_and_is_signed() -> None:
    request = x509.load_der_x509_csr(papers.request_for([NAME, "*.castle.example"], KEY))
    assert request.is_signature_valid
    found = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert found.get_values_for_type(x509.DNSName) == [NAME, "*.castle.example"]


@pytest.mark.parametrize(
    ("names", "domains", "found"),
    [
        ([NAME], [], [NAME]),
        ([NAME, "*.castle.example"], [], ["castle.example"]),
        (["castle.example", "*.castle.example"], [], ["castle.example"]),
        ([NAME, "shop.example.org"], ["castle.example"], ["castle.example", "shop.example.org"]),
        ([NAME], ["castle.example"], ["castle.example"]),
    ],
)
def test_domains_of_an_authority(names: list[str], domains: list[str], found: list[str]) -> None:
    assert authority.domains_of(names, domains) == found


def test_an_authority_binds_itself() -> None:
    (certificate,) = papers.read_chain(CA)
    found = certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert found.critical
    assert [each.value for each in found.value.permitted_subtrees or ()] == ["castle.example"]
    assert len(found.value.excluded_subtrees or ()) == 2


def test_an_authority_in_its_last_year_is_made_anew() -> None:
    assert authority.why_not(CA, CA_KEY, ["castle.example"], NOW) == ""
    assert "ends" in authority.why_not(CA, CA_KEY, ["castle.example"], NOW + 9.1 * 365 * DAY)
    again = authority.make_authority("test", CA_KEY, ["castle.example"], NOW + 9.1 * 365 * DAY)
    assert papers.signed_by(papers.read_chain(CHAIN)[0], papers.read_chain(again)[0])


@pytest.mark.parametrize(("apart", "word"), [(299.0, ""), (-299.0, ""), (900.0, "behind"), (-900.0, "ahead of")])
def test_clocks(apart: float, word: str) -> None:
    text = papers.skew_in_words("the CA", NOW + apart, NOW)
    assert bool(text) is bool(word)
    assert word in text
