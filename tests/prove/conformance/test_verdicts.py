"""Levels, profiles and verdicts; which cases a profile or a name selects; what they cost."""

import pytest

from qorridor.prove.conformance.document import document
from qorridor.prove.conformance.table import BY_NAME, CASES, keys_of, number_of, selected
from qorridor.prove.conformance.verdicts import Level, Profile, Report, Result, Verdict, judged


def report(profile, *rows):
    results = tuple(Result(BY_NAME[name], verdict) for name, verdict in rows)
    return Report(profile, {"kme": "https://k"}, "2026-12-01T00:00:00+00:00", "0", 3, 10, results)


@pytest.mark.parametrize(
    ("case", "profile", "verdict"),
    [("C1", "all", "fail"), ("C26", "all", "fail"), ("C14", "all", "differs"), ("C14", "qorridor", "fail"),
     ("C38b", "qorridor", "differs"), ("C53", "all", "differs")],
)  # fmt: skip
def test_a_deviation_fails_where_its_level_binds(case, profile, verdict):
    assert judged(BY_NAME[case], Profile(profile), Verdict.FAIL) == verdict


@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.SKIP, Verdict.INCONCLUSIVE])
def test_other_verdicts_stay_what_they_are(verdict):
    assert judged(BY_NAME["C14"], Profile.ALL, verdict) is verdict


@pytest.mark.parametrize(
    ("rows", "holds"),
    [
        ([("C1", "pass"), ("C14", "differs"), ("C38b", "differs")], True),
        ([("C1", "fail")], False), ([("C26", "fail")], False),
        ([("C1", "inconclusive")], False), ([("C26", "inconclusive")], False),
        ([("C14", "inconclusive")], True), ([("C27", "skip")], True), ([], True),
    ],
)  # fmt: skip
def test_a_report_holds_when_no_binding_case_failed_or_ran_without_a_verdict(rows, holds):
    made = report(Profile.ALL, *((name, Verdict(verdict)) for name, verdict in rows))
    assert made.holds is holds


def test_a_report_names_what_it_has_not_judged_and_counts_by_clause():
    made = report(
        Profile.ALL, ("C1", Verdict.PASS), ("C27", Verdict.SKIP), ("C28", Verdict.FAIL), ("C8", Verdict.SKIP)
    )
    assert made.unjudged == ["C27"]
    assert made.by_clause == {"5.2, 6.1": {"pass": 1}, "5.4": {"skip": 1, "fail": 1}, "-": {"skip": 1}}
    assert made.counts == {"pass": 1, "fail": 1, "differs": 0, "skip": 2, "inconclusive": 0}
    assert document(made)["mandatory_not_judged"] == ["C27"]
    assert document(made)["schema"] == "conformance-1"


@pytest.mark.parametrize(
    ("profile", "levels"), [("spec", "SO"), ("abuse", "A"), ("all", "SODA"), ("qorridor", "SODA")]
)
def test_a_profile_takes_its_levels(profile, levels):
    assert {case.level for case in selected(Profile(profile))} == {Level(letter) for letter in levels}


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["C33"], [f"C33{letter}" for letter in "abcdef"]),
        (["c17", "33A"], ["C17", "C33a"]),
        (["C16"], ["C16"]),
    ],
)
def test_cases_are_selected_by_number(names, found):
    assert [case.name for case in selected(Profile.ALL, names)] == found


@pytest.mark.parametrize("name", ["C0", "C99", "", "C33g", "x"])
def test_an_unknown_case_is_refused(name):
    with pytest.raises(ValueError, match="there is no case"):
        selected(Profile.ALL, [name])


def test_every_number_of_the_contract_has_a_row():
    assert {number_of(case.name)[0] for case in CASES} == set(range(1, 69))
    assert len({case.title for case in CASES}) == len(CASES)


def test_the_cost_is_the_sum_of_the_rows_and_one_full_request():
    assert keys_of(CASES, 100) == keys_of(CASES, None) + 100
    assert keys_of([BY_NAME["C57"]], None) == 400
