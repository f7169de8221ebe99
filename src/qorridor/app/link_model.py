"""The parameters of a simulated link of an estate, and the settings its two ends must share."""

from __future__ import annotations

from qorridor.base.errors import LinkError
from qorridor.distill.block import Settings
from qorridor.distill.codec import Names
from qorridor.distill.finite_key import DEFAULTS, Source
from qorridor.estate.drivers import SimulatorLink
from qorridor.estate.model import Estate
from qorridor.photonics.expectation import expect
from qorridor.photonics.parameters import LinkParameters
from qorridor.plan.finite_blocks import N_KEY, Expected, expected, promised
from qorridor.plan.link_design import SIZES, Design, design
from qorridor.plan.spans import parameters

__all__ = [
    "N_KEY", "Expected", "expected", "link_design", "link_parameters", "link_settings", "patience", "promised",
    "simulated_link",
]  # fmt: skip


def simulated_link(estate: Estate, link: str) -> SimulatorLink:
    """The settings of a simulated link; raises LinkError Q-LINK-021 where no corridor simulates it."""
    for corridor in estate.corridors.values():
        driver = corridor.links.get(link)
        if isinstance(driver, SimulatorLink):
            return driver
    raise LinkError(
        "Q-LINK-021", f'no corridor of the estate has a simulated link "{link}"',
        f'set link.{link} = {{ driver = "simulator", preset = "demo-1ghz" }}', estate.source,
    )  # fmt: skip


def link_design(estate: Estate, link: str, n_key: int | None = None) -> Design:
    """What the link is set to: its preset over the estate's own fibre, light of other traffic included, with the
    source that the estate asks for. Raises LinkError Q-LINK-018 for a preset that no proof is for."""
    driver = simulated_link(estate, link)
    model = parameters(estate.fibres[link], driver.preset)
    if len(model.intensities) not in DEFAULTS:
        raise LinkError(
            "Q-LINK-018", f"preset {model.name} has {len(model.intensities)} intensities; the proofs of this "
            "version need two or three", f'set link.{link} = {{ driver = "simulator", preset = "demo-1ghz" }}',
        )  # fmt: skip
    return design(model, driver.source, n_key)


def link_parameters(estate: Estate, link: str, n_key: int | None = None) -> LinkParameters:
    """The link with its source as set: what the modules send and see."""
    return link_design(estate, link, n_key).link


def patience(estate: Estate, link: str, n_key: int | None = None) -> float:
    """Seconds after which a block that has not collected its detections is given up: four times what
    the model expects, and 20 for a busy machine."""
    found = link_design(estate, link, n_key)
    rate = expect(found.link).detections_per_second
    return 20 + 4 * found.n_key / found.link.key_basis**2 / max(1e-9, rate)


def link_settings(estate: Estate, link: str, n_key: int | None = None) -> Settings:
    """What both ends share: names, source, proof, block size, engine. Transmitter is the fibre's first site.

    Length and leakage cap are fixed beforehand (`promised`). Raises LinkError Q-LINK-018 for a preset that no
    proof is for, Q-LINK-051 where its blocks yield no key.
    """
    found = link_design(estate, link, n_key)
    model, rate = found.link, found.rate
    if rate is None:
        sizes = " or ".join(f"{size:,}" for size in (SIZES if n_key is None else (n_key,)))
        raise LinkError(
            "Q-LINK-051", f"{link} yields no key from blocks of {sizes} detections: too few of them, too many errors",
            "take a shorter or darker fibre, or another preset; leave the source to be optimised", link,
        )  # fmt: skip
    transmitter, receiver = estate.fibres[link].between
    return Settings(
        Names(link, transmitter, receiver), Source(model.intensities, model.probabilities), found.security,
        n_key=found.n_key, key_basis=model.key_basis, start_qber=round(rate.qber, 4), l_fixed=rate.length,
        leak_cap=rate.leak, engine=rate.engine,
    )  # fmt: skip
