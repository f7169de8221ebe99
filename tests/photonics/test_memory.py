import numpy as np
import pytest

from qorridor.base.errors import LinkError
from qorridor.photonics.memory import TransmitterMemory
from qorridor.photonics.presets import load_preset
from qorridor.photonics.simulation import simulate, stream

LINK = load_preset("demo-1ghz")


def filled():
    memory = TransmitterMemory(LINK, stream(1, 99))
    block = simulate(LINK, 0, 20_000_000, stream(1, 0))
    memory.record(block.sent, block.stop)
    return memory, block


def test_announced_slots_are_answered_with_what_was_drawn_together_with_the_click():
    memory, block = filled()
    said = memory.answer(block.received.slots)
    for name in ("slots", "intensities", "bases", "bits"):
        assert np.array_equal(getattr(said, name), getattr(block.sent, name))


def test_other_slots_follow_the_prior_and_are_remembered():
    memory, block = filled()
    asked = np.setdiff1d(np.arange(0, 2_000_000, 5), block.sent.slots)
    said = memory.answer(asked)
    shares = np.bincount(said.intensities, minlength=3) / len(asked)
    assert np.allclose(shares, LINK.probabilities, atol=5e-3)
    assert abs(said.bases.mean() - 0.4) < 5e-3
    again = memory.answer(asked[::3])
    assert np.array_equal(again.bits, said.bits[::3])
    assert np.array_equal(again.intensities, said.intensities[::3])


def test_a_mixed_question_is_answered_in_one_shape_that_does_not_show_the_clicks():
    memory, block = filled()
    asked = np.union1d(block.sent.slots[:100], np.arange(0, 30_000, 7))
    said = memory.answer(asked)
    assert set(vars(type(said))["__slots__"]) == {"slots", "intensities", "bases", "bits"}
    chosen = np.searchsorted(asked, block.sent.slots[:100])
    assert np.array_equal(said.bits[chosen], block.sent.bits[:100])


@pytest.mark.parametrize("slots", [[20_000_000], [5, 5], [7, 6], [-1]])
def test_slots_of_the_future_repeated_or_out_of_order_are_refused(slots):
    memory, _ = filled()
    with pytest.raises(LinkError) as refused:
        memory.answer(np.array(slots))
    assert refused.value.code == "Q-LINK-004"


def test_forgotten_slots_are_refused_and_later_ones_stay():
    memory, block = filled()
    memory.forget(10_000_000)
    with pytest.raises(LinkError):
        memory.answer(block.sent.slots[:1])
    late = block.sent.slots[block.sent.slots >= 10_000_000]
    assert len(memory.answer(late).bits) == len(late)
