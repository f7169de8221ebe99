from dataclasses import replace

import numpy as np
import pytest

from qorridor.base.errors import KeySupplyError
from qorridor.base.secret import Secret
from qorridor.combine import Profile, agreement_tag, derive, derive_xor
from qorridor.combine.keys import extract
from tests.combine.examples import BY_NAME, VECTORS, components, context, nonces

KAT = BY_NAME["KAT-1"]


def keys(parts=None):
    return derive_xor(parts or components(KAT), *nonces(KAT), context(KAT, Profile.QCOMB_X))


def test_the_published_xor_vector_is_met():
    vector = VECTORS["xor"]
    assert extract(components(KAT), *nonces(KAT), xor=True).reveal().hex() == vector["prk"]
    epoch = keys()
    assert epoch.context_digest.hex() == vector["context_digest"]
    pad = epoch.pad("i", components(KAT).qkd)
    assert pad.take(vector["tunnel"], 32).reveal().hex() == vector["pad"]


def test_confirmations_do_not_depend_on_the_qkd_stream():
    left, right = keys(), keys(replace(components(KAT), qkd=Secret(bytes(32))))
    assert left.mac("i") == right.mac("i")
    assert left.mac("r") == right.mac("r")
    assert left.audit_commitment == right.audit_commitment


def test_a_uniform_stream_gives_uniform_pads():
    rng = np.random.Generator(np.random.Philox(7))
    pad = keys().pad("i", Secret(rng.bytes(65536)))
    data = np.frombuffer(b"".join(bytes(pad.take("t", 4096).reveal()) for _ in range(16)), np.uint8)
    counts = np.bincount(data, minlength=256)
    chi2 = float(((counts - 256) ** 2 / 256).sum())
    assert 255 - 5 * 510**0.5 < chi2 < 255 + 5 * 510**0.5


def test_no_stream_byte_is_used_twice_whatever_the_schedule():
    rng = np.random.Generator(np.random.Philox(11))
    stream = bytes(rng.bytes(3000))
    pad, used = keys().pad("r", Secret(stream)), 0
    while pad.left:
        size = int(min(pad.left, rng.integers(1, 100)))
        pad.take("t", size)
        used += size
        assert pad.left == len(stream) - used
        assert not any(pad._stream[:used])
    with pytest.raises(KeySupplyError) as refused:
        pad.take("t", 1)
    assert refused.value.code == "Q-KEY-007"


def test_pqc_only_and_other_profiles_are_refused():
    with pytest.raises(KeySupplyError):
        derive_xor(replace(components(KAT), qkd=None), *nonces(KAT), context(KAT, Profile.QCOMB_X))
    with pytest.raises(ValueError, match="QCOMB-X"):
        derive_xor(components(KAT), *nonces(KAT), context(KAT))
    with pytest.raises(ValueError, match="QCOMB-1"):
        derive(components(KAT), *nonces(KAT), context(KAT, Profile.QCOMB_X))
    with pytest.raises(ValueError, match="pads"):
        keys().output("tls-psk", "t")


def test_the_stream_agreement_tag_needs_the_same_stream():
    key = Secret(bytes(range(32)))
    assert agreement_tag(Secret(b"a" * 64), key) != agreement_tag(Secret(b"b" * 64), key)
