"""ML-KEM with a traditional exchange: equal secrets at both ends, malformed values refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qorridor.adapters.wire.key_exchange import HybridKeyExchange
from qorridor.base.errors import KeySupplyError
from qorridor.combine.components import Suite

SUITES = [str(suite) for suite in Suite][:2]
exchange = HybridKeyExchange()


@pytest.mark.parametrize("suite", SUITES)
def test_both_ends_share_both_secrets(suite):
    offer = exchange.offer(suite)
    ciphertext, public, theirs = exchange.answer(suite, offer.encapsulation_key, offer.public)
    ours = offer.finish(ciphertext, public)
    assert ours.mlkem == theirs.mlkem
    assert ours.traditional == theirs.traditional
    assert len(ours.mlkem) == 32
    assert ours.mlkem != ours.traditional


@pytest.mark.parametrize("suite", SUITES)
def test_two_offers_have_nothing_in_common(suite):
    one, two = exchange.offer(suite), exchange.offer(suite)
    assert one.encapsulation_key != two.encapsulation_key
    assert one.public != two.public


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize(
    "spoil", [lambda b: b"", lambda b: b[:-1], lambda b: b + b"\0", lambda b: bytes(len(b))]
)
def test_malformed_values_are_refused_with_a_code(suite, spoil):
    offer = exchange.offer(suite)
    ciphertext, public, _ = exchange.answer(suite, offer.encapsulation_key, offer.public)
    with pytest.raises(KeySupplyError) as error:
        exchange.answer(suite, offer.encapsulation_key, spoil(offer.public))
    assert error.value.code == "Q-KEY-032"
    with pytest.raises(KeySupplyError):
        offer.finish(ciphertext, spoil(public))
    if len(spoil(ciphertext)) != len(ciphertext):
        with pytest.raises(KeySupplyError):
            offer.finish(spoil(ciphertext), public)
        with pytest.raises(KeySupplyError):
            exchange.answer(suite, spoil(offer.encapsulation_key), offer.public)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(SUITES), st.binary(max_size=1600), st.binary(max_size=100))
def test_random_values_are_refused_or_answered_never_a_crash(suite, encapsulation_key, public):
    try:
        exchange.answer(suite, encapsulation_key, public)
    except KeySupplyError as error:
        assert error.code == "Q-KEY-032"
