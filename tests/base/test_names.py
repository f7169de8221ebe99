"""Identities and key IDs have exactly one form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qorridor.base.names import Identity, key_id, key_id_bytes, key_id_text, trust_domain


def test_an_identity_is_read_back_from_its_uri():
    identity = Identity("meridian-bank", "sae", "core-replication-london")
    assert Identity.parse(identity.uri) == identity


@pytest.mark.parametrize(
    "uri",
    ["", "spiffe://a/b/c", "http://a/node/b", "spiffe://A/node/b", "spiffe://a/node/b?x", "spiffe://a/node/",
     "spiffe://a/node/b\n", "spiffe://a/node/b\x00", " spiffe://a/node/b"],
)  # fmt: skip
def test_every_other_uri_is_refused(uri):
    with pytest.raises(ValueError):
        Identity.parse(uri)


@pytest.mark.parametrize(
    ("name", "domain"), [("Meridian Bank", "meridian-bank"), ("Ö!", "organisation"), ("a--b", "a-b")]
)
def test_the_trust_domain_is_the_name_with_hyphens(name, domain):
    assert trust_domain(name) == domain


@given(st.binary(min_size=16, max_size=16))
def test_sixteen_bytes_make_a_valid_version_4_key_id(data):
    text = key_id_text(data)
    assert key_id(text.upper()) == text
    assert text[14] == "4"
    assert text[19] in "89ab"
    assert key_id_text(key_id_bytes(text)) == text


@pytest.mark.parametrize(
    "text", ["", "x" * 36, "0" * 32, "00000000-0000-0000-0000-00000000000", "{" + "0" * 36 + "}"]
)
def test_what_is_no_uuid_is_no_key_id(text):
    with pytest.raises(ValueError):
        key_id(text)
