from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ephemeral_castle.postgres.scram import is_verifier, saslprep, verifier, verify

# RFC 7677 section 3
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
AUTH_MESSAGE = (
    b"n=user,r=rOprNGfwEbeRWgbNEkqO,"
    b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
)
PROOF = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
SERVER_SIGNATURE = base64.b64decode("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


def test_the_vector_of_rfc_7677():
    text = verifier("pencil", SALT)
    prefix, parameters, keys = text.split("$")
    stored, server = (base64.b64decode(part) for part in keys.split(":"))

    assert prefix == "SCRAM-SHA-256"
    assert parameters == "4096:W22ZaJ0SNY7soEsUEjb6gQ=="
    assert hmac.digest(server, AUTH_MESSAGE, "sha256") == SERVER_SIGNATURE
    signature = hmac.digest(stored, AUTH_MESSAGE, "sha256")
    client_key = bytes(a ^ b for a, b in zip(PROOF, signature, strict=True))
    assert hashlib.sha256(client_key).digest() == stored


def test_two_verifiers_of_one_password_differ_and_both_hold():
    one, two = verifier("pencil"), verifier("pencil")
    assert one != two
    assert verify("pencil", one)
    assert verify("pencil", two)
    assert not verify("pencils", one)


# Verified against PostgreSQL 15, which prepares the same way and takes forbidden texts as they are.
@pytest.mark.parametrize(
    ("password", "prepared"),
    [
        ("pencil", "pencil"),
        ("a\u00a0b", "a b"),
        ("I\u00adX", "IX"),
        ("\u2168", "IX"),
        ("\u00aa", "a"),
        ("e\u0301", "\u00e9"),
        ("\u0007bell", "\u0007bell"),
        ("\u06271", "\u06271"),
        ("\u0627a\u0628", "\u0627a\u0628"),
        ("\u0221", "\u0221"),
        ("\u00ad", "\u00ad"),
    ],
)
def test_saslprep(password: str, prepared: str):
    assert saslprep(password) == prepared


def test_equivalent_forms_share_a_verifier():
    assert verify("e\u0301", verifier("\u00e9"))


@pytest.mark.parametrize("password", ["", "a\0b"])
def test_impossible_passwords(password: str):
    with pytest.raises(ValueError, match="password"):
        verifier(password)


def test_impossible_parameters():
    with pytest.raises(ValueError, match="salt"):
        verifier("x", b"")
    with pytest.raises(ValueError, match="iteration"):
        verifier("x", b"salt", 0)


GOOD = verifier("pencil", SALT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pencil",
        "md5" + "0" * 32,
        GOOD[:-1],
        GOOD + "=",
        GOOD.replace("SHA-256", "SHA-1"),
        GOOD.replace("4096", "0"),
        GOOD.replace("4096", "-1"),
        "SCRAM-SHA-256$4096:AA==$AA==:AA==",
        GOOD + "'; DROP ROLE x; --",
    ],
)
def test_what_is_no_verifier(text: str):
    assert not is_verifier(text)
    assert not verify("pencil", text)


@settings(max_examples=30)
@given(st.text(min_size=1).filter(lambda text: "\0" not in text), st.binary(min_size=1, max_size=32))
def test_every_password_verifies(password: str, salt: bytes):
    text = verifier(password, salt, iterations=1)
    assert is_verifier(text)
    assert verify(password, text)
    assert not verify(password + "x", text)
