"""What a fibre can carry: loss budget, secret key rate by the link model, margin, binding constraint."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from qorridor.base.units import BitRate, Decibel, Duration
from qorridor.distill.finite_key import DEFAULTS
from qorridor.estate.drivers import LinkSource
from qorridor.estate.model import Estate, Fibre
from qorridor.photonics.parameters import Direction, LinkParameters, LitChannel
from qorridor.photonics.presets import load_preset
from qorridor.photonics.rates import secret_key_rate
from qorridor.plan.finite_blocks import N_KEY, security_for
from qorridor.plan.link_design import design
from qorridor.plan.link_optimum import Block, at_loss, face_value
from qorridor.records.documents import BlockInRun, BlockPlan, ChosenSource, SpanPlan

DEFAULT_PRESET = "metro"
DEFAULT_ATTENUATION = 0.2
CONNECTORS = 1.0  # dB for two connectors and a panel at each end where no loss was measured
TIGHT = 3.0
_SEARCH = 60.0


def parameters(fibre: Fibre, preset: str) -> LinkParameters:
    """The link model of a preset over a fibre; a measured loss replaces the model."""
    attenuation = float(fibre.attenuation if fibre.attenuation is not None else DEFAULT_ATTENUATION)
    loss = float(fibre.loss) if fibre.loss is not None else fibre.length * attenuation + CONNECTORS
    link = load_preset(preset, length=float(fibre.length), attenuation=attenuation, loss=loss)
    return replace(link, lit=_lit(fibre))


def _lit(fibre: Fibre) -> tuple[LitChannel, ...]:
    """Each other channel once, in the worse direction for a short span: against the quantum signal."""
    if fibre.coexists is None:
        return ()
    channel = LitChannel(launch=float(fibre.coexists.launch), direction=Direction.BACKWARD)
    return (channel,) * fibre.coexists.channels


def rate_of(link: LinkParameters) -> float:
    """Secret key rate in bit/s."""
    return secret_key_rate(link).secret_key_rate


def margin(link: LinkParameters, least: float) -> float:
    """Extra loss in dB until the rate falls below `least` bit/s; negative = what must be saved."""
    enough = max(least, 1e-3)
    sign = 1.0 if rate_of(link) >= enough else -1.0
    low, high = 0.0, _SEARCH if sign > 0 else link.loss
    for _ in range(40):
        middle = (low + high) / 2
        holds = rate_of(at_loss(link, link.loss + sign * middle)) >= enough
        low, high = (middle, high) if holds == (sign > 0) else (low, middle)
    return sign * round(high if sign < 0 else low, 2)


def plan_blocks(link: LinkParameters, source: LinkSource) -> BlockPlan | None:
    """What blocks of the usual size yield: the preset's source as it is, and one chosen for the loss; and what a
    link of `run` does with the one of them that the estate names.

    None where no proof is for the preset's number of intensities.
    """
    if len(link.intensities) not in DEFAULTS:
        return None
    security = security_for(link)
    as_it_is = face_value(link, Block(size=N_KEY), security, margins=True)
    best = design(link, "optimised", N_KEY)
    return BlockPlan(
        proof=security.proof, n_key=N_KEY,
        secret_key_rate=BitRate(as_it_is.secret_key_rate) if as_it_is and as_it_is.length else None,
        limit=as_it_is.limit if as_it_is else "too few detections",
        optimised_secret_key_rate=BitRate(best.rate.secret_key_rate) if best.rate else None,
        optimised_source=_source(best.link) if best.rate else None, source=source,
        run=_in_run(link, source),
    )  # fmt: skip


def _in_run(link: LinkParameters, source: LinkSource) -> BlockInRun | None:
    found = design(link, source)
    if found.rate is None:
        return None
    return BlockInRun(
        n_key=found.n_key, length=found.rate.length, block_time=Duration(found.rate.block_time),
        secret_key_rate=BitRate(found.rate.secret_key_rate), source=_source(found.link),
        engine=found.rate.engine,
    )  # fmt: skip


def _source(link: LinkParameters) -> ChosenSource:
    return ChosenSource(
        intensities=list(link.intensities), probabilities=list(link.probabilities), key_basis=link.key_basis
    )


def plan_span(
    estate: Estate, name: str, preset: str | None, demand: float, *, blocks: bool = True,
    source: LinkSource = "optimised",
) -> SpanPlan:  # fmt: skip
    """One fibre with a preset; `demand` = least secret key rate in bit/s that counts as enough; with or
    without what blocks of finite size yield with that `source`."""
    fibre, chosen = estate.fibres[name], preset or DEFAULT_PRESET
    link = parameters(fibre, chosen)
    estimate = secret_key_rate(link)
    spare = margin(link, demand)
    verdict = _verdict(spare)
    return SpanPlan(
        name=name, between=fibre.between, length=fibre.length, loss=Decibel(round(link.loss, 4)),
        loss_source="measured" if fibre.loss is not None else "model", lit=fibre.coexists is not None,
        preset=chosen, simulated=True, secret_key_rate=BitRate(estimate.secret_key_rate),
        bound=BitRate(min(estimate.plob_bits_per_pulse, 1e6) * link.clock), margin_db=spare, verdict=verdict,
        binding=_binding(link, fibre, spare, demand), remedies=_remedies(fibre, spare),
        blocks=plan_blocks(link, source) if blocks else None,
    )  # fmt: skip


def _verdict(spare: float) -> Literal["ok", "tight", "infeasible"]:
    if spare < 0:
        return "infeasible"
    return "ok" if spare >= TIGHT else "tight"


def _binding(link: LinkParameters, fibre: Fibre, spare: float, demand: float) -> str:
    if spare >= TIGHT:
        return f"loss: {spare:.1f} dB more would end it"
    if fibre.coexists is not None and rate_of(replace(link, lit=())) >= max(demand, 1e-3):
        return f"Raman noise of {fibre.coexists.channels} channels at {fibre.coexists.launch} each"
    if spare >= 0:
        return f"loss {link.loss:.1f} dB leaves only {spare:.1f} dB"
    return f"loss {link.loss:.1f} dB > limit {link.loss + spare:.1f} dB of preset {link.name}"


def _remedies(fibre: Fibre, spare: float) -> list[str]:
    if spare >= TIGHT:
        return []
    found = ["dark instead of lit fibre"] if fibre.coexists is not None else []
    return [*found, "a trusted node on the way", "a device with longer reach", "another route"]
