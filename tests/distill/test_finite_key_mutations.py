# ruff: noqa: E501 - a row per mutation is what a person compares
"""A formula with one term changed gives another length for at least one vector: the vectors are sharp.

Each mutation rewrites one place of a proof's own source and runs it in a module of its own.
"""

import inspect
import sys
import types

import pytest

from qorridor.distill import finite_key_terms, lim2014, one_decoy, rusca2018, wiesemann2024
from tests.distill.finite_key_vectors import CASES, LOOSE, MUST_BE_ZERO, leak_of

ADAPTERS = {
    "lim2014-2decoy": (lim2014, "PROOF"),
    "rusca2018-1decoy": (rusca2018, "PROOF"),
    "wiesemann2024-1decoy": (wiesemann2024, "PROOF"),
    "wiesemann2024-1decoy-gamma": (wiesemann2024, "GAMMA_PROOF"),
}
# (module, what stands there, what is put in its place)
MUTATIONS = {
    "21 parts become 20": (lim2014, "PARTS = 21", "PARTS = 20"),
    "6 log2 becomes 5 log2 (Lim)": (lim2014, "fixed = 6 *", "fixed = 5 *"),
    "2/eps_cor becomes 1/eps_cor (Lim)": (lim2014, "math.log2(2 / eps_cor)", "math.log2(1 / eps_cor)"),
    "the leak is forgotten (Lim)": (lim2014, "leak + fixed", "fixed"),
    "a negative vacuum counts": (lim2014, "vacuum=max(0.0, key.vacuum())", "vacuum=key.vacuum()"),
    "vacuum from tau1": (lim2014, "weight(0) * (mu2 * self.low", "weight(1) * (mu2 * self.low"),
    "vacuum from the upper bound": (lim2014, "mu2 * self.low[2] -", "mu2 * self.high[2] -"),
    "vacuum without mu3": (lim2014, "- mu3 * self.high[1])", "- 0 * self.high[1])"),
    "vacuum over mu2 alone": (lim2014, "self.high[1]) / (mu2 - mu3)\n\n    def single", "self.high[1]) / mu2\n\n    def single"),
    "single from upper decoy": (lim2014, "self.low[1] - self.high[2] - bright", "self.high[1] - self.high[2] - bright"),
    "single from lower vacuum": (lim2014, "self.low[1] - self.high[2] - bright", "self.low[1] - self.low[2] - bright"),
    "bright pulses forgotten": (lim2014, "self.high[2] - bright", "self.high[2]"),
    "bright squares become first powers": (lim2014, "(mu2**2 - mu3**2) / mu1**2", "(mu2 - mu3) / mu1"),
    "bright without mu3 squared": (lim2014, "(mu2**2 - mu3**2) / mu1**2", "mu2**2 / mu1**2"),
    "empty pulses not taken off": (lim2014, "(self.high[0] - empty)", "self.high[0]"),
    "empty over tau1": (lim2014, "/ self.source.weight(0)\n", "/ self.source.weight(1)\n"),
    "single over another denominator": (lim2014, "- mu2**2 + mu3**2)", "+ mu3**2)"),
    "single without mu3 squared below": (lim2014, "- mu2**2 + mu3**2)", "- mu2**2)"),
    "single from tau0": (lim2014, "weight(1) * mu1 * gained", "weight(0) * mu1 * gained"),
    "single without mu1": (lim2014, "weight(1) * mu1 * gained", "weight(1) * gained"),
    "wrong from lower decoy": (lim2014, "(self.high[1] - self.low[2])", "(self.low[1] - self.low[2])"),
    "wrong less upper vacuum": (lim2014, "(self.high[1] - self.low[2])", "(self.high[1] - self.high[2])"),
    "wrong without mu3": (lim2014, "self.low[2]) / (mu2 - mu3)", "self.low[2]) / mu2"),
    "wrong from tau0": (lim2014, "weight(1) * (self.high[1]", "weight(0) * (self.high[1]"),
    "19 parts become 21": (rusca2018, "PARTS = 19", "PARTS = 21"),
    "6 log2 becomes 4 log2 (Rusca)": (rusca2018, "fixed = 6 *", "fixed = 4 *"),
    "2/eps_cor becomes 1/eps_cor (Rusca)": (rusca2018, "math.log2(2 / eps_cor)", "math.log2(1 / eps_cor)"),
    "Rusca clipped": (rusca2018, "clipped=False", "clipped=True"),
    "15 parts become 19": (wiesemann2024, "PARTS = 15", "PARTS = 19"),
    "4 log2 becomes 6 log2": (wiesemann2024, "4 * math.log2", "6 * math.log2"),
    "the fourth root of 2 is forgotten": (wiesemann2024, "(eps_sec * 2 ** (1 / 4))", "eps_sec"),
    "2/eps_cor becomes 1/eps_cor (Wiesemann)": (wiesemann2024, "math.log2(2 / eps_cor)", "math.log2(1 / eps_cor)"),
    "the vacuum is kept": (wiesemann2024, "._replace(vacuum=0.0)", ""),
    "not clipped": (wiesemann2024, "clipped=True", "clipped=False"),
    "Serfling (d+1)/d becomes 1": (wiesemann2024, " * (d + 1) / d * ", " * "),
    "Serfling swaps its samples": (wiesemann2024, "c, d = single, test_single", "d, c = single, test_single"),
    "Serfling loses (c+d)": (wiesemann2024, "(c + d) / (c * d) *", "1 / d *"),
    "vacuum above without the factor 2": (one_decoy, "above = 2 * (", "above = ("),
    "vacuum above without delta(n)": (one_decoy, " + hoeffding(self.total, self.eps))", ")"),
    "vacuum above from the worse intensity": (one_decoy, "min(self.high(self.errors))", "max(self.high(self.errors))"),
    "vacuum above from tau1": (one_decoy, "self.source.weight(0) * most", "self.source.weight(1) * most"),
    "single with the upper decoy": (one_decoy, "seen = self.low(self.detections)[1]", "seen = self.high(self.detections)[1]"),
    "single with the lower signal": (one_decoy, "* self.high(self.detections)[0]\n        empty", "* self.low(self.detections)[0]\n        empty"),
    "signal share not squared": (one_decoy, "- mu2**2 / mu1**2 *", "- mu2 / mu1 *"),
    "empty share not squared": (one_decoy, "(mu1**2 - mu2**2) / mu1**2", "(mu1 - mu2) / mu1"),
    "empty forgotten": (one_decoy, "(seen - empty)", "seen"),
    "empty over tau1 (one decoy)": (one_decoy, "/ self.source.weight(0)\n", "/ self.source.weight(1)\n"),
    "single without mu2 below": (one_decoy, "(mu2 * (mu1 - mu2))", "(mu1 - mu2)"),
    "single from tau0 (one decoy)": (one_decoy, "self.source.weight(1) * mu1 /", "self.source.weight(0) * mu1 /"),
    "wrong with the lower signal": (one_decoy, "most = self.high(self.errors)[0]", "most = self.low(self.errors)[0]"),
    "wrong less the upper decoy": (one_decoy, "- self.low(self.errors)[1]", "- self.high(self.errors)[1]"),
    "wrong over mu1": (one_decoy, "self.source.weight(1) / (mu1 - mu2)", "self.source.weight(1) / mu1"),
    "delta without one half": (finite_key_terms, "math.sqrt(total / 2 *", "math.sqrt(total *"),
    "delta by log2": (finite_key_terms, "math.log(1 / eps))", "math.log2(1 / eps))"),
    "e^k is forgotten": (finite_key_terms, "math.exp(k) / p * n", "1 / p * n"),
    "p_k is forgotten": (finite_key_terms, "math.exp(k) / p * n", "math.exp(k) * n"),
    "tau without e^-k": (finite_key_terms, "p * math.exp(-k) * k**photons", "p * k**photons"),
    "tau without its power": (finite_key_terms, "* k**photons /", "/"),
    "gamma without ln 2": (finite_key_terms, "/ (c * d * math.log(2))", "/ (c * d)"),
    "gamma without (1-b)": (finite_key_terms, "spread = (c + d) * (1 - b) * b", "spread = (c + d) * b"),
    "gamma with a single 1/eps": (finite_key_terms, "/ eps**2", "/ eps"),
    "gamma's logarithm without (1-b)": (finite_key_terms, "(c * d * (1 - b) * b) / eps", "(c * d * b) / eps"),
    "gamma is forgotten": (finite_key_terms, "min(0.5, ratio + math.sqrt(spread * max(0.0, math.log2(inside))))", "min(0.5, ratio)"),
    "the guard on single photons is gone": (finite_key_terms, "if single <= 0 or test_single <= 0:", "if False:"),
    "the guard looks at one basis only": (finite_key_terms, "if single <= 0 or test_single <= 0:", "if single <= 0:"),
    "the guard on one half is gone": (finite_key_terms, "if wrong >= test_single / 2:", "if False:"),
    "the key is rounded up": (finite_key_terms, "math.floor(surplus", "math.ceil(surplus"),
    "the vacuum is not paid": (finite_key_terms, "surplus = vacuum + single", "surplus = single"),
    "the phase error costs nothing": (finite_key_terms, "single * (1 - entropy(phase))", "single"),
    "a negative length is handed out": (finite_key_terms, "Bound(max(0, length), vacuum", "Bound(length, vacuum"),
}  # fmt: skip


