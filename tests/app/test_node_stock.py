"""How much a link keeps at each of its ends and for whom, for the example estate."""

import pytest

from qorridor.app.estate_file import load
from qorridor.app.node_stock import SOLD_KEYS, stock_kept
from qorridor.run.corridor_state import limits_of
from tests.support.lone_node import EXAMPLE


@pytest.fixture(scope="module")
def estate():
    return load(EXAMPLE)


@pytest.mark.parametrize(
    ("link", "site", "holds"),
    [("london-hayes", "london", True), ("london-hayes", "hayes", False), ("hayes-slough", "hayes", True),
     ("hayes-slough", "slough", False)],
)  # fmt: skip
def test_a_corridor_has_its_share_where_it_takes_its_key(estate, link, site, holds):
    target = 2 * limits_of(estate, "thames").target
    keep = stock_kept(estate, link, site)
    assert keep.corridors == (target if holds else 0)
    assert keep.sold == 2 * SOLD_KEYS + (0 if holds else target)


def test_both_ends_of_a_link_keep_as_many_atoms(estate):
    for link, ends in (("london-hayes", ("london", "hayes")), ("hayes-slough", ("hayes", "slough"))):
        assert len({stock_kept(estate, link, site).atoms for site in ends}) == 1


def test_nothing_is_sold_where_the_estate_names_no_sae(estate):
    alone = estate.model_copy(update={"saes": {}})
    assert stock_kept(alone, "london-hayes", "london").sold == 0
    assert stock_kept(estate, "nowhere", "london").corridors == 0
