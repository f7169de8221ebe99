"""What the authority signs: one identity, short lives, the uses of its kind."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from qorridor.adapters.wire import certificates as c
from qorridor.base.names import Identity

NOW = datetime(2027, 1, 1, tzinfo=UTC)
LONDON = Identity("bank", "node", "london")


@pytest.fixture(scope="module")
def issuer():
    return c.make_issuer(c.make_root("Bank", "ecdsa-p384", NOW, "root"), "Bank", "ecdsa-p256", NOW, "issuer")


@pytest.mark.parametrize(
    ("kind", "uses"),
    [
        ("node", {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH}),
        ("link", {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH}),
        ("sae", {ExtendedKeyUsageOID.CLIENT_AUTH}),
        ("operator", {ExtendedKeyUsageOID.CLIENT_AUTH}),
    ],
)
def test_nodes_and_links_are_servers_too_saes_and_operators_only_clients(issuer, kind, uses):
    identity, key = Identity("bank", kind, "x"), c.generate_key("ecdsa-p256")
    leaf = c.sign_request(issuer, c.make_request(identity, key), identity, NOW, lambda _: True)
    assert set(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == uses


@pytest.mark.parametrize("algorithm", ["ecdsa-p256", "ecdsa-p384", "ml-dsa-65", "ml-dsa-87"])
def test_a_leaf_lives_a_fortnight_and_begins_five_minutes_back(issuer, algorithm):
    key = c.generate_key(algorithm)
    leaf = c.sign_request(
        issuer, c.make_request(LONDON, key, ("127.0.0.1", "a.example")), LONDON, NOW, lambda _: True
    )
    assert leaf.not_valid_before_utc == NOW - timedelta(minutes=5)
    assert leaf.not_valid_after_utc == NOW + timedelta(days=14)
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [LONDON.uri]
    assert names.get_values_for_type(x509.DNSName) == ["a.example"]
    leaf.verify_directly_issued_by(issuer.certificate)


def test_a_request_for_another_identity_is_refused(issuer):
    request = c.make_request(Identity("bank", "node", "hayes"), c.generate_key("ecdsa-p256"))
    with pytest.raises(ValueError, match="another identity"):
        c.sign_request(issuer, request, LONDON, NOW, lambda _: True)


def test_a_request_whose_bytes_were_changed_is_refused(issuer):
    from cryptography.hazmat.primitives.serialization import Encoding

    request = x509.load_pem_x509_csr(c.make_request(LONDON, c.generate_key("ecdsa-p256")))
    der = bytearray(request.public_bytes(Encoding.DER))
    der[-1] ^= 1
    changed = x509.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM)
    with pytest.raises(ValueError, match="not signed by its own key"):
        c.sign_request(issuer, changed, LONDON, NOW, lambda _: True)


def test_a_request_with_a_weak_or_foreign_key_is_refused(issuer):
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256K1())
    with pytest.raises(ValueError, match="neither P-256"):
        c.sign_request(issuer, c.make_request(LONDON, key), LONDON, NOW, lambda _: True)


def test_an_issuing_authority_signs_leaves_only(issuer):
    limits = issuer.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (limits.ca, limits.path_length) == (True, 0)


def test_a_host_name_that_is_not_admitted_is_refused_and_no_other_kind_of_name_gets_in(issuer):
    key = c.generate_key("ecdsa-p256")
    request = c.make_request(LONDON, key, ("a.example", "b.example"))
    with pytest.raises(ValueError, match=r"no name b\.example"):
        c.sign_request(issuer, request, LONDON, NOW, "a.example".__eq__)
    names = [x509.UniformResourceIdentifier(LONDON.uri), x509.RFC822Name("root@bank.example")]
    odd = (
        x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
        .add_extension(x509.SubjectAlternativeName(names), critical=False).sign(key, SHA256())
    )  # fmt: skip
    with pytest.raises(ValueError, match="RFC822Name"):
        c.sign_request(issuer, odd.public_bytes(Encoding.PEM), LONDON, NOW, lambda _: True)
