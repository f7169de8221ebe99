"""The standard's words, without sockets: every text is read strictly and every answer is valid JSON."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qorridor.base.secret import Secret
from qorridor.faces.api import etsi014_wire as wire
from qorridor.records.keys import DeliveredKey


def refusal(call, *arguments):
    with pytest.raises(wire.WireError) as error:
        call(*arguments)
    return error.value


@pytest.mark.parametrize("name", ["\x85", "\\", '"', "\x01", "\ud7ff", "é" * 40, "'"])
def test_a_refused_query_parameter_is_named_in_valid_json(name):
    error = refusal(wire.read_query, f"{name}=1", ("number",))
    response = wire.error_response(error)
    assert response.status == 400
    assert "query parameter" in json.loads(response.body)["message"]


def test_the_five_texts_of_the_standard_are_sent_byte_for_byte():
    for text in (wire.SIZE_NOT_BYTES, wire.MANDATORY_UNSUPPORTED, wire.KEYS_NOT_FOUND):
        assert json.loads(wire.error_response(wire.WireError(400, text)).body) == {"message": text}


def test_401_has_no_body_and_asks_for_a_certificate_d7():
    response = wire.error_response(wire.WireError(401, "whatever"))
    assert response.body == b""
    assert response.headers["WWW-Authenticate"] == "ClientCert"


def test_types_are_looked_at_before_sizes_and_sizes_before_extensions_d5():
    order = [
        ({"number": "x", "size": 7}, "number shall"),
        ({"number": 0, "size": 7}, "multiple of 8"),
        ({"number": 0, "size": 8}, "size shall be between"),
        ({"number": 0, "additional_slave_SAE_IDs": ["c"]}, "number shall be between"),
        ({"additional_slave_SAE_IDs": ["c"], "extension_mandatory": [{"x": 1}]}, "multicast"),
        ({"extension_mandatory": [{"x": 1}]}, "extension_mandatory"),
    ]
    for members, words in order:
        assert words in refusal(wire.read_key_request, "POST", "", json.dumps(members).encode()).message


def test_a_key_container_holds_canonical_base64_and_says_simulated():
    keys = [DeliveredKey("id-1", Secret(bytes(range(32))), simulated=True)]
    container = wire.key_container(keys)
    assert container["keys"] == [{"key_ID": "id-1", "key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}]
    assert container["key_container_extension"] == {"qorridor_simulated": True}
    keys = [DeliveredKey("id-1", Secret(bytes(32)), simulated=False)]
    assert "key_container_extension" not in wire.key_container(keys)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["GET", "POST"]), st.text(max_size=30), st.binary(max_size=60))
def test_any_query_and_body_is_a_request_or_a_400(method, query, body):
    for read in (wire.read_key_request, wire.read_key_ids):
        try:
            read(method, query, body)
        except wire.WireError as error:
            assert error.status == 400
            json.loads(wire.error_response(error).body)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60) | st.text(max_size=20).map("/api/v1/keys/{}/status".format))
def test_any_path_names_one_sae_or_nothing(path):
    try:
        target = wire.read_target("GET", path)
    except wire.WireError as error:
        assert error.status in {400, 404, 405}
    else:
        assert target.sae_id.isascii()
        assert target.method in {"status", "enc_keys", "dec_keys"}
