"""How the estate says that an SAE speaks SKIP."""

from pathlib import Path

import pytest

from qorridor.base.errors import EstateError
from qorridor.estate.read import parse
from qorridor.estate.schema import json_schema
from qorridor.run.registry import registry

TEXT = (Path(__file__).parents[2] / "examples/meridian/estate.toml").read_text()
LONDON = 'speaks = "etsi-014", certificate = "pki/router-london.pem"'
SLOUGH = 'speaks = "etsi-014", certificate = "pki/router-slough.pem"'


def entries(london, slough=SLOUGH):
    assert LONDON in TEXT
    assert SLOUGH in TEXT
    return registry(parse(TEXT.replace(LONDON, london).replace(SLOUGH, slough)))


def test_an_sae_is_known_by_its_system_id_or_by_its_name():
    made = entries('speaks = "skip", system_id = "Alice.1"')
    assert (made["router-london"].speaks, made["router-london"].system) == ("skip", "Alice.1")
    assert (made["router-slough"].speaks, made["router-slough"].system) == ("etsi-014", "router-slough")


@pytest.mark.parametrize(
    ("london", "slough", "words"),
    [
        ('speaks = "etsi-014"', SLOUGH, "needs a certificate"),
        ('speaks = "skip", system_id = "x"', SLOUGH + ', system_id = "x"', "same system_id"),
        ('speaks = "skip", system_id = "router-slough"', SLOUGH, "same system_id"),
        ('speaks = "skip", system_id = "B*"', SLOUGH, "the right form"),
        ('speaks = "skip", system_id = "a b"', SLOUGH, "the right form"),
        (f'speaks = "skip", system_id = "{"b" * 65}"', SLOUGH, "the right form"),
        ('speaks = "skip", psk = "00"', SLOUGH, "psk"),
    ],
)
def test_what_skip_could_not_serve_is_a_mistake(london, slough, words):
    with pytest.raises(EstateError) as refused:
        entries(london, slough)
    assert words in str(refused.value)


def test_the_json_schema_knows_the_system_id():
    assert "system_id" in json_schema()["$defs"]["Sae"]["properties"]
