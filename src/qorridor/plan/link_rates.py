"""Every key-rate model of one link behind one name each: what it says, of what kind it is, and its source."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from qorridor.base.errors import LinkError
from qorridor.distill.finite_key import DEFAULTS, PROOFS, Security
from qorridor.photonics.entangled import Placement, entangled_rate
from qorridor.photonics.parameters import LinkParameters
from qorridor.photonics.rates import ModelRate, plob, secret_key_rate
from qorridor.photonics.stations import STATION, measuring_station_rate, twin_field_rate
from qorridor.plan.finite_blocks import N_KEY, FiniteRate, security_for
from qorridor.plan.link_optimum import Block, Optimum, face_value, optimise
from qorridor.plan.search import Point

_NOWHERE: Point = ()
"""In place of an optimum: no source yields key, nor does any over more loss."""
Kind = Literal["model", "scaling line", "bound"]


@dataclass(frozen=True, slots=True)
class Choice:
    """How the finite models take the source: block, proof (None = the default), the preset's own source or
    one `optimised` for the loss, with the `margins` of a length fixed beforehand or without."""

    block: Block = field(default_factory=lambda: Block(size=N_KEY))
    proof: str | None = None
    optimised: bool = False
    margins: bool = False
    placement: Placement = Placement.MIDDLE


@dataclass(frozen=True, slots=True)
class RateLine:
    """One rate with what must be said beside it: bits_per_pulse counts `per` pulse of the model, the rate
    is in bit/s after dead time, `station` names what stands in the middle, `details` what the model adds."""

    model: str
    kind: Kind
    per: str
    source: str
    station: str | None
    bits_per_pulse: float
    secret_key_rate: float
    plob_bits_per_pulse: float
    qber: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def above_bound(self) -> bool:
        """Whether it passes the bound of a link without station; only a line with a station may."""
        return self.bits_per_pulse > self.plob_bits_per_pulse * (1 + 1e-9)


class Found(NamedTuple):
    """What a model's function finds."""

    bits_per_pulse: float
    secret_key_rate: float
    qber: float | None = None
    details: Mapping[str, Any] = {}
    near: Point | None = None
    source: str = ""


class Model(NamedTuple):
    """A model: its title for people, its kind, its unit, its source, and its function."""

    title: str
    kind: Kind
    per: str
    source: str
    rate: Callable[[LinkParameters, Choice, Point | None], Found]
    station: str | None = None


def rate_by(model: str, link: LinkParameters, choice: Choice) -> RateLine:
    """The rate of a link by one of MODELS.

    LinkError Q-LINK-016 where the source has not the intensities of the model's proof.
    """
    return curve_by(model, [link], choice)[0]


def curve_by(model: str, links: Sequence[LinkParameters], choice: Choice) -> list[RateLine]:
    """The rates of links in order of loss; an optimised source continues from the link before, and where
    no source yields key, none does over more loss."""
    row, lines, near = MODELS[model], [], None
    for link in links:
        found = row.rate(link, choice, near)
        near = found.near
        bound = plob(link.channel_transmittance)
        lines.append(RateLine(
            model, row.kind, row.per, found.source or row.source, row.station, found.bits_per_pulse,
            found.secret_key_rate, bound, found.qber, found.details,
        ))  # fmt: skip
    return lines


def _asymptotic(link: LinkParameters, _choice: Choice, _near: Point | None) -> Found:
    found = secret_key_rate(link)
    details = {
        "signal_gain": found.signal_gain, "signal_error": found.signal_error,
        "clicks_per_second": found.clicks_per_second, "sifted_per_second": found.sifted_per_second,
    }  # fmt: skip
    return Found(found.bits_per_pulse, found.secret_key_rate, found.signal_error, details)


def _simple(
    rate: Callable[[LinkParameters], ModelRate],
) -> Callable[[LinkParameters, Choice, Point | None], Found]:
    def found(link: LinkParameters, _choice: Choice, _near: Point | None) -> Found:
        seen = rate(link)
        return Found(seen.bits_per_pulse, seen.secret_key_rate, seen.error, {"gain": seen.gain})

    return found


def _entangled(link: LinkParameters, choice: Choice, _near: Point | None) -> Found:
    seen = entangled_rate(link, choice.placement)
    details = {"gain": seen.gain, "pair_source": choice.placement.value}
    return Found(seen.bits_per_pulse, seen.secret_key_rate, seen.error, details)


def _bound(link: LinkParameters, _choice: Choice, _near: Point | None) -> Found:
    bits = plob(link.channel_transmittance)
    return Found(bits, link.clock * bits)


