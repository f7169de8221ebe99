"""The parameters of a simulated link of an estate, and the settings its two ends must share."""

from __future__ import annotations

from qorridor.base.errors import LinkError
from qorridor.distill.block import Settings
from qorridor.distill.codec import Names
from qorridor.distill.finite_key import Security, Source
from qorridor.estate.drivers import SimulatorLink
from qorridor.estate.model import Estate
from qorridor.photonics.expectation import expect
from qorridor.photonics.parameters import LinkParameters
from qorridor.plan.finite_blocks import N_KEY, Expected, expected, promised
from qorridor.plan.spans import parameters

__all__ = [
    "N_KEY", "Expected", "expected", "link_parameters", "link_settings", "patience", "preset_of",
    "promised",
]  # fmt: skip


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
    transmitter, receiver = estate.fibres[link].between
    source, security = Source(model.intensities, model.probabilities), Security()
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
