"""One name per algorithm, and nothing unknown is dropped."""

import pytest

from qorridor.discover.names import by_group, by_oid, by_suite


@pytest.mark.parametrize(
    ("spelling", "name", "quantum"),
    [("X25519MLKEM768", "X25519MLKEM768", "hybrid"), ("x25519", "X25519", "shor-broken"), ("MLKEM768", "ML-KEM-768", "pqc"),
     ("prime256v1", "ECDH-P-256", "shor-broken"), ("SecP256r1MLKEM768", "SecP256r1MLKEM768", "hybrid"),
     ("new-group", "new-group", "unknown")],
)  # fmt: skip
def test_groups_in_any_spelling(spelling, name, quantum):
    assert (by_group(spelling).name, by_group(spelling).quantum_class) == (name, quantum)


@pytest.mark.parametrize(
    ("oid", "name", "quantum"),
    [("1.2.840.113549.1.1.11", "RSA-PKCS1-SHA-256", "shor-broken"), ("1.2.840.113549.1.1.5", "RSA-PKCS1-SHA-1", "broken-today"),  # noqa: E501
     ("2.16.840.1.101.3.4.3.18", "ML-DSA-65", "pqc"), ("1.2.3", "1.2.3", "unknown")],
)  # fmt: skip
def test_oids_and_what_is_unknown_keeps_its_oid(oid, name, quantum):
    assert (by_oid(oid).name, by_oid(oid).quantum_class) == (name, quantum)


def test_a_key_says_its_size_or_curve():
    assert by_oid("1.2.840.113549.1.1.1", size=2048).name == "RSA-2048"
    assert by_oid("1.2.840.10045.2.1", curve="P-384").name == "EC-P-384"


@pytest.mark.parametrize(
    ("suite", "name", "quantum"),
    [("TLS_AES_256_GCM_SHA384", "AES-256-GCM", "symmetric-safe"), ("ECDHE-RSA-AES128-SHA", "AES-128-CBC", "grover-weakened"),
     ("TLS_CHACHA20_POLY1305_SHA256", "ChaCha20-Poly1305", "symmetric-safe"), ("RC4-MD5", "RC4-MD5", "broken-today"),
     ("", "unknown", "unknown")],
)  # fmt: skip
def test_cipher_suites(suite, name, quantum):
    assert (by_suite(suite).name, by_suite(suite).quantum_class) == (name, quantum)
