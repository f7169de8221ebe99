"""Only what the estate names is scanned, and only when it may be."""

from datetime import datetime
from pathlib import Path

import pytest

from qorridor.app.discover import check_windows, chosen, discover, endpoints, is_open
from qorridor.base.errors import EstateError, PolicyRefusal
from qorridor.estate.read import parse

TEXT = (Path(__file__).parents[2] / "examples/meridian/estate.toml").read_text()


@pytest.mark.parametrize(
    ("window", "time", "is_in"),
    [("22:00-05:00", "23:00", True), ("22:00-05:00", "04:59", True), ("22:00-05:00", "05:00", False),
     ("09:00-17:00", "12:00", True), ("09:00-17:00", "08:59", False), (None, "12:00", True)],
)  # fmt: skip
def test_a_window_may_pass_midnight(window, time, is_in):
    assert is_open(window, int(time[:2]) * 60 + int(time[3:])) is is_in


def test_a_scan_outside_its_window_is_refused():
    estate = parse(TEXT)
    check_windows(estate, ["london-servers"], datetime(2026, 12, 1, 23, 0))  # noqa: DTZ001 - local time
    with pytest.raises(PolicyRefusal, match="it is 12:00") as caught:
        check_windows(estate, ["london-servers"], datetime(2026, 12, 1, 12, 0))  # noqa: DTZ001
    assert caught.value.code == "Q-POLICY-041"


def test_the_end_points_are_those_of_the_estate():
    estate = parse(TEXT)
    points = endpoints(estate, chosen(estate, []))
    assert len(points) == 1022 * 2
    assert {point.port for point in points} == {443, 8443}
    with pytest.raises(EstateError, match="london-servers"):
        chosen(estate, ["paris"])


def test_without_a_scope_nothing_is_looked_at():
    with pytest.raises(PolicyRefusal):
        discover(None)


def test_an_end_point_carries_the_flow_the_site_and_the_owner_that_the_estate_knows(tmp_path):
    text = TEXT.replace('targets = ["10.20.0.0/22:443,8443"]', 'targets = ["127.0.0.1:9"]').replace(
        "window", "# window"
    )
    (tmp_path / "estate.toml").write_text(text)
    inventory = discover(parse(text, str(tmp_path / "estate.toml")))
    (unit,) = inventory.coverage
    assert (unit.state, unit.locator) == ("failed", "tls://127.0.0.1:9")
    assert inventory.inputs["estate"] == parse(text).digest


def test_a_scanner_that_this_version_lacks_is_a_coverage_record():
    text = TEXT.replace('scanner = "tls"', 'scanner = "ssh"').replace("window", "# window")
    inventory = discover(parse(text))
    assert {(unit.scanner, unit.state) for unit in inventory.coverage} == {("ssh", "skipped")}
    assert inventory.share_seen == 0
