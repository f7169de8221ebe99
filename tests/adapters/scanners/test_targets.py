"""Targets name end points, and only those."""

import pytest

from qorridor.adapters.scanners.targets import Endpoint, expand
from qorridor.base.errors import ScanError


def test_hosts_networks_and_ports_are_expanded_once_each():
    assert expand(["a.example:443,8443", "10.0.0.0/30:443", "a.example:443", "[::1]:443"]) == [
        Endpoint("a.example", 443), Endpoint("a.example", 8443), Endpoint("10.0.0.1", 443), Endpoint("10.0.0.2", 443),
        Endpoint("::1", 443),
    ]  # fmt: skip


def test_locators_put_an_ipv6_address_in_brackets():
    assert [point.locator for point in expand(["[::1]:443", "b:1"])] == ["tls://[::1]:443", "tls://b:1"]


@pytest.mark.parametrize(
    ("target", "code"),
    [("10.0.0.0/8:443", "Q-SCAN-002"), ("10.0.0.0/33:1", "Q-SCAN-001"), ("x/8:1", "Q-SCAN-001")],
)
def test_a_target_that_is_no_network_or_too_large_is_refused(target, code):
    with pytest.raises(ScanError) as caught:
        expand([target])
    assert caught.value.code == code
