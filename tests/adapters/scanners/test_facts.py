"""Facts of certificates, also of those that no library reads."""

import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qorridor.adapters.scanners.certificates import scan_file
from qorridor.adapters.scanners.facts import certificate_facts, spki_of, spki_oid
from qorridor.records.observations import Coverage

EC_OID, STRANGE_OID = bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06072a8648ce3d027f")


def test_the_public_key_is_found_in_the_der_without_reading_it(leaf, quantum_leaf):
    for one in (leaf, quantum_leaf):
        spki = one.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        assert spki_of(one.certificate.tbs_certificate_bytes) == spki
        assert spki_oid(spki) == one.certificate.public_key_algorithm_oid.dotted_string


def test_a_key_of_an_unknown_kind_is_recorded_with_its_oid_and_digest(leaf):
    der = leaf.certificate.public_bytes(Encoding.DER).replace(EC_OID, STRANGE_OID)
    certificate = x509.load_der_x509_certificate(der)
    facts = certificate_facts(certificate)
    assert facts["key_oid"] == "1.2.840.10045.2.127"
    assert facts["spki"] == hashlib.sha256(spki_of(certificate.tbs_certificate_bytes)).hexdigest()
    assert facts["key_size"] is None


@given(st.binary(max_size=60))
def test_what_is_no_der_is_refused(data):
    for read in (spki_of, spki_oid):
        try:
            read(data)
        except ValueError:
            continue


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(position=st.integers(0, 330), value=st.integers(0, 255))
def test_any_changed_byte_of_a_certificate_ends_as_a_coverage_record(tmp_path, leaf, position, value):
    der = bytearray(leaf.certificate.public_bytes(Encoding.DER))
    der[position % len(der)] = value
    path = tmp_path / "x.der"
    path.write_bytes(der)
    units = [one for one in scan_file(path) if isinstance(one, Coverage)]
    assert len(units) == 1


@pytest.mark.parametrize(
    "data", [b"-----BEGIN CERTIFICATE-----\n", b"-----BEGIN X-----\nAA\n-----END X-----", b"\x30\x82"]
)
def test_a_broken_file_ends_as_a_coverage_record(tmp_path, data):
    (tmp_path / "x").write_bytes(data)
    (unit,) = scan_file(tmp_path / "x")
    assert unit.state in {"failed", "skipped"}
