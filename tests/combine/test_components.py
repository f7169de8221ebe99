import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qorridor.base.errors import KeySupplyError
from qorridor.base.secret import Secret
from qorridor.combine import Components, Suite, join_keys

X = Suite.MLKEM768_X25519


def parts(qkd=None, traditional=bytes(32), static=None, suite=X, mlkem=bytes(32)):
    wrap = lambda data: None if data is None else Secret(data)
    return Components(suite, Secret(mlkem), wrap(qkd), wrap(traditional), wrap(static))


ILLEGAL = {
    "a QKD key of 31 bytes": {"qkd": bytes(31)},
    "an empty QKD key": {"qkd": b""},
    "a short ML-KEM secret": {"mlkem": bytes(31)},
    "no traditional secret": {"traditional": None},
    "a P-384 secret in the X25519 suite": {"traditional": bytes(48)},
    "a traditional secret beside the exporter": {"suite": Suite.TLS_EXPORTER, "mlkem": bytes(48)},
    "a static PSK of 31 bytes": {"static": bytes(31)},
    "a static PSK of 65 bytes": {"static": bytes(65)},
}


@pytest.mark.parametrize("case", ILLEGAL)
def test_a_component_of_illegal_length_is_refused_before_anything_is_derived(case):
    with pytest.raises(KeySupplyError) as refused:
        parts(**ILLEGAL[case])
    assert refused.value.code == "Q-KEY-001"


def test_more_than_1024_bytes_of_qkd_key_are_refused_by_the_kdf_profile():
    with pytest.raises(KeySupplyError):
        parts(qkd=bytes(1056)).input_keying_material()


def test_keys_of_mixed_sizes_are_refused():
    assert len(join_keys([Secret(bytes(32)), Secret(bytes(32))])) == 64
    for keys in ([Secret(bytes(32)), Secret(bytes(64))], []):
        with pytest.raises(KeySupplyError) as refused:
            join_keys(keys)
        assert refused.value.code == "Q-KEY-004"


one = st.binary(min_size=32, max_size=32)
tuples = st.tuples(
    one, st.none() | st.binary(min_size=32, max_size=70), one, st.none() | st.binary(min_size=32, max_size=64)
)


@settings(max_examples=200, deadline=None)
@given(tuples, tuples)
def test_distinct_components_never_share_one_keying_material(left, right):
    build = lambda t: bytes(
        parts(mlkem=t[0], qkd=t[1], traditional=t[2], static=t[3]).input_keying_material()
    )
    assert (build(left) == build(right)) == (left == right)


def test_bytes_moved_across_a_slot_border_change_the_keying_material():
    stream = bytes(range(200))
    seen = set()
    for size in range(32, 97):
        built = parts(qkd=stream[:size], static=stream[size : size + 32], mlkem=bytes(32))
        seen.add(bytes(built.input_keying_material()))
    assert len(seen) == 65


def test_wiping_empties_every_component():
    whole = parts(qkd=bytes(32), static=bytes(32))
    whole.wipe()
    assert not any(map(len, (whole.mlkem, whole.qkd, whole.traditional, whole.static)))
