"""The compiled walk equals the plain one, tables draw what they hold, and borders and bounds are kept."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qorridor.base.errors import LinkError
from qorridor.photonics import kernels
from qorridor.photonics.events import Conditions
from qorridor.photonics.law import law, memory
from qorridor.photonics.outcomes import clicks, coherent_hits, fock_hits
from qorridor.photonics.presets import load_preset
from qorridor.photonics.sampler import Carried, Memory, draw
from qorridor.photonics.simulation import simulate, stream
from tests.photonics import plain_walk

LINK = load_preset("demo-1ghz", loss=2.0)


def alias(weights):
    keep, other = np.empty(len(weights)), np.empty(len(weights), np.int64)
    kernels.alias(weights, keep, other)
    return keep, other


def tables(rows):
    pairs = [alias(row) for row in rows]
    return np.stack([keep for keep, _ in pairs]), np.stack([other for _, other in pairs])


@settings(max_examples=80, deadline=None)
@given(
    st.integers(0, 2**32), st.sampled_from([1, 2, 4]), st.sampled_from([1, 2, 5]), st.booleans(),
    st.floats(1e-4, 1.0), st.sampled_from([0.0, 0.2, 0.9]), st.integers(0, 9), st.sampled_from([0.0, 0.5, 30.0]),
)  # fmt: skip
def test_the_compiled_walk_is_the_plain_one_draw_by_draw(seed, sides, nodes, vetoes, top, echo, dead, decay):
    sides = min(sides, 2)
    made = np.random.default_rng(seed)
    chances = made.random(nodes)
    chances *= top / chances.max()
    masks = made.integers(1, 4**sides, 12).astype(np.uint8)
    cells, quiet = tables(made.random((nodes, 12))), tables(made.random((nodes, 5)))
    detectors, stop = 2 * sides, 3000
    due = sorted((int(slot), int(d)) for slot, d in zip(made.integers(0, 900, 20), made.integers(0, detectors, 20),
                                                        strict=True))  # fmt: skip
    heap = np.zeros(20_000, np.int64)
    heap[:20] = [slot << 2 | d for slot, d in due]
    last, out = (
        np.full(detectors, 4, np.int64),
        (np.zeros(4000, np.int64), np.zeros(4000, np.int16), np.zeros(4000, np.uint8)),
    )
    side = np.full(sides, dead), np.full(sides, echo), np.full(sides, decay)
    rate = np.inf if chances.max() == 1 else -np.log1p(-chances.max())
    count, at, pending, verdict = kernels.walk(
        stream(seed, 1), (0, stop), rate, chances, cells, quiet, masks, side, int(vetoes), last, heap, 20, out
    )
    plain_dead, plain_heap = [4] * detectors, due
    rows = plain_walk.walk(
        stream(seed, 1), stop, chances, cells, quiet, masks, *side, vetoes, plain_dead, plain_heap
    )
    assert (at, verdict) == (stop, kernels.DONE)
    assert [tuple(int(v) for v in row) for row in zip(*(part[:count] for part in out), strict=True)] == rows
    assert last.tolist() == plain_dead
    assert sorted((int(e) >> 2, int(e) & 3) for e in heap[:pending]) == sorted(plain_heap)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1) | st.just(0.0), min_size=1, max_size=40).filter(sum))
def test_alias_tables_hold_exactly_the_weights_they_were_made_of(weights):
    weights = np.array(weights)
    keep, other = alias(weights)
    held = np.zeros(len(weights))
    for at in range(len(weights)):
        held[at] += keep[at]
        held[other[at]] += 1 - keep[at]
    assert held / len(weights) == pytest.approx(weights / weights.sum(), abs=1e-12)
    assert (held[weights == 0] == 0).all()


photon_numbers = st.floats(0, 5)


@settings(max_examples=100, deadline=None)
@given(photon_numbers, photon_numbers, st.floats(0, 0.5), st.floats(0, 0.5))
def test_poissonian_light_and_dark_counts_make_detectors_independent(left, right, dark0, dark1):
    noise, light = clicks(coherent_hits(np.array([left, right])), np.array([dark0, dark1]))
    fires = 1 - (1 - dark0) * np.exp(-left), 1 - (1 - dark1) * np.exp(-right)
    expected = [
        (fires[0] if m & 1 else 1 - fires[0]) * (fires[1] if m & 2 else 1 - fires[1]) for m in range(4)
    ]
    assert noise + light == pytest.approx(np.array(expected), abs=1e-12)
    assert (noise + light).sum() == pytest.approx(1)
    assert noise.sum() == pytest.approx(np.exp(-left - right))


def test_a_single_photon_never_fires_two_detectors():
    _, light = clicks(fock_hits(np.array([0.3, 0.5]), 1), np.zeros(2))
    assert light == pytest.approx(np.array([0, 0.3, 0.5, 0]))


def test_a_gain_of_a_billionth_keeps_its_digits():
    _, light = clicks(coherent_hits(np.array([1e-9, 2e-9])), np.array([1e-12, 1e-12]))
    assert light[1] == pytest.approx(1e-9, rel=1e-6)
    assert light[3] == pytest.approx(2e-18, rel=1e-3)


def test_a_violated_bound_of_the_thinning_is_an_error_and_no_silent_bias():
    laws = [law(LINK, Conditions()), law(LINK, Conditions(stray=0.01))]
    with pytest.raises(LinkError) as refused:
        draw(laws, memory(LINK), (0, 10**6), stream(1, 1), highest=laws[0].chance)
    assert refused.value.code == "Q-LINK-005"


def test_dead_time_and_echoes_reach_over_a_border():
    quiet = law(replace(LINK, dark=0.0), Conditions(cut=1.0))
    state = Carried((1004, 1004), (1003, 1006, 1007, 2500), (0, 1, 0, 1))
    drawn = draw([quiet], Memory((2,), (0.0,), (1.0,)), (1000, 2000), stream(1, 2), state)
    assert drawn.slots.tolist() == [1006], "1003 is dead, 1007 lies in the dead time of 1006"
    assert (drawn.masks.tolist(), drawn.origins.tolist()) == ([2], [-1])
    assert drawn.carried.echo_slots == (2500,)
    lonely = draw([quiet], Memory((2,), (0.0,), (1.0,), vetoes_both=False), (1000, 2000), stream(1, 2), state)
    assert lonely.slots.tolist() == [1006, 1007], "the other detector lives"


def test_echoes_spawned_in_one_stretch_fire_in_the_next():
    link = replace(LINK, afterpulse=0.5, afterpulse_decay=1e-5)
    first = simulate(link, 0, 10_000, stream(2, 0))
    later = simulate(link, 10_000, 10_000, stream(2, 1), Conditions(cut=1.0), first.carried)
    alone = simulate(link, 10_000, 10_000, stream(2, 1), Conditions(cut=1.0))
    assert len(first.carried.echo_slots) > 20
    assert len(later.received.slots) > len(first.carried.echo_slots) / 2 > len(alone.received.slots)


def test_slots_stay_exact_far_from_zero_and_after_gaps_of_years():
    far = 10**15
    block = simulate(LINK, far, 10**7, stream(3, 0))
    again = simulate(LINK, 0, 10**7, stream(3, 0))
    assert np.array_equal(block.received.slots - far, again.received.slots)
    assert (
        len(simulate(replace(LINK, dark=1e-15), 0, 10**15, stream(3, 1), Conditions(cut=1.0)).received.slots)
        < 12
    )


def test_a_click_in_every_slot_is_a_law_too():
    drawn = draw([law(replace(LINK, dark=0.5, intensities=(5.0,), probabilities=(1.0,), efficiency=1.0, receiver_loss=0.0,
                              length=0.0, extra_loss=0.0, dead_time=0.0), Conditions())],
                 Memory((0,), (0.0,), (1.0,)), (0, 10**5), stream(4, 0))  # fmt: skip
    assert 0.995 < len(drawn.slots) / 10**5 < 1


def test_more_echoes_than_the_heap_was_made_for_are_kept(monkeypatch):
    monkeypatch.setattr("qorridor.photonics.sampler._ROOM", 4)
    link = replace(LINK, afterpulse=0.5, afterpulse_decay=1e-3)
    few = simulate(link, 0, 200_000, stream(5, 0))
    monkeypatch.undo()
    many = simulate(link, 0, 200_000, stream(5, 0))
    echoes = [len(block.carried.echo_slots) for block in (few, many)]
    assert min(echoes) > 1000
    assert abs(echoes[0] - echoes[1]) < 5 * sum(echoes) ** 0.5
