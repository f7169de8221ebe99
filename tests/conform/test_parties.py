"""Addresses, certificates and SAE IDs of those who take part."""

import dataclasses
from pathlib import Path

import pytest
from cryptography import x509

from qorridor.app.conform.command import Request, addresses, check_agreed, missing, people
from qorridor.app.conform.parties import Address, address, imposters, read_party, sae_id_of
from qorridor.base.errors import OutsideError, PolicyRefusal
from qorridor.prove.conformance.table import BY_NAME
from tests.support.reference_net import Certificates

HERE = Address("127.0.0.1", 1)


@pytest.fixture(scope="module")
def certificates():
    return Certificates()


@pytest.mark.parametrize(
    ("url", "host", "port", "authority", "loopback", "name"),
    [
        ("https://kme.example", "kme.example", 443, "kme.example:443", False, "kme.example"),
        ("https://127.0.0.1:8443/", "127.0.0.1", 8443, "127.0.0.1:8443", True, ""),
        ("https://[::1]:1", "::1", 1, "[::1]:1", True, ""),
        ("https://localhost:7", "localhost", 7, "localhost:7", True, "localhost"),
        ("https://192.0.2.1", "192.0.2.1", 443, "192.0.2.1:443", False, ""),
    ],
)
def test_a_url_is_read(url, host, port, authority, loopback, name):
    at = address(url)
    assert (at.host, at.port, at.authority) == (host, port, authority)
    assert (at.is_loopback, at.server_name) == (loopback, name)


@pytest.mark.parametrize(
    "url", ["", "kme", "http://k", "https://", "https://k/api", "https://k?x=1", "https://k:x"]
)
def test_a_url_of_another_form_is_refused(url):
    with pytest.raises(ValueError):
        address(url)


def test_b_and_c_use_the_kme_that_is_named_last():
    request = Request(kme="https://a", sae=Path(), peer_sae=Path(), ca=Path())
    assert {at.host for at in addresses(request).values()} == {"a"}
    request = dataclasses.replace(request, peer_kme="https://b")
    assert [addresses(request)[role].host for role in "ABC"] == ["a", "b", "b"]
    request = dataclasses.replace(request, third_kme="https://c")
    assert [addresses(request)[role].host for role in "ABC"] == ["a", "b", "c"]


def test_only_a_kme_of_this_machine_is_tested_without_a_yes():
    request = Request(kme="https://[::1]", sae=Path(), peer_sae=Path(), ca=Path())
    check_agreed(request)
    request = dataclasses.replace(request, peer_kme="https://kme.example")
    with pytest.raises(PolicyRefusal):
        check_agreed(request)
    check_agreed(dataclasses.replace(request, is_agreed=True))


def test_an_sae_id_is_the_uri_name_else_the_common_name_else_what_was_said(certificates, leaf):
    trust = certificates.authority.trust
    assert read_party("A", certificates.saes["a"], HERE, trust).sae_id == "a"
    assert read_party("A", certificates.saes["a"], HERE, trust, "other").sae_id == "other"
    kme = x509.load_pem_x509_certificate(certificates.kme.read_bytes())
    assert sae_id_of(kme) == "kme"
    assert sae_id_of(leaf.certificate) == "london"


def test_what_a_party_shows_of_itself_names_no_key_file(certificates):
    party = read_party("A", certificates.saes["a"], HERE, certificates.authority.trust)
    assert "PRIVATE" not in repr(party)
    assert "credentials" not in repr(party)


def test_imposters_carry_the_names_of_the_honest_and_another_key(certificates, tmp_path):
    honest = read_party("A", certificates.saes["a"], HERE, certificates.authority.trust)
    leaf = x509.load_pem_x509_certificates(certificates.saes["a"].read_bytes())[0]
    authority = x509.load_pem_x509_certificate(certificates.authority.trust.read_bytes())
    made = imposters(honest, tmp_path)
    assert set(made) == {"self-signed", "other-authority"}
    for party in made.values():
        file = party.credentials.chains[0][0]
        false = x509.load_pem_x509_certificates(file.read_bytes())[0]
        assert false.subject == leaf.subject
        assert list(false.extensions) == list(leaf.extensions)
        assert false.public_key() != leaf.public_key()
        with pytest.raises(Exception, match=r".*"):
            false.verify_directly_issued_by(authority)
        assert file.stat().st_mode & 0o077 == 0


def test_each_need_is_an_option_that_can_be_given(certificates):
    request = Request(kme="https://a", sae=Path(), peer_sae=Path(), ca=Path())
    needy = [case for case in BY_NAME.values() if case.needs]
    assert len(needy) >= 10
    for case in needy:
        assert missing(case, request) == ", ".join(case.needs)
    given = dataclasses.replace(
        request, third_sae=Path("c"), outsider=Path("x"), unsatisfiable={"x": 1},
        bad=dict.fromkeys(("expired", "not-yet-valid", "wrong-use", "revoked", "revocable"), Path("b")),
        hooks=dict.fromkeys(("restart", "revoke", "peer-stop", "peer-start"), "true"),
    )  # fmt: skip
    assert not any(missing(case, given) for case in needy)


def test_everybody_is_read_and_bad_certificates_speak_as_a(certificates):
    made = certificates
    request = Request(
        kme="https://a", sae=made.saes["a"], peer_sae=made.saes["b"], ca=made.authority.trust,
        third_sae=made.saes["c"], outsider=made.outsider, bad={"wrong-use": made.bad["wrong-use"]}, names={"B": "bee"},
    )  # fmt: skip
    found = people(request)
    assert [found.a.sae_id, found.b.sae_id, found.c.sae_id, found.outsider.sae_id] == [
        "a",
        "bee",
        "c",
        "stranger",
    ]
    assert found.bad["wrong-use"].sae_id == "a"
    with pytest.raises(OutsideError):
        people(dataclasses.replace(request, ca=Path("gone.pem")))
