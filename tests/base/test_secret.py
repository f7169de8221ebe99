"""A Secret shows its size and nothing else."""

import copy
import json
import pickle

import pytest

from qorridor.base.secret import Secret

BYTES = bytes(range(200, 232))


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r}".format, lambda s: f"{[s]} { ({1: s}) }"])
def test_text_of_a_secret_shows_only_its_size(show):
    text = show(Secret(BYTES))
    assert "Secret(32 bytes)" in text
    assert not any(part in text for part in (BYTES.hex(), repr(BYTES)[2:-1], str(list(BYTES))[1:-1]))


@pytest.mark.parametrize(
    "leak", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps, bytes, list, hash, tuple]
)
def test_a_secret_is_not_copied_pickled_hashed_or_turned_into_bytes(leak):
    with pytest.raises(TypeError):
        leak(Secret(BYTES))


def test_equality_is_only_with_another_secret():
    assert Secret(BYTES) == Secret(bytearray(BYTES))
    assert Secret(BYTES) != Secret(BYTES[:-1])
    assert Secret(BYTES) != BYTES


def test_reveal_is_read_only():
    with pytest.raises(TypeError):
        Secret(BYTES).reveal()[0] = 1


def test_leaving_the_context_wipes_the_bytes():
    with Secret(BYTES) as secret:
        view = secret.reveal()
        assert bytes(view) == BYTES
    assert bytes(view) == bytes(32)
    assert len(secret) == 0
