"""The parameters of a simulated link of an estate, and the settings its two ends must share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from qorridor.base.errors import LinkError
from qorridor.distill.block import Settings
from qorridor.distill.codec import Names
from qorridor.distill.finite_key import Counts, Security, Source, key_length
from qorridor.distill.reconciliation import CASCADE, disclosure_cap
from qorridor.distill.record import charge
from qorridor.distill.verification import TAG_BITS
from qorridor.estate.drivers import SimulatorLink
from qorridor.estate.model import Estate
from qorridor.photonics.expectation import expect, observe
from qorridor.photonics.parameters import LinkParameters
from qorridor.plan.spans import parameters

N_KEY = 1_000_000
"""Detections of the key basis in a block."""


def preset_of(estate: Estate, link: str) -> str:
    """Preset of a simulated link; raises LinkError Q-LINK-021 where no corridor simulates it."""
    for corridor in estate.corridors.values():
        driver = corridor.links.get(link)
        if isinstance(driver, SimulatorLink):
            return driver.preset
    raise LinkError(
        "Q-LINK-021", f'no corridor of the estate has a simulated link "{link}"',
        f'set link.{link} = {{ driver = "simulator", preset = "demo-1ghz" }}', estate.source,
    )  # fmt: skip


def link_parameters(estate: Estate, link: str) -> LinkParameters:
    """The preset of the link over the estate's own fibre, light of other traffic included."""
    preset = preset_of(estate, link)
    return parameters(estate.fibres[link], preset)


def patience(estate: Estate, link: str, n_key: int = N_KEY) -> float:
    """Seconds after which a block that has not collected its detections is given up: four times what
    the model expects, and 20 for a busy machine."""
    model = link_parameters(estate, link)
    return 20 + 4 * n_key / model.key_basis**2 / max(1e-9, expect(model).detections_per_second)


def link_settings(estate: Estate, link: str, n_key: int = N_KEY) -> Settings:
    """What both ends share: names, source, proof, block size. Transmitter is the fibre's first site.

    Length and leakage cap are fixed beforehand (`promised`). Raises LinkError Q-LINK-018 for a preset
    without the three intensities that the proof needs, Q-LINK-051 where such blocks yield no key.
    """
    model = link_parameters(estate, link)
    if len(model.intensities) != 3:
        raise LinkError(
            "Q-LINK-018", f"preset {model.name} has {len(model.intensities)} intensities; the proof of this "
            "version needs three", f'set link.{link} = {{ driver = "simulator", preset = "demo-1ghz" }}',
        )  # fmt: skip
    mu1, mu2, mu3 = model.intensities
    p1, p2, p3 = model.probabilities
    transmitter, receiver = estate.fibres[link].between
    source, security = Source((mu1, mu2, mu3), (p1, p2, p3)), Security()
    seen = expected(model, n_key)
    length, cap = promised(source, security, seen, n_key)
    if length <= 0:
        raise LinkError(
            "Q-LINK-051", f"{link} yields no key from blocks of {n_key:,} detections: too few of them, too many errors",
            "take larger blocks, a shorter or darker fibre, or a preset for it", link,
        )  # fmt: skip
    return Settings(
        Names(link, transmitter, receiver), source, security, n_key=n_key, key_basis=model.key_basis,
        start_qber=round(seen.qber, 4), l_fixed=length, leak_cap=cap,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Expected:
    """What the model expects of one block: detections and errors per intensity, error rate of the key basis."""

    counts: Counts
    qber: float


def expected(model: LinkParameters, n_key: int) -> Expected:
    """Mean counts of a block with `n_key` detections in the key basis."""
    gains, errors = observe(model)
    seen = [p * gain for p, gain in zip(model.probabilities, gains, strict=True)]
    key = [n_key * part / sum(seen) for part in seen]
    test = [part * ((1 - model.key_basis) / model.key_basis) ** 2 for part in key]
    wrong = [part * error for part, error in zip(test, errors, strict=True)]
    qber = sum(part * error for part, error in zip(key, errors, strict=True)) / n_key
    return Expected(Counts(_three(key), _three(test), _three(wrong)), qber)


def promised(
    source: Source, security: Security, seen: Expected, n_key: int, engine: str = CASCADE
) -> tuple[int, int]:
    """(l_fixed, leak_cap) in bits, configured before the block is seen as a fixed-length proof asks for.

    The margins leave room for five standard deviations, one per cent of drift in the counts and a
    tenth in the errors; a block that is worse is given up. 0 for the length where nothing is left. `engine`
    is how the ends reconcile.
    """
    wrong = 1.1 * seen.qber + 5 * math.sqrt(seen.qber / n_key)
    cap = charge(security, *disclosure_cap(engine, n_key, min(wrong, 0.5)), TAG_BITS)
    counts = Counts(
        _three(_fewer(seen.counts.n_key)), _three(_fewer(seen.counts.n_test)),
        _three([1.1 * m + 5 * math.sqrt(m) for m in seen.counts.m_test]),
    )  # fmt: skip
    return key_length(source, counts, security, cap).length // 8 * 8, cap


def _fewer(counts: Sequence[float]) -> list[float]:
    return [max(0.0, 0.99 * n - 5 * math.sqrt(n)) for n in counts]


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    first, second, third = values
    return first, second, third
