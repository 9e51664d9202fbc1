"""Certificates of the treasury over the years, by a clock that is an argument."""

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import verification

from ephemeral_castle.world.certificates import ensure_certificates

DAY = 86400.0
START = 1_700_000_000.0
NAMES = ["treasury.castle", "localhost", "127.0.0.1", "10.89.77.1"]


def first(path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def trusts(issued, name: str, at: float) -> bool:
    """Whether a strict verifier (RFC 5280) that trusts the authority accepts the chain for this name at this time."""
    authority = first(issued.ca)
    chain = x509.load_pem_x509_certificates(issued.chain.read_bytes())
    builder = verification.PolicyBuilder().store(verification.Store([authority]))
    verifier = builder.time(datetime.fromtimestamp(at, UTC)).build_server_verifier(x509.DNSName(name))
    try:
        verifier.verify(chain[0], chain[1:])
    except verification.VerificationError:
        return False
    return True


def test_a_second_look_changes_nothing(tmp_path):
    issued = ensure_certificates(tmp_path, NAMES, START)
    assert issued.changed
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert not ensure_certificates(tmp_path, NAMES, START + 300 * DAY).changed
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    assert sorted(before) == ["ca.key", "ca.pem", "server.key", "server.pem"]


def test_it_is_good_for_its_names_and_its_time(tmp_path):
    issued = ensure_certificates(tmp_path, NAMES, START)
    assert trusts(issued, "treasury.castle", START)
    assert not trusts(issued, "elsewhere.castle", START)
    assert not trusts(issued, "treasury.castle", START + 366 * DAY)
    assert trusts(issued, "treasury.castle", START - DAY / 2)  # a machine that is half a day behind
    carried = first(issued.chain).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert carried.get_values_for_type(x509.DNSName) == ["treasury.castle", "localhost"]
    assert [str(address) for address in carried.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "10.89.77.1"]
    key = first(issued.ca).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"


@pytest.mark.parametrize(("days", "renewed"), [(334, False), (336, True), (500, True)])
def test_the_server_certificate_is_renewed_in_its_last_30_days_by_the_same_authority(tmp_path, days, renewed):
    ca = ensure_certificates(tmp_path, NAMES, START).ca.read_bytes()
    later = ensure_certificates(tmp_path, NAMES, START + days * DAY)
    assert later.changed is renewed
    assert later.ca.read_bytes() == ca
    assert trusts(later, "treasury.castle", START + days * DAY)


def test_other_names_need_another_certificate(tmp_path):
    ensure_certificates(tmp_path, NAMES, START)
    assert ensure_certificates(tmp_path, [*NAMES[:-1], "10.89.78.1"], START).changed


def test_the_authority_lasts_ten_years_and_takes_the_server_with_it(tmp_path):
    ca = ensure_certificates(tmp_path, NAMES, START).ca.read_bytes()
    assert ensure_certificates(tmp_path, NAMES, START + 3600 * DAY).ca.read_bytes() == ca
    later = ensure_certificates(tmp_path, NAMES, START + 3640 * DAY)
    assert later.changed
    assert later.ca.read_bytes() != ca
    assert trusts(later, "treasury.castle", START + 3640 * DAY)


def test_keys_are_for_their_owner_only_and_lost_ones_are_made_anew(tmp_path):
    directory = tmp_path / "tls"
    issued = ensure_certificates(directory, NAMES, START)
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in directory.iterdir()} == {0o600}
    issued.key.unlink()
    assert ensure_certificates(directory, NAMES, START).changed
