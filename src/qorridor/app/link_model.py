"""The parameters of a simulated link of an estate, and the settings its two ends must share."""

from __future__ import annotations

from qorridor.base.errors import LinkError
from qorridor.distill.block import Settings
from qorridor.distill.codec import Names
from qorridor.distill.finite_key import Source
from qorridor.estate.drivers import SimulatorLink
from qorridor.estate.model import Estate
from qorridor.photonics.expectation import observe
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
    return parameters(estate.fibres[link], preset_of(estate, link))


def link_settings(estate: Estate, link: str, n_key: int = N_KEY) -> Settings:
    """What both ends share: names, source, proof, block size. Transmitter is the fibre's first site.

    Raises LinkError Q-LINK-018 for a preset without the three intensities that the proof needs.
    """
    model = link_parameters(estate, link)
    if len(model.intensities) != 3:
        raise LinkError(
            "Q-LINK-018", f"preset {model.name} has {len(model.intensities)} intensities; the proof of this "
            "version needs three", f'set link.{link} = {{ driver = "simulator", preset = "demo-1ghz" }}',
        )  # fmt: skip
    mu1, mu2, mu3 = model.intensities
    p1, p2, p3 = model.probabilities
    gains, errors = observe(model)
    seen = [p * g for p, g in zip(model.probabilities, gains, strict=True)]
    qber = sum(s * e for s, e in zip(seen, errors, strict=True)) / sum(seen)
    transmitter, receiver = estate.fibres[link].between
    return Settings(
        Names(link, transmitter, receiver), Source((mu1, mu2, mu3), (p1, p2, p3)), n_key=n_key,
        key_basis=model.key_basis, start_qber=round(qber, 4),
    )  # fmt: skip
