import asyncio
from pathlib import Path

import pytest

from qorridor.app import examples
from qorridor.app.node_store import open_store, root_key_file
from qorridor.base.errors import OutsideError, PolicyRefusal
from qorridor.estate.read import parse
from tests.support.world import Clock

EXAMPLE = examples.text("meridian")
PKCS11 = 'root_key = "pkcs11:token=qorridor;object=kek"'


def estate(text):
    return parse(text, "estate.toml")


def test_a_run_on_loopback_makes_its_own_root_key_and_says_so():
    file, events = root_key_file(estate(EXAMPLE), Path("state"), loopback=True)
    assert file == Path("state/root.key")
    assert "pkcs11" in events[0].body["estate"]


def test_in_production_a_root_key_that_this_version_lacks_is_refused_not_replaced():
    with pytest.raises(PolicyRefusal) as refused:
        root_key_file(estate(EXAMPLE), Path("state"), loopback=False)
    assert refused.value.code == "Q-POLICY-031"
    assert refused.value.exit_code == 5


def test_in_production_the_root_key_file_of_the_estate_is_used():
    text = EXAMPLE.replace(PKCS11, 'root_key = "file:/etc/qorridor/root.key"')
    assert root_key_file(estate(text), Path("state"), loopback=False) == (Path("/etc/qorridor/root.key"), [])


def test_a_root_key_is_made_with_its_store_and_never_after_it(tmp_path):
    asyncio.run(open_store(tmp_path, tmp_path / "root.key", Clock(), "london", 0).close())
    (tmp_path / "root.key").unlink()
    with pytest.raises(OutsideError) as refused:
        open_store(tmp_path, tmp_path / "root.key", Clock(), "london", 0)
    assert refused.value.code == "Q-KEY-041"
    assert not (tmp_path / "root.key").exists()
    for name in ("keys.db", "incarnation"):
        (tmp_path / name).unlink()
    for file in (tmp_path / "epochs").iterdir():
        file.unlink()
    asyncio.run(open_store(tmp_path, tmp_path / "root.key", Clock(), "london", 0).close())