def rebuilt(module, monkeypatch, before="", after=""):
    """The module run anew from its source with one place rewritten; others that import it see this one."""
    source = inspect.getsource(module)
    assert before == "" or source.count(before) == 1, f"{before!r} stands {source.count(before)} times"
    made = types.ModuleType(module.__name__)
    monkeypatch.setitem(sys.modules, module.__name__, made)
    exec(compile(source.replace(before, after) if before else source, module.__file__, "exec"), made.__dict__)
    return made


def lengths(monkeypatch, target=None, before="", after=""):
    """Length and cause of every vector with the mutation in force; an exception counts as an answer."""
    modules = {}
    for module in (finite_key_terms, one_decoy, lim2014, rusca2018, wiesemann2024):
        change = (before, after) if module is target else ()
        modules[module] = rebuilt(module, monkeypatch, *change)
    found = []
    for case in (*CASES, *MUST_BE_ZERO):
        module, name = ADAPTERS[case.proof]
        terms = modules[finite_key_terms]
        source = terms.Source(case.source.intensities, case.source.probabilities)
        counts = terms.Counts(case.counts.n_key, case.counts.n_test, case.counts.m_test, case.counts.m_key)
        try:
            bound = getattr(modules[module], name).length(
                source, counts, LOOSE.eps_sec, LOOSE.eps_cor, leak_of(case.counts)
            )
        except (ValueError, ZeroDivisionError) as error:
            found.append((case.name, type(error).__name__))
        else:
            found.append((case.name, bound.length, bound.cause))
    return found


def is_met(answers):
    """Whether every vector has its length, and every block without key its cause."""
    met = [answer[1] == case.length for answer, case in zip(answers, CASES, strict=False)]
    zeros = zip(answers[len(CASES) :], MUST_BE_ZERO, strict=True)
    return all(met) and all(answer[1] == 0 and case.cause in answer[2] for answer, case in zeros)


def test_the_source_run_anew_without_a_change_gives_the_published_lengths(monkeypatch):
    assert is_met(lengths(monkeypatch))


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_changed_term_is_caught_by_a_vector(monkeypatch, mutation):
    module, before, after = MUTATIONS[mutation]
    assert not is_met(lengths(monkeypatch, module, before, after))
