"""Keys at rest: bound to their place and their root key, never sealed alike twice."""

import stat

import pytest

from qorridor.adapters.stores.sealing import Sealer, root_sealer
from qorridor.base.errors import OutsideError

KEY, PLAIN = bytes(range(32)), bytes(range(100, 164))


def test_what_is_sealed_opens_at_its_place_with_its_key():
    assert Sealer(KEY).open(Sealer(KEY).seal(PLAIN, "store/block/0"), "store/block/0") == PLAIN


def test_equal_bytes_are_sealed_under_fresh_nonces():
    sealed = {Sealer(KEY).seal(PLAIN, "p") for _ in range(50)}
    assert len({item[:12] for item in sealed}) == 50
    assert not any(PLAIN in item for item in sealed)


@pytest.mark.parametrize(
    ("key", "place", "spoil"),
    [(bytes(32), "p", bytes), (KEY, "q", bytes), (KEY, "p", lambda b: b[:-1] + bytes([b[-1] ^ 1])),
     (KEY, "p", lambda b: b[:20]), (KEY, "p", lambda b: b"")],
    ids=["other key", "other place", "changed", "cut", "empty"],
)  # fmt: skip
def test_another_key_place_or_byte_opens_nothing_and_shows_nothing(key, place, spoil):
    with pytest.raises(OutsideError) as error:
        Sealer(key).open(spoil(Sealer(KEY).seal(PLAIN, "p")), place)
    assert error.value.code == "Q-KEY-040"
    assert PLAIN.hex() not in repr(error.value)


def test_the_root_key_is_made_once_for_its_user_alone_and_has_32_bytes(tmp_path):
    file = tmp_path / "root.key"
    sealed = root_sealer(file).seal(PLAIN, "p")
    assert root_sealer(file).open(sealed, "p") == PLAIN
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_bytes(b"short")
    with pytest.raises(OutsideError) as error:
        root_sealer(file)
    assert error.value.code == "Q-KEY-041"
