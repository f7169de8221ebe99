"""The answers of `qorridor link` as documents and as tables for people."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qorridor.base.units import BitRate, Duration
from qorridor.faces.cli import output

if TYPE_CHECKING:
    from qorridor.photonics.parameters import LinkParameters
    from qorridor.plan.finite_blocks import FiniteRate
    from qorridor.plan.link_optimum import Optimum
    from qorridor.plan.link_rates import RateLine


def per_second(value: float) -> str:
    """A rate for people."""
    return str(BitRate(value)) if math.isfinite(value) else "unbounded"


def _bits(value: float) -> str:
    return f"{value:.4g}" if math.isfinite(value) else "unbounded"


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def place(link: LinkParameters) -> dict[str, Any]:
    """Which link the figures are of; all of them come from a model."""
    return {
        "preset": link.name, "simulated": True, "length_km": round(link.length, 6), "loss_db": round(link.loss, 6),
    }  # fmt: skip


def rate_document(line: RateLine) -> dict[str, Any]:
    """One rate; a bound without a number, at no loss at all, is null."""
    numbers = ("bits_per_pulse", "secret_key_rate", "plob_bits_per_pulse")
    return {
        "model": line.model, "kind": line.kind, "per": line.per, "source": line.source, "station": line.station,
        **{name: _number(getattr(line, name)) for name in numbers}, "above_plob": line.above_bound,
        "qber": line.qber, **line.details,
    }  # fmt: skip


def rate_rows(title: str, link: LinkParameters, line: RateLine, made_for: str) -> str:
    """One rate with what belongs beside it."""
    rows = [
        ["model", f"{title} ({line.kind}, simulated)"],
        ["link", f"{link.name}, {link.loss:.4g} dB" + (f" over {link.length:g} km" if link.length else "")],
    ]
    if line.station:
        rows.append(["needs", f"{line.station}, {link.loss / 2:.4g} dB from either end"])
    rows.append(["secret key rate", per_second(line.secret_key_rate) if line.secret_key_rate else "no key"])
    rows.append([f"secret bits per {line.per}", _bits(line.bits_per_pulse)])
    if line.kind != "bound":
        rows.append(["bound without repeater (PLOB)", _bits(line.plob_bits_per_pulse)])
    if line.above_bound:
        rows.append(["above that bound because of", "the station, which makes it no point-to-point link"])
    if line.qber is not None:
        rows.append(["QBER of the signal" if line.model == "asymptotic" else "QBER", f"{line.qber:.2%}"])
    if "sifted_per_second" in line.details:
        rows.append(["sifted", f"{line.details['sifted_per_second']:.4g} per second"])
    if "proof" in line.details:
        rows += _block_rows(line, made_for)
    return output.table([*rows, ["source", line.source]])


def _block_rows(line: RateLine, made_for: str) -> list[list[str]]:
    seen = line.details
    time = seen["block_time"]
    block = f"{seen['n_key']:,} detections" if seen["n_key"] else "as long as given"
    rows = [
        ["block", block + (f" in {Duration(time)}" if time is not None else "")],
        ["key of a block", f"{seen['length']:,} bits ({seen['proof']}, {seen['mode']})"],
        ["limited by", seen["limit"]],
        ["intensities and shares", _source(seen["intensities"], seen["probabilities"], seen["key_basis"])],
    ]
    if not seen["length"] and not seen["optimised"]:
        rows += [["the preset is made for", made_for], ["a source that fits", "qorridor link optimise"]]
    return rows


def _source(intensities: list[float], probabilities: list[float], key_basis: float) -> str:
    pairs = ", ".join(f"{k:g} ({p:.2%})" for k, p in zip(intensities, probabilities, strict=True))
    return f"{pairs}; key basis {key_basis:.2%}"


def optimum_document(
    link: LinkParameters, face: FiniteRate | None, best: Optimum, proof: str, mode: str
) -> dict[str, Any]:
    """The chosen source and what it yields, beside the preset's own."""
    return {
        **place(link), "proof": proof, "mode": mode, "face_value": _yield_of(link, face, mode),
        "optimised": None if best.rate is None else _yield_of(best.link, best.rate, mode),
        "key_up_to_db": round(best.reached, 2),
    }  # fmt: skip


def _yield_of(link: LinkParameters, rate: FiniteRate | None, mode: str) -> dict[str, Any] | None:
    if rate is None:
        return None
    source = {
        "intensities": list(link.intensities), "probabilities": list(link.probabilities), "key_basis": link.key_basis,
    }  # fmt: skip
    found = {name: value for name, value in dataclasses.asdict(rate).items() if name != "surplus"}
    return {**source, **found, "engine": rate.engine if mode != MEAN else None}


def optimum_rows(link: LinkParameters, face: FiniteRate | None, best: Optimum, proof: str, mode: str) -> str:
    """A row per parameter: the preset's and the chosen one."""
    head = f"{link.name} at {link.loss:.4g} dB, {proof}, {mode}, simulated"
    chosen = best.link if best.rate else None
    count = max(len(link.intensities), len(chosen.intensities) if chosen else 0)
    names = ("signal", "decoy", "vacuum or second decoy")
    rows = [
        *([f"intensity, {names[index]}", _nth(link, index), _nth(chosen, index)] for index in range(count)),
        ["key basis", f"{link.key_basis:.2%}", f"{chosen.key_basis:.2%}" if chosen else "-"],
        *([name, figure(face), figure(best.rate)] for name, figure in _figures(mode).items()),
    ]
    return "\n".join([head, output.table(rows, ("", "as preset", "chosen")), *_limits(face, best)])


def _nth(link: LinkParameters | None, index: int) -> str:
    if link is None or index >= len(link.intensities):
        return "-"
    return f"{link.intensities[index]:.4g} in {link.probabilities[index]:.2%}"


def _figure(
    words: Callable[[FiniteRate], str], *, of_key: bool = False
) -> Callable[[FiniteRate | None], str]:
    def figure(rate: FiniteRate | None) -> str:
        if rate is None:
            return "-"
        return words(rate) if rate.length or not of_key else "no key"

    return figure


def _figures(mode: str) -> dict[str, Callable[[FiniteRate | None], str]]:
    """The rows of figures; with mean counts nobody asks how the ends reconcile."""
    return _FIGURES if mode == MEAN else {**_FIGURES, "reconciled by": _figure(lambda rate: rate.engine)}


MEAN, FIXED = "mean counts", "fixed-length, with margins"
_FIGURES = {
    "block": _figure(lambda rate: f"{rate.n_key:,} in {Duration(rate.block_time)}"),
    "QBER": _figure(lambda rate: f"{rate.qber:.2%}"),
    "phase error, bound": _figure(lambda rate: f"{rate.phase_error:.2%}"),
    "key of a block": _figure(lambda rate: f"{rate.length:,} bits", of_key=True),
    "secret key rate": _figure(lambda rate: per_second(rate.secret_key_rate), of_key=True),
}


def _limits(face: FiniteRate | None, best: Optimum) -> list[str]:
    lines = [] if face is None else [f"as preset: {face.limit}"]
    if best.rate is None:
        return [
            *lines,
            f"no choice of source yields key here; blocks of this size do up to {best.reached:.1f} dB",
        ]
    return [*lines, f"chosen: {best.rate.limit}"]
