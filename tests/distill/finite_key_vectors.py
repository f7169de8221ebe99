"""Vectors of the finite-key proofs: eps_sec 1e-10, eps_cor 1e-15, leak 1.16 n h(E) of the key basis.

A, C and D come from two programs written apart; so do E (much vacuum) and F (few errors, so that bounds
reach the ends of their range), one of the two with 40 digits. The rest are blocks that must yield nothing.
"""

from typing import NamedTuple

from qorridor.distill.finite_key import Counts, Security, Source, entropy

LOOSE = Security(1e-10, 1e-15)
TWO = Source((0.45, 0.15, 2e-4), (0.5, 0.35, 0.15))
ONE = Source((0.45, 0.15), (0.6, 0.4))
A = Counts((8103585, 1894683, 1732), (506474, 118418, 108), (5131, 1231, 21), (82097, 19690, 336))
C = Counts(
    (809362238, 189884196, 753566), (50585140, 11867762, 47098), (571789, 164834, 20252),
    (9148624, 2637339, 324033),
)  # fmt: skip
D = Counts((8178793, 1821207), (511175, 113825), (5179, 1183), (82859, 18926))
E = Counts((765123456, 234876544), (47820216, 14679784), (827160, 584105), (13234567, 9345678))
F = Counts((8178793, 1821207), (76676, 17074), (301, 62), (32859, 7426))
N = Counts((8093622, 1898842, 7536), (7742, 1816, 7), (196, 51, 3), (204806, 52819, 3255))
_STARVED = Counts(D.n_key, (2742, 516), (196, 51), D.m_key)
_DARK = Counts((81788, 18212), (51117, 11382), (30, 8), (40000, 9100))
_NOISY = Counts(A.n_key, A.n_test, (155131, 39231, 40), A.m_key)
_NOISY_ONE = Counts(D.n_key, (51117500, 11382500), (15155179, 9183), D.m_key)
_LEAKY = Counts(A.n_key, A.n_test, A.m_test, (2482097, 619690, 336))


class Case(NamedTuple):
    """A block and what a proof makes of it; `printed` holds intermediates as published."""

    name: str
    proof: str
    source: Source
    counts: Counts
    length: int = 0
    printed: dict[str, str] = {}
    cause: str = ""


CASES = (
    Case("A", "lim2014-2decoy", TWO, A, 4225123,
         {"vacuum": "0", "single": "6306497.46", "test_single": "352328.43", "wrong": "8599.350",
          "phase": "0.0269390689"}),
    Case("C", "lim2014-2decoy", TWO, C, 471116292,
         {"vacuum": "2638984.70", "single": "647399551.3", "test_single": "40014095.05",
          "wrong": "558620.918", "phase": "0.0141327586"}),
    Case("D", "rusca2018-1decoy", ONE, D, 4091246,
         {"vacuum": "0", "vacuum_above": "107558.99", "single": "6146849.64", "test_single": "354709.07",
          "wrong": "8718.691", "phase": "0.0271078504"}),
    Case("D", "wiesemann2024-1decoy", ONE, D, 3900997,
         {"vacuum": "0", "single": "6147566.45", "test_single": "354888.28", "wrong": "8713.294",
          "phase": "0.0333100084"}),
    Case("D", "wiesemann2024-1decoy-gamma", ONE, D, 4093294, {"phase": "0.0270643097"}),
    Case("E", "rusca2018-1decoy", ONE, E, 703878283,
         {"vacuum": "16516276.87", "vacuum_above": "39761908.80", "single": "919862482.5",
          "test_single": "57184567.88", "wrong": "364883.693", "phase": "0.0064788287"}),
    Case("E", "wiesemann2024-1decoy", ONE, E, 683452138, {"vacuum": "0", "phase": "0.0070705509"}),
    Case("E", "wiesemann2024-1decoy-gamma", ONE, E, 687383957, {"phase": "0.0064766083"}),
    Case("F", "rusca2018-1decoy", ONE, F, 4892909, {"wrong": "735.233135", "phase": "0.0218216569"}),
    Case("F", "wiesemann2024-1decoy", ONE, F, 4344700, {"wrong": "707.832916", "phase": "0.0392571281"}),
    Case("F", "wiesemann2024-1decoy-gamma", ONE, F, 4920030, {"phase": "0.0210581022"}),
)  # fmt: skip
_ONE_DECOY = ("rusca2018-1decoy", "wiesemann2024-1decoy", "wiesemann2024-1decoy-gamma")
_NO_SINGLE, _HALF, _USED_UP = "single-photon", "one half", "use up"
MUST_BE_ZERO = (
    Case("N, a starved test basis", "lim2014-2decoy", TWO, N, cause=_NO_SINGLE),
    Case("errors everywhere", "lim2014-2decoy", TWO, _NOISY, cause=_HALF),
    Case("a leak above everything", "lim2014-2decoy", TWO, _LEAKY, cause=_USED_UP),
    *(Case("a starved test basis", proof, ONE, _STARVED, cause=_NO_SINGLE) for proof in _ONE_DECOY),
    *(Case("nothing but dark counts", proof, ONE, _DARK, cause=_NO_SINGLE) for proof in _ONE_DECOY),
    *(Case("errors of the bright pulses", proof, ONE, _NOISY_ONE, cause=_HALF) for proof in _ONE_DECOY),
)


def leak_of(counts: Counts) -> float:
    """1.16 n h(E), E = errors over detections of the key basis."""
    total = sum(counts.n_key)
    return 1.16 * total * entropy(sum(counts.m_key or ()) / total)


def n_errors(name: str) -> tuple[float, ...]:
    """Errors of the key basis of a vector."""
    return {"A": A, "C": C, "D": D, "N": N}[name].m_key or ()
