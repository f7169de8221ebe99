from pathlib import Path

import pytest

from qorridor.app import examples
from qorridor.app.node_store import root_key_file
from qorridor.base.errors import PolicyRefusal
from qorridor.estate.read import parse

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
