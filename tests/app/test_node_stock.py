"""How much a link keeps and what of it only the corridors may spend, for the example estate."""

import pytest

from qorridor.app.estate_file import load
from qorridor.app.node_stock import SOLD_KEYS, held_back, keys_kept
from qorridor.run.corridor_state import limits_of
from tests.support.lone_node import EXAMPLE


@pytest.fixture(scope="module")
def estate():
    return load(EXAMPLE)


@pytest.mark.parametrize(
    ("link", "site", "holds"),
    [("london-hayes", "london", True), ("london-hayes", "hayes", False), ("hayes-slough", "hayes", True),
     ("hayes-slough", "slough", False), ("nowhere", "london", False)],
)  # fmt: skip
def test_floor_and_reserve_are_held_back_where_the_corridor_takes_its_key(estate, link, site, holds):
    limits = limits_of(estate, "thames")
    assert held_back(estate, link, site) == (2 * (limits.floor + limits.reserve) if holds else 0)


def test_what_saes_may_ask_for_is_kept_beside_what_the_corridors_need(estate):
    limits = limits_of(estate, "thames")
    alone = estate.model_copy(update={"saes": {}})
    without = keys_kept(alone, "london-hayes")
    assert without == 1 + 2 * limits.target
    assert keys_kept(estate, "london-hayes") == without + 2 * SOLD_KEYS
