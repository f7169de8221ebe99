"""The rules give the same answer to the same facts, and say why."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qorridor.assess.rules import NOT_EVALUATED, SENSITIVITY, FlowFacts, decide

CORRIDOR = FlowFacts(
    name="q", sensitivity="restricted", keep_secret=25, migration_time=3, threat_years=4.14, owner="me", coverage=1.0,
    quantum_vulnerable=True, threat="state", maturity=4, fibre="dark", relays=0, relays_guarded=True, demand=8.5, rate=2200,
)  # fmt: skip


def outcome(**changes):
    decision = decide(replace(CORRIDOR, **changes))
    return decision.base, decision.overlay, [match.rule for match in decision.matches]


@pytest.mark.requirement("A-11", "B-07")
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ("P-now", "C/A", ["B1", "O1", "X1"])),
        ({"relays": 2, "sensitivity": "secret", "rate": 900, "demand": 17}, ("P-now", "C/B", ["B1", "O2", "X1"])),
        ({"relays": 2, "rate": 33, "demand": 17}, ("P-now", "", ["B1", "O5"])),
        ({"relays": 1, "relays_guarded": False}, ("P-now", "", ["B1", "O5"])),
        ({"maturity": 2}, ("P-now", "E", ["B1", "O3", "X1"])),
        ({"maturity": 0}, ("P-now", "", ["B1", "O5"])),
        ({"threat": "criminal"}, ("P-now", "", ["B1", "O5"])),
        ({"keep_secret": 9}, ("P-now", "", ["B1", "O5"])),
        ({"rate": 3.1}, ("P-now", "", ["V4", "B1", "O5"])),
        ({"rate": 17}, ("P-now", "C/A", ["B1", "O1", "X1"])),
        ({"fibre": "none"}, ("P-now", "", ["V3", "B1", "O5"])),
        ({"keep_secret": None}, ("inventory-first", "", ["G1"])),
        ({"owner": None}, ("inventory-first", "", ["G1"])),
        ({"coverage": 0.79}, ("inventory-first", "", ["G1"])),
        ({"quantum_vulnerable": False, "fibre": "none"}, ("keep", "", ["V3", "B0", "O5"])),
        ({"keep_secret": 1, "migration_time": 1, "sensitivity": "internal", "fibre": "none"},
         ("P-refresh", "", ["V3", "B2", "O5"])),
        ({"keep_secret": 2.5, "migration_time": 1, "sensitivity": "confidential", "fibre": "none"},
         ("P-plan", "", ["V3", "B5", "O5"])),
    ],
)  # fmt: skip
def test_golden_cases(changes, expected):
    assert outcome(**changes) == expected


FACTS = st.builds(
    FlowFacts,
    name=st.just("x"), sensitivity=st.sampled_from(SENSITIVITY), keep_secret=st.none() | st.floats(0, 100),
    migration_time=st.none() | st.floats(0, 20), threat_years=st.floats(0, 40), owner=st.none() | st.just("me"),
    coverage=st.none() | st.floats(0, 1), quantum_vulnerable=st.none() | st.booleans(),
    threat=st.none() | st.sampled_from(["opportunistic", "criminal", "state"]), maturity=st.none() | st.integers(0, 5),
    fibre=st.sampled_from(["dark", "wavelength", "none"]), relays=st.integers(0, 4), relays_guarded=st.booleans(),
    demand=st.floats(0, 1e3), rate=st.none() | st.floats(0, 1e6),
)  # fmt: skip


@given(FACTS)
def test_every_decision_has_a_reason_and_no_rule_that_is_not_evaluated(facts):
    decision = decide(facts)
    assert decision.matches
    assert all(match.text for match in decision.matches)
    assert not {match.rule for match in decision.matches} & set(NOT_EVALUATED)
    assert decision == decide(facts)


@pytest.mark.requirement("B-07")
@given(FACTS)
def test_no_quantum_path_stands_without_a_post_quantum_baseline(facts):
    decision = decide(facts)
    if decision.overlay:
        assert decision.base in {"keep", "P-now", "P-refresh", "P-plan"}
        assert "X1" in {match.rule for match in decision.matches}


@pytest.mark.requirement("A-09")
@given(FACTS)
def test_a_quantum_path_is_recommended_only_with_known_data_threat_and_owner(facts):
    if decide(facts).overlay:
        assert facts.owner
        assert facts.keep_secret is not None
        assert facts.threat == "state"
        assert facts.coverage is not None


def ordinary(rng):
    """One flow of an ordinary enterprise: mostly short-lived, over shared networks, against criminals."""
    return replace(
        CORRIDOR,
        sensitivity=rng.choice(["public", "internal", "internal", "confidential", "restricted"]),
        keep_secret=rng.choice([0.1, 1, 3, 7, 10, 15]), threat=rng.choice(["opportunistic", "criminal", "criminal"]),
        fibre=rng.choice(["none", "none", "none", "dark"]), maturity=rng.choice([1, 2, 3, 4]),
    )  # fmt: skip


@pytest.mark.requirement("A-11")
def test_of_a_thousand_flows_at_least_95_percent_get_no_quantum_path():
    rng = random.Random(11)
    flows = [ordinary(rng) for _ in range(950)] + [CORRIDOR] * 50
    earned = [flow for flow in flows if decide(flow).overlay]
    assert len(earned) <= 50
    assert all(flow is CORRIDOR for flow in earned)
