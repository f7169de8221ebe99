"""Fresh key per second, and for how long there was none."""

import math

from qorridor.run.supply_meter import SupplyMeter


def test_the_rate_is_a_mean_over_the_window_and_old_blocks_leave_it():
    meter = SupplyMeter(10.0)
    meter.add(0.0, 40)
    meter.add(5.0, 60)
    assert meter.rate(6.0) == 10.0
    assert meter.rate(12.0) == 6.0
    assert meter.rate(16.0) == 0.0


def test_silence_is_endless_before_the_first_block_and_ends_with_any_block():
    meter = SupplyMeter(10.0)
    assert math.isinf(meter.silence(5.0))
    meter.add(7.0, 0)
    assert meter.silence(9.0) == 2.0
    assert meter.rate(9.0) == 0.0
