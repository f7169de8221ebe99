"""The sampler draws what a per-pulse link draws, and a sampler with a planted error does not."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from qorridor.photonics import kernels, simulation
from qorridor.photonics import law as laws
from qorridor.photonics.events import Basis, Conditions, Light
from qorridor.photonics.presets import load_preset
from qorridor.photonics.simulation import simulate, stream
from tests.photonics.comparing import cells, homogeneous, p_values, table
from tests.photonics.oracle import pulses

CLICKS = 104_000
LINK = replace(
    load_preset("demo-1ghz", length=5.0, loss=2.0), receiver_loss=1.0, efficiency=0.5, dark=1e-3,
    misalignment=0.03, afterpulse=0.0, dead_time=0.0, jitter=1e-10,
)  # fmt: skip
BUSY = {"afterpulse": 0.3, "afterpulse_decay": 2e-8, "dead_time": 7e-9}
FAINT = {"extra_loss": 18.0, "efficiency": 1.0, "dark": 1e-5, "probabilities": (0.9, 0.08, 0.02)}
ECHOES = {"afterpulse": 0.4, "afterpulse_decay": 1e-8}


def ramp(**ends):
    return tuple(Conditions(**{name: end * i / 8 for name, end in ends.items()}) for i in range(9))


CASES = {
    "plain": ({}, None),
    "20 dB of loss": (FAINT | BUSY, None),
    "no dark counts": ({"dark": 0.0}, None),
    "a click in most slots": ({"dark": 0.4, "efficiency": 1.0}, None),
    "unequal detectors": ({"efficiency_factors": (1.3, 0.6), "dark_factors": (0.5, 8.0)}, None),
    "unequal bases": ({"misalignment_offsets": (-0.02, 0.1)}, None),
    "intensities off": ({"intensity_factors": (1.1, 0.7, 9.0), "intensity_noise": (0.3, 0.6, 0.2)}, None),
    "dead time": ({"dead_time": 7e-9}, None),
    "dead time of one detector": ({"dead_time": 7e-9, "vetoes_both": False, "dark": 1e-2}, None),
    "echoes": (ECHOES, None),
    "echoes and dead time": (BUSY, None),
    "echoes and dead time of one detector": (BUSY | {"vetoes_both": False}, None),
    "light beside the gate": ({"gate_offset": 4.5e-10}, None),
    "intercept": ({}, Conditions(intercept=0.6)),
    "intercept in the key basis": ({}, Conditions(intercept=0.6, basis=Basis.KEY)),
    "intercept in the test basis": ({}, Conditions(intercept=0.6, basis=Basis.TEST)),
    "intercept with other light": ({}, Conditions(intercept=0.6, light=Light.BROKEN)),
    "splitting at little loss": ({}, Conditions(splitting=0.7)),
    "splitting at much loss": ({"extra_loss": 9.0}, Conditions(splitting=0.7)),
    "blinding": ({"extra_loss": 6.0, **BUSY}, Conditions(blinding=0.7)),
    "time shift": ({}, Conditions(shift=0.7)),
    "trojan": ({"dark": 0.0}, Conditions(trojan=1.0)),
    "cut": ({}, Conditions(cut=0.9)),
    "bend": ({}, Conditions(bend=4.0)),
    "connector": ({}, Conditions(connector=3.0)),
    "ageing": ({}, Conditions(ageing=2.0)),
    "raman": ({}, Conditions(raman=2.0)),
    "stray": ({}, Conditions(stray=0.02)),
    "cooler": ({}, Conditions(cooler=30.0)),
    "detector": ({}, Conditions(detector=0.6)),
    "drift": ({}, Conditions(drift=0.04)),
    "polarisation": ({}, Conditions(polarisation=0.6)),
    "polarisation turned round": ({}, Conditions(polarisation=-2.9)),
    "phase": ({}, Conditions(phase=0.5)),
    "laser": ({}, Conditions(laser=1.5)),
    "modulator": ({}, Conditions(modulator=0.5)),
    "clock": ({}, Conditions(clock=420.0)),
    "changing loss and angle": (BUSY, ramp(bend=3.0, polarisation=0.8)),
    "changing clock": ({}, ramp(clock=500.0)),
    "a growing interception": ({"dead_time": 7e-9}, ramp(intercept=1.0)),
    "all at once": (
        {**BUSY, "efficiency_factors": (1.3, 0.6), "misalignment_offsets": (-0.02, 0.1), "intensity_noise": (0.3,) * 3},
        Conditions(intercept=0.2, splitting=0.2, blinding=0.2, shift=0.2, drift=0.03, clock=200.0, cooler=9.0),
    ),
}  # fmt: skip


def random_case(seed):
    """Any source, fibre, receiver and drift of conditions that give clicks enough."""
    rng = np.random.default_rng([seed, 2026])
    mus = np.sort(rng.uniform(0.0, 1.5, 3))[::-1]
    shares = rng.dirichlet([3, 3, 3])
    change = {
        "intensities": tuple(mus.tolist()), "probabilities": tuple((shares / shares.sum()).tolist()),
        "efficiency": float(rng.uniform(0.2, 0.8)), "efficiency_factors": tuple(rng.uniform(0.7, 1.2, 2).tolist()),
        "dark": float(rng.choice([0.0, 1e-4, 0.01, 0.3])), "dark_factors": tuple(rng.uniform(0.2, 1.5, 2).tolist()),
        "misalignment_offsets": tuple(rng.uniform(-0.03, 0.2, 2).tolist()), "key_basis": float(rng.uniform(0.1, 0.9)),
        "intensity_noise": tuple((rng.uniform(0, 0.5, 3) * rng.integers(0, 2)).tolist()),
        "afterpulse": float(rng.choice([0.0, 0.1, 0.4])), "afterpulse_decay": float(rng.uniform(1e-9, 5e-8)),
        "dead_time": float(rng.integers(0, 12) * 1e-9), "vetoes_both": bool(rng.integers(0, 2)),
        "gate_offset": float(rng.uniform(-3e-10, 3e-10)),
    }  # fmt: skip
    names = rng.choice(
        ["bend", "drift", "phase", "polarisation", "cooler", "intercept", "splitting", "stray"],
        3,
        replace=False,
    )
    scale = {"bend": 3.0, "cooler": 20.0, "stray": 0.02, "drift": 0.1, "phase": 1.0, "polarisation": 1.0}
    ends = {str(name): float(rng.uniform(0, scale.get(name, 0.6))) for name in names}
    return change, ramp(**ends) if rng.integers(0, 2) else Conditions(**ends)


CASES |= {f"at random, {seed}": random_case(seed) for seed in range(20)}
LIMIT = 0.01 / (6 * len(CASES))
"""A family of true hypotheses passes with probability 0.99; the generators are fixed, so it did."""


@cache
def truth(case):
    """Link, conditions, slots and rows of the oracle, at least 10^5 of them."""
    change, now = CASES[case]
    link = replace(LINK, **change)
    few = len(pulses(link, 200_000, stream(11, 0), now))
    slots = int(200_000 * CLICKS / few)
    rows = pulses(link, slots, stream(12, 0), now)
    assert len(rows) >= 100_000
    return link, now, slots, rows


def compared(case, number=1):
    link, now, slots, rows = truth(case)
    mine = table(simulate(link, 0, 2 * slots, stream(13, number), now))
    return p_values(rows, mine, (slots, 2 * slots), round(link.gate * 5e11))


@pytest.mark.parametrize("case", CASES)
def test_the_sampler_draws_what_the_pulse_by_pulse_oracle_draws(case):
    found = compared(case)
    assert min(found.values()) > LIMIT, found


def pieces(link, length, count, number, *, carry):
    carried, found = None, []
    for at in range(count):
        block = simulate(link, at * length, length, stream(number, at), carried=carried)
        carried = block.carried if carry else None
        found.append(table(block))
    return np.concatenate(found)


def test_sub_blocks_of_a_few_slots_lose_nothing_at_their_borders():
    link, _, slots, rows = truth("echoes and dead time")
    count = 1500
    found = p_values(rows, pieces(link, 250, count, 14, carry=True), (slots, count * 250), 500)
    assert min(found.values()) > LIMIT, found
    lost = p_values(rows, pieces(link, 250, count, 14, carry=False), (slots, count * 250), 500)
    assert min(lost.values()) < LIMIT, lost


def reshaped(change):
    """A law whose cells [K, a, bit, b, mask, origin] and settings [K, a, bit, b] went through `change`."""

    def made(link, now):
        honest = laws.law.__wrapped__(link, now)
        shape = (-1, 2, 2, 2)
        wrong, silent = change(honest.cells.reshape(*shape, 3, 4), honest.settings.reshape(shape))
        return replace(honest, cells=wrong.reshape(-1, 3, 4), settings=silent.ravel())

    return made


def intensity_from_the_prior(cells, silent):
    prior = (cells.sum(axis=(4, 5)) + silent).sum(axis=(1, 2, 3))
    return prior[:, None, None, None, None, None] * cells.sum(axis=0), silent


def double_clicks_dropped(cells, silent):
    left = cells * np.array([1.0, 1.0, 0.0])[:, None]
    return left, silent + (cells - left).sum(axis=(4, 5))


def double_clicks_given_to_detector_0(cells, silent):
    moved = cells.copy()
    moved[..., 0, :] += moved[..., 2, :]
    moved[..., 2, :] = 0
    return moved, silent


def dark_counts_of_the_blind(cells, silent):
    more = cells.copy()
    more[..., :2, 0] += (0.7 * LINK.dark * silent)[..., None]
    return more, silent * (1 - 1.4 * LINK.dark)


def wrong_bases_swapped(scene):
    return replace(scene, wrong=scene.wrong[::-1])


def efficiencies_swapped(scene):
    return replace(scene, receiver=scene.receiver[::-1])


def with_scene(change):
    def made(link, now):
        with pytest.MonkeyPatch.context() as patch:
            honest = laws.observed
            patch.setattr(laws, "observed", lambda at: change(honest(at)))
            return laws.law.__wrapped__(link, now)

    return made


def with_memory(**change):
    return lambda link, _blinded: replace(laws.memory(link), **change)


def echoes_in_detector_0(*arguments):
    drawn = honest_draw(*arguments)
    return replace(drawn, masks=np.where(drawn.origins < 0, 1, drawn.masks).astype(np.uint8))


def every_proposal_accepted(rng, span, rate, chances, *rest):
    return honest_walk(rng, span, rate, np.full_like(chances, chances.max()), *rest)


def only_the_first_moment(those, *rest):
    return honest_draw(those[:1], *rest)


honest_draw, honest_walk = simulation.draw, kernels.walk
MUTANTS = {
    "the intensity comes from the prior": ("plain", simulation, "law", reshaped(intensity_from_the_prior)),
    "double clicks are dropped": ("plain", simulation, "law", reshaped(double_clicks_dropped)),
    "double clicks go to detector 0": ("plain", simulation, "law", reshaped(double_clicks_given_to_detector_0)),
    "one bit in a hundred is wrong": (
        "plain", simulation, "law", reshaped(lambda c, s: (0.99 * c + 0.01 * c[:, :, ::-1], s)),
    ),
    "misalignments are swapped between bases": (
        "unequal bases", simulation, "law", with_scene(wrong_bases_swapped),
    ),
    "efficiencies are swapped between detectors": (
        "unequal detectors", simulation, "law", with_scene(efficiencies_swapped),
    ),
    "dead time is off by one": ("dead time", simulation, "memory", with_memory(dead=(8,))),
    "one detector stays alive": ("dead time", simulation, "memory", with_memory(vetoes_both=False)),
    "echoes are as many again": ("echoes", simulation, "memory", with_memory(echo=(0.5,))),
    "echoes come sooner": ("echoes", simulation, "memory", with_memory(decay=(8.0,))),
    "echoes have no random bit": ("echoes", simulation, "draw", echoes_in_detector_0),
    "thinning accepts every proposal": ("changing loss and angle", kernels, "walk", every_proposal_accepted),
    "conditions stay what they were at first": ("a growing interception", simulation, "draw", only_the_first_moment),
    "an eavesdropper's wrong basis leaves the bit": (
        "intercept", simulation, "law", lambda link, now: laws.law(link, replace(now, intercept=0.0)),
    ),
    "an eavesdropper always measures in the key basis": (
        "intercept", simulation, "law", lambda link, now: laws.law(link, replace(now, basis=Basis.KEY)),
    ),
    "splitting is taken for loss": (
        "splitting at much loss", simulation, "law", lambda link, now: laws.law(link, Conditions(bend=1.0)),
    ),
    "blind detectors still count in the dark": ("blinding", simulation, "law", reshaped(dark_counts_of_the_blind)),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_a_sampler_with_a_planted_error_is_told_from_the_oracle(name, monkeypatch):
    case, module, attribute, mutant = MUTANTS[name]
    monkeypatch.setattr(module, attribute, mutant)
    found = compared(case)
    assert min(found.values()) < LIMIT, found


def test_the_comparison_itself_finds_two_halves_of_one_run_alike():
    _, _, slots, rows = truth("echoes and dead time")
    left, right = rows[rows[:, 0] < slots // 2], rows[rows[:, 0] >= slots // 2]
    assert homogeneous(cells(left), cells(right)) > LIMIT
