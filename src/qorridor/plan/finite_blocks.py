"""What a block of finite size is expected to yield: counts by the link model, length by a proof."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from qorridor.base.errors import LinkError
from qorridor.distill import ldpc
from qorridor.distill.finite_key import DEFAULTS, Bound, Counts, Security, Source, entropy, key_length
from qorridor.distill.reconciliation import CASCADE, LDPC, LDPC_SIFTED, disclosure_cap
from qorridor.distill.record import charge
from qorridor.distill.verification import TAG_BITS
from qorridor.photonics.expectation import LinkExpectation, expect, observe
from qorridor.photonics.parameters import LinkParameters

N_KEY = 1_000_000
"""Detections of the key basis in a block, unless said otherwise."""
LEAST_BLOCK, MOST_BLOCK = 1_000, 100_000_000


@dataclass(frozen=True, slots=True)
class Expected:
    """What the model expects of one block: detections and errors per intensity, error rate of the key basis."""

    counts: Counts
    qber: float


def expected(model: LinkParameters, n_key: float) -> Expected:
    """Mean counts of a block with `n_key` detections in the key basis, echoes of the detectors where they
    really fall: in the slots of any intensity. LinkError Q-LINK-051 where nothing is ever detected."""
    return _counted(model, n_key, *observe(model))


def _counted(
    model: LinkParameters, n_key: float, gains: Sequence[float], errors: Sequence[float]
) -> Expected:
    seen = [p * gain for p, gain in zip(model.probabilities, gains, strict=True)]
    total = math.fsum(seen)
    if not total:
        raise LinkError(
            "Q-LINK-051", f"{model.name} detects nothing at {model.loss:g} dB without dark counts",
            "take a shorter fibre",
        )  # fmt: skip
    key = [n_key * part / total for part in seen]
    test = [part * ((1 - model.key_basis) / model.key_basis) ** 2 for part in key]
    wrong = [tuple(n * error for n, error in zip(part, errors, strict=True)) for part in (test, key)]
    return Expected(Counts(tuple(key), tuple(test), *wrong), math.fsum(wrong[1]) / n_key)


def promised(
    source: Source, security: Security, seen: Expected, n_key: int, engine: str = CASCADE
) -> tuple[int, int]:
    """(l_fixed, leak_cap) in bits, configured before the block is seen as a fixed-length proof asks for.

    The margins leave room for five standard deviations, one per cent of drift in the counts and a
    tenth in the errors; a block that is worse is given up. 0 for the length where nothing is left. `engine`
    is how the ends reconcile.
    """
    bound, cap = _with_margins(source, security, seen, n_key, engine)
    return bound.length // 8 * 8, cap


def _with_margins(
    source: Source, security: Security, seen: Expected, n_key: float, engine: str = CASCADE
) -> tuple[Bound, int]:
    wrong = 1.1 * seen.qber + 5 * math.sqrt(seen.qber / n_key)
    cap = charge(security, *disclosure_cap(engine, round(n_key), min(wrong, 0.5)), TAG_BITS)
    counts = seen.counts
    worse = Counts(
        _fewer(counts.n_key), _fewer(counts.n_test), _more(counts.m_test),
        None if counts.m_key is None else _more(counts.m_key),
    )  # fmt: skip
    return key_length(source, worse, security, cap), cap


def _fewer(counts: Sequence[float]) -> tuple[float, ...]:
    return tuple(max(0.0, 0.99 * n - 5 * math.sqrt(n)) for n in counts)


def _more(counts: Sequence[float]) -> tuple[float, ...]:
    return tuple(1.1 * m + 5 * math.sqrt(m) for m in counts)


@dataclass(frozen=True, slots=True)
class FiniteRate:
    """One block and its rate: length in bits, block_time in s, secret_key_rate in bit/s, bits_per_pulse
    over all pulses sent, leak in bits charged, limit = what keeps it from more (or from any key), surplus =
    bits per pulse before rounding, negative where there is no key: what a search climbs; engine = how the ends
    reconcile, which counts with margins only."""

    n_key: int
    length: int
    block_time: float
    secret_key_rate: float
    bits_per_pulse: float
    qber: float
    leak: int
    phase_error: float
    limit: str
    surplus: float
    engine: str = CASCADE


def security_for(link: LinkParameters, proof: str | None = None) -> Security:
    """Default failure probabilities and leak rule with `proof`, or the default for so many intensities.

    LinkError Q-LINK-016 where no proof is for that many.
    """
    count = len(link.intensities)
    if proof is None and count not in DEFAULTS:
        raise LinkError(
            "Q-LINK-016", f"no proof is for {count} intensities", "use a preset with two or three intensities"
        )
    return Security(proof=proof or DEFAULTS[count])


def sifted_per_second(link: LinkParameters, *, vetoed: bool) -> float:
    """Detections per second in the key basis, dead time included.

    `vetoed`: a click closes both gates, as this product's receiver does. Otherwise two detectors share
    the load, r/(1 + r tau/2), the convention of the preset tables and of the asymptotic rate.
    """
    return _sifted(link, expect(link), vetoed=vetoed)


def _sifted(link: LinkParameters, model: LinkExpectation, *, vetoed: bool) -> float:
    rate = link.clock * model.click_probability
    shared = rate / (1 + rate * link.dead_time / 2)
    return (model.detections_per_second if vetoed else shared) * link.key_basis**2


def engines_for(link: LinkParameters) -> tuple[str, ...]:
    """How the ends of this link may reconcile: Cascade, and LDPC where its codes are made for the errors and
    its decoder sustains the sifted rate with much to spare (`LDPC_SIFTED`). By the model, no clock is read."""
    model = expect(link)
    suits = ldpc.QBER_LEAST <= model.qber <= ldpc.QBER_MOST
    if suits and _sifted(link, model, vetoed=True) <= LDPC_SIFTED:
        return CASCADE, LDPC
    return (CASCADE,)


def finite_rate(
    link: LinkParameters, n_key: int, security: Security, *, margins: bool = False, engine: str = CASCADE
) -> FiniteRate:
    """What the link yields in blocks of `n_key` detections of the key basis (1e3 to 1e8).

    The plain figure takes the mean counts to first order and f as the link's `reconciliation`, as the
    papers do, without the 128 bits of the tag. With `margins` it is what a link of this product that
    reconciles by `engine` fixes beforehand (`promised`): less, and what is delivered.
    """
    source, model = Source(link.intensities, link.probabilities), expect(link)
    if margins:
        seen = expected(link, n_key)
        bound, leak = _with_margins(source, security, seen, n_key, engine)
        length = bound.length // 8 * 8
    else:
        seen = _counted(link, n_key, model.gains, model.errors)
        each_way = link.reconciliation * n_key * entropy(min(0.5, seen.qber))
        leak = math.ceil(charge(security, 1, 1, 0) * each_way)
        bound = key_length(source, seen.counts, security, leak)
        length = bound.length
    time = n_key / _sifted(link, model, vetoed=margins)
    return FiniteRate(
        n_key, length, time, length / time, length / time / link.clock, seen.qber, leak, bound.phase,
        _limit(bound, leak, n_key), bound.surplus / time / link.clock, engine,
    )  # fmt: skip


def _limit(bound: Bound, leak: float, n_key: float) -> str:
    """What takes most of the block, as a phrase; the proof's own cause where nothing is left."""
    if bound.cause:
        return bound.cause
    shares = {
        "detections that cannot be proven to be single photons": n_key - bound.single,
        "the bound on the phase error": bound.single * entropy(bound.phase),
        "bits disclosed by reconciliation": leak,
    }
    name = max(shares, key=lambda key: shares[key])
    return f"{name} take {shares[name] / n_key:.0%} of the block"
