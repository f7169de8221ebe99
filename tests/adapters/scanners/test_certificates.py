"""Certificate and key files: every file is accounted for, private keys stay where they are."""

import hashlib
import os

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from qorridor.adapters.scanners.certificates import LARGEST, scan_folder
from qorridor.records.observations import Coverage, Observation


def split(folder):
    seen = list(scan_folder(folder))
    return [o for o in seen if isinstance(o, Observation)], [c for c in seen if isinstance(c, Coverage)]


@pytest.mark.requirement("B-01")
def test_certificates_in_pem_and_der_are_one_certificate(tmp_path, leaf):
    (tmp_path / "a.pem").write_bytes(b"# comment\r\n" + leaf.pem.replace(b"\n", b"\r\n"))
    (tmp_path / "b.der").write_bytes(leaf.certificate.public_bytes(Encoding.DER))
    seen, coverage = split(tmp_path)
    assert len({one.facts["fingerprint"] for one in seen}) == 1
    assert [unit.state for unit in coverage] == ["parsed", "parsed"]
    assert seen[0].facts["curve"] == "P-256"


def test_each_certificate_of_a_bundle_has_its_place(tmp_path, leaf):
    (tmp_path / "chain.pem").write_bytes(leaf.chain_pem)
    seen, _ = split(tmp_path)
    assert [one.locator.rpartition("#")[2] for one in seen] == ["0", "1"]
    assert [one.facts["role"] for one in seen] == ["leaf", "intermediate"]


def test_ml_dsa_certificates_are_read(tmp_path, quantum_leaf):
    (tmp_path / "q.pem").write_bytes(quantum_leaf.pem)
    (seen,), _ = split(tmp_path)
    assert seen.facts["signature_oid"] == "2.16.840.1.101.3.4.3.18"


def test_a_private_key_is_known_by_its_public_half_only(tmp_path, leaf):
    path = tmp_path / "key.pem"
    path.write_bytes(leaf.key_pem)
    path.chmod(0o644)
    (tmp_path / "cert.pem").write_bytes(leaf.pem)
    seen, _ = split(tmp_path)
    key = next(one for one in seen if one.facts["kind"] == "private-key")
    certificate = next(one for one in seen if one.facts["kind"] == "certificate")
    assert key.facts["spki"] == certificate.facts["spki"]
    assert key.facts["readable_by_others"] is True
    secret = load_pem_private_key(leaf.key_pem, None).private_numbers().private_value
    assert hashlib.sha256(leaf.key_pem).hexdigest() not in repr(key)
    assert f"{secret:x}" not in repr(key)


def test_an_encrypted_key_is_recorded_without_a_password(tmp_path, leaf):
    key = load_pem_private_key(leaf.key_pem, None)
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    )
    (seen,), (unit,) = split(tmp_path)
    assert seen.facts["encrypted"] is True
    assert unit.state == "parsed"


def test_every_file_is_parsed_skipped_or_failed(tmp_path, leaf):
    (tmp_path / "text.txt").write_text("hello")
    (tmp_path / "broken.pem").write_bytes(leaf.pem.replace(b"MII", b"AII", 1))
    (tmp_path / "huge.pem").write_bytes(leaf.pem + bytes(LARGEST))
    (tmp_path / "noise.der").write_bytes(b"\x30\x82" + bytes(50))
    os.symlink(tmp_path / "text.txt", tmp_path / "link.pem")
    os.mkfifo(tmp_path / "pipe.pem")
    seen, coverage = split(tmp_path)
    assert not seen
    assert {unit.locator.rpartition("/")[2]: (unit.state, unit.why) for unit in coverage} == {
        "text.txt": ("skipped", "unsupported-format"), "broken.pem": ("failed", "parse-error"),
        "huge.pem": ("skipped", "too-large"), "noise.der": ("failed", "parse-error"),
        "link.pem": ("skipped", "out-of-scope"), "pipe.pem": ("skipped", "out-of-scope"),
    }  # fmt: skip
