"""The searches that prove an absence find what is planted: a test that cannot fail proves nothing."""

import base64

import pytest

from tests.support.runs import check_releases, secrets_in

KEY = bytes(range(100, 132))
NOTE = {"what": "delivered", "key_id": "a", "role": "initiator", "key": KEY.hex(), "commitment": "c"}


@pytest.mark.parametrize("form", [KEY, KEY.hex().encode(), base64.b64encode(KEY)])
def test_a_planted_key_is_found_in_each_of_its_forms(tmp_path, form):
    place = tmp_path / "node" / "log"
    place.parent.mkdir()
    place.write_bytes(b"before " + form + b" after")
    assert secrets_in(tmp_path, [NOTE]) == [(str(place), "delivered")]
    place.write_bytes(b"before " + form[:-1] + b" after")
    assert secrets_in(tmp_path, [NOTE]) == []


@pytest.mark.parametrize(
    "second",
    [
        NOTE,
        NOTE | {"role": "responder", "key": bytes(32).hex()},
    ],
)
def test_a_key_released_twice_or_different_at_the_other_end_is_noticed(second):
    with pytest.raises(AssertionError):
        check_releases([NOTE, second])


def test_two_different_outputs_of_one_commitment_are_noticed():
    output = NOTE | {"what": "output"}
    with pytest.raises(AssertionError):
        check_releases([output, output | {"key": bytes(32).hex()}])


def test_one_release_at_each_end_is_in_order():
    assert check_releases([NOTE, NOTE | {"role": "responder"}]) == 2