def _finite(intensities: int | None) -> Callable[[LinkParameters, Choice, Point | None], Found]:
    """A block of finite size under a proof for so many intensities, or for as many as the link has."""

    def of_blocks(link: LinkParameters, choice: Choice, near: Point | None) -> Found:
        security = _security(link, choice, intensities)
        if choice.optimised and near == _NOWHERE:
            best = Optimum(link, None, 0.0)
        elif choice.optimised:
            best = optimise(link, choice.block, security, margins=choice.margins, near=near)
        else:
            best = Optimum(link, face_value(link, choice.block, security, margins=choice.margins), link.loss)
        rate = best.rate
        details = block_details(best.link, rate, security, choice)
        if rate is None:
            return Found(0.0, 0.0, None, details, _NOWHERE, PROOFS[security.proof].source)
        found = (rate.bits_per_pulse, rate.secret_key_rate, rate.qber)
        return Found(*found, details, best.point, PROOFS[security.proof].source)

    return of_blocks


def _security(link: LinkParameters, choice: Choice, intensities: int | None) -> Security:
    if intensities is None:
        return security_for(link, choice.proof)
    proof = choice.proof or DEFAULTS[intensities]
    if PROOFS[proof].intensities != intensities:
        raise LinkError(
            "Q-LINK-016", f"{proof} is not for {intensities} intensities",
            f"use {' or '.join(name for name, row in PROOFS.items() if row.intensities == intensities)}",
        )  # fmt: skip
    if not choice.optimised and len(link.intensities) != intensities:
        raise LinkError(
            "Q-LINK-016", f"{link.name} has {len(link.intensities)} intensities, {proof} needs {intensities}",
            "let the source be chosen (--optimised), or use another model or preset",
        )  # fmt: skip
    return Security(proof=proof)


def block_details(
    link: LinkParameters, rate: FiniteRate | None, security: Security, choice: Choice
) -> dict[str, Any]:
    """The block behind a finite rate; without one, why there is none."""
    limit = (
        rate.limit if rate else "no choice of source yields key" if choice.optimised else "too few detections"
    )
    return {
        "proof": security.proof, "eps_sec": security.eps_sec, "eps_cor": security.eps_cor,
        "leak_rule": security.leak_rule, "optimised": choice.optimised,
        "mode": "fixed-length, with margins" if choice.margins else "mean counts",
        "n_key": rate.n_key if rate else choice.block.size, "length": rate.length if rate else 0,
        "block_time": rate.block_time if rate and math.isfinite(rate.block_time) else None,
        "phase_error": rate.phase_error if rate else None, "leak": rate.leak if rate else None,
        "engine": rate.engine if rate and choice.margins else None,
        "intensities": list(link.intensities), "probabilities": list(link.probabilities),
        "key_basis": link.key_basis, "limit": limit,
    }  # fmt: skip


MODELS: Mapping[str, Model] = {
    "asymptotic": Model(
        "decoy BB84, asymptotic", "model", "signal pulse",
        "Ma, Qi, Zhao, Lo, Phys. Rev. A 72, 012326 (2005), infinite decoys", _asymptotic,
    ),
    "finite": Model(
        "decoy BB84, finite blocks", "model", "pulse", "the default proof for the preset's intensities", _finite(None)
    ),
    "finite-2decoy": Model(
        "decoy BB84, finite blocks, 2 decoys", "model", "pulse", PROOFS[DEFAULTS[3]].source, _finite(3)
    ),
    "finite-1decoy": Model(
        "decoy BB84, finite blocks, 1 decoy", "model", "pulse", PROOFS[DEFAULTS[2]].source, _finite(2)
    ),
    "bbm92": Model(
        "BBM92, asymptotic", "model", "pump pulse", "Ma, Fung, Lo, Phys. Rev. A 76, 012307 (2007)", _entangled
    ),
    "mdi": Model(
        "MDI scaling line", "scaling line", "pair of pulses", "Ma, Razavi, Phys. Rev. A 86, 062319 (2012)",
        _simple(measuring_station_rate), STATION,
    ),
    "tf": Model(
        "TF-QKD scaling line", "scaling line", "pair of pulses",
        "Lucamarini, Yuan, Dynes, Shields, Nature 557, 400 (2018)", _simple(twin_field_rate), STATION,
    ),
    "plob": Model(
        "PLOB bound", "bound", "pulse", "Pirandola and others, Nature Communications 8, 15043 (2017)", _bound
    ),
}  # fmt: skip
POINT_TO_POINT = tuple(
    name for name, model in MODELS.items() if model.station is None and model.kind == "model"
)
