"""Monitors show what devices can know, add up over time, and may be missing."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest

from qorridor.photonics.events import Conditions
from qorridor.photonics.housekeeping import document, monitor
from qorridor.photonics.presets import load_preset
from qorridor.photonics.simulation import simulate, stream

LINK = load_preset("demo-1ghz", loss=6.9)


def shown(number, now=None, slots=20_000_000):
    now = now or Conditions()
    block = simulate(LINK, number * slots, slots, stream(61, number), now)
    return block, monitor(LINK, block, now, stream(62, number))


def test_counts_are_those_of_the_detections():
    block, found = shown(0)
    seen, told = block.received.clicks, found.receiver
    assert told.clicks == (int((seen & 1).sum()), int((seen > 1).sum()))
    assert told.doubles == (seen == 3).sum()
    assert np.array(told.arrivals).shape == (2, 64)
    assert np.array(told.arrivals).sum() == len(seen) - told.doubles
    assert told.dead_share == len(seen) * 2 / told.slots


def test_arrivals_peak_in_the_middle_with_the_jitters_width():
    _, found = shown(1)
    counts = np.array(found.receiver.arrivals).sum(axis=0)
    centres = (np.arange(64) - 31.5) * LINK.gate * 1e12 / 64
    mean = (counts * centres).sum() / counts.sum()
    assert abs(mean) < 3
    assert 45 < np.sqrt((counts * (centres - mean) ** 2).sum() / counts.sum()) < 90


@pytest.mark.parametrize(("afterpulse", "excess"), [(0.0, 0.0), (0.3, 0.3 * (1 - np.exp(-1)))])
def test_echoes_show_as_a_tail_after_clicks(afterpulse, excess):
    link = replace(LINK, afterpulse=afterpulse, afterpulse_decay=1e-7)
    block = simulate(link, 0, 40_000_000, stream(61, 9))
    near, far = monitor(link, block, Conditions(), stream(62, 9)).receiver.tail
    assert (near - far) / 20_000 == pytest.approx(excess, abs=0.03)


def test_two_stretches_add_their_counts_and_keep_the_later_readings():
    first, second = shown(3)[1], shown(4)[1]
    both = first.and_then(second)
    assert both.receiver.slots == 40_000_000
    for name in ("clicks", "off_gate_darks", "tail"):
        one, two, sum_ = (getattr(at.receiver, name) for at in (first, second, both))
        assert sum_ == tuple(a + b for a, b in zip(one, two, strict=True))
    assert np.array_equal(
        np.array(both.receiver.arrivals), np.array(first.receiver.arrivals) + second.receiver.arrivals
    )
    assert both.receiver.temperatures == second.receiver.temperatures
    assert both.transmitter == second.transmitter


def test_a_monitor_that_a_device_lacks_is_absent_and_stays_so():
    lacking = frozenset(
        {"receiver.photocurrents", "receiver.off_gate_darks", "transmitter.power", "line.otdr_step"}
    )
    bare = shown(5)[1].without(lacking)
    assert bare.receiver.photocurrents is bare.transmitter.power is bare.line.otdr_step is None
    assert bare.receiver.clicks is not None
    assert bare.and_then(shown(6)[1].without(lacking)).receiver.off_gate_darks is None


def test_no_record_tells_what_its_device_cannot_know():
    _, found = shown(7)
    names = {
        part: {at.name for at in fields(getattr(found, part))} for part in ("transmitter", "receiver", "line")
    }
    assert not names["transmitter"] & (names["receiver"] | names["line"])
    assert not {"bits", "bases", "intensities", "origins", "severity", "conditions"} & set().union(
        *names.values()
    )
    assert json.loads(json.dumps(document(found.receiver)))["clicks"] == list(found.receiver.clicks)


def test_readings_carry_the_noise_of_a_monitor():
    block, _ = shown(8)
    readings = [monitor(LINK, block, Conditions(), stream(63, at)) for at in range(40)]
    for values in ([r.transmitter.power for r in readings], [r.receiver.visibility for r in readings],
                   [r.line.supervisory_power for r in readings]):  # fmt: skip
        assert 0 < np.std(values) < 0.1
    assert np.mean([r.receiver.visibility for r in readings]) < 1 - 1.5 * LINK.misalignment


def test_the_moments_of_a_change_are_read_at_their_end():
    course = [Conditions(bend=at) for at in (0.0, 1.0, 2.0)]
    block = simulate(LINK, 0, 10**6, stream(61, 10), course)
    assert monitor(LINK, block, course, stream(62, 10)).line.otdr_step > 1.9
