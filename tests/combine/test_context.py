from dataclasses import replace

import cbor2
import pytest
from hypothesis import given, settings

from qorridor.base.errors import KeySupplyError
from qorridor.base.secret import Secret
from qorridor.combine import Mode, derive
from tests.combine.examples import BY_NAME, components, context, epochs, nonces

KAT = BY_NAME["KAT-1"]

ILLEGAL = {
    "epoch 0": {"epoch": 0},
    "epoch 2^63": {"epoch": 2**63},
    "a text of 129 characters": {"corridor": "x" * 129},
    "an empty text": {"policy": ""},
    "a text that is not ASCII": {"corridor": "thämes"},
    "a space in a text": {"group": "a b"},
    "a key_ID of 15 bytes": {"key_ids": (bytes(15),)},
    "a key_ID twice": {"key_ids": (bytes(16), bytes(16))},
    "a short transcript": {"transcript": bytes(47)},
    "no KEM digest": {"kem_digest": b""},
    "an unknown suite": {"suite": "MLKEM768-HKDF"},
    "an unknown mode": {"mode": "qkd-only"},
    "an unknown profile": {"profile": "qorridor/qcomb/2"},
    "three SAEs": {"saes": ("a", "b", "c")},
}


@pytest.mark.parametrize("case", ILLEGAL)
def test_an_illegal_context_field_is_refused(case):
    with pytest.raises(KeySupplyError) as refused:
        replace(context(KAT), **ILLEGAL[case])
    assert refused.value.code == "Q-KEY-003"


def test_the_exporter_suite_has_no_kem_digest():
    with pytest.raises(KeySupplyError):
        replace(context(BY_NAME["KAT-3"]), kem_digest=bytes(48))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"mode": Mode.PQC_ONLY}, "Q-KEY-002"),
        ({"key_ids": ()}, "Q-KEY-002"),
        ({"key_ids": (bytes(16), bytes([1]) * 16, bytes([2]) * 16)}, "Q-KEY-004"),
    ],
)
def test_mode_key_ids_and_qkd_component_must_agree(change, code):
    with pytest.raises(KeySupplyError) as refused:
        derive(components(KAT), *nonces(KAT), replace(context(KAT), **change))
    assert refused.value.code == code


def test_hybrid_without_qkd_key_is_refused():
    parts = replace(components(KAT), qkd=None)
    with pytest.raises(KeySupplyError) as refused:
        derive(parts, *nonces(KAT), context(KAT))
    assert refused.value.code == "Q-KEY-002"


def test_a_suite_that_the_components_do_not_have_is_refused():
    other = replace(components(BY_NAME["KAT-2"]), qkd=Secret(bytes(32)))
    with pytest.raises(KeySupplyError):
        derive(other, *nonces(KAT), context(KAT))


@settings(max_examples=60, deadline=None)
@given(epochs())
def test_the_context_is_what_an_independent_library_encodes(epoch):
    parts, _, _, ctx = epoch
    encoded = ctx.encode(parts)
    fields = cbor2.loads(encoded)
    assert list(fields) == list(range(15))
    assert cbor2.dumps(fields, canonical=True) == encoded
    assert fields[3] == ctx.epoch
