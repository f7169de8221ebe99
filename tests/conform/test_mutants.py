"""The suite is proven by KMEs that are broken in one way each: every one is caught by the case of its row."""

import dataclasses

import pytest

from qorridor.app.conform.suite import FUNCTIONS
from qorridor.prove.conformance.table import BY_NAME, CASES
from qorridor.prove.conformance.verdicts import Level
from tests.conform.mutants import MUTANTS
from tests.conform.playing import play, told, verdicts
from tests.support.loop import run
from tests.support.reference_kme import MOST
from tests.support.reference_net import Certificates, ReferenceNet

NO_MUTANT = {
    "C33c": "the standard library's ssl cannot be told to take it; shown below with a certificate that is served",
    "C33b": "ignores-dates, the mutant of C33a, is caught by it too",
    "C33d": "the same",
    "C33e": "the same",
    "C38b": "an option: the reference KME itself has no post-quantum group",
    "C53": "an option: what a KME does is noted",
}
HANGING = {
    "deadlock": {"seconds": 0.8}, "hangs-on-oversize": {"seconds": 0.8}, "one-at-a-time": {"seconds": 0.8},
    "waits-for-ever": {"hold": 0.7},
}  # fmt: skip
"""The suite waits for these as long as it may: here not long."""


@pytest.fixture(scope="module")
def certificates():
    return Certificates()


async def _report(certificates, mutant="", *, alone=False, **settings):
    async with ReferenceNet(certificates, mutant, alone=alone) as net:
        return await play(net.parties(), hooks=net.hooks(), **settings)


def test_every_row_of_the_table_has_its_function_and_no_function_is_without_a_row():
    assert set(FUNCTIONS) == set(BY_NAME)
    assert len(BY_NAME) == len(CASES)


@pytest.mark.parametrize(("alone", "skipped"), [(False, {"C48"}), (True, {"C48", "C67"})])
def test_the_unbroken_kme_passes(certificates, alone, skipped):
    report = run(_report(certificates, alone=alone))
    assert report.holds
    assert not verdicts(report, "fail", "inconclusive"), told(report)
    assert verdicts(report, "differs") == {"C38b"}  # the standard library's OpenSSL is traditional
    assert verdicts(report, "skip") == skipped


@pytest.mark.requirement("B-42")
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.case}-{mutant.name}")
def test_a_broken_kme_is_caught_by_its_case_and_no_other_turns_red(certificates, mutant):
    report = run(_report(certificates, mutant.name, **HANGING.get(mutant.name, {})))
    failed = verdicts(report, "fail")
    assert mutant.case in failed, told(report)
    assert failed <= {mutant.case, *mutant.others.split()}, told(report)
    assert not report.holds


def test_there_are_mutants_enough_and_each_binding_case_has_one():
    assert len(MUTANTS) >= 24
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    without = set(BY_NAME) - {mutant.case for mutant in MUTANTS}
    assert without <= set(NO_MUTANT)
    assert sum("(M)" in mutant.seen or "(R)" in mutant.seen for mutant in MUTANTS) >= 24
    assert {mutant.case for mutant in MUTANTS if BY_NAME[mutant.case].level is Level.OPTION} == set()


@pytest.mark.parametrize(
    ("case", "kind"), [("C33c", "self-signed"), ("C33d", "other-authority"), ("C33e", "wrong-use")]
)
def test_a_bad_certificate_that_is_served_is_a_finding(certificates, case, kind):
    async def main():
        async with ReferenceNet(certificates) as net:
            people = net.parties()
            people = dataclasses.replace(people, bad={kind: dataclasses.replace(people.a, role=kind)})
            return await play(people, cases=[BY_NAME[case]])

    assert verdicts(run(main()), "fail") == {case}


def test_no_case_burns_more_than_its_row_says(certificates):
    pressed = {"C56": 8, "C57": 24, "C58": 4, "C59": 20, "C65": 4}  # less hard than the contract
    report = run(_report(certificates))
    over = {
        result.case.name: result.burnt
        for result in report.results
        if result.burnt > pressed.get(result.case.name, result.case.keys) + result.case.per_request * MOST
    }
    assert set(over) == {"C16"}  # which drains the stock
    assert sum(result.burnt for result in report.results) == report.burnt


def test_what_was_not_given_is_skipped_never_passed(certificates):
    async def main():
        async with ReferenceNet(certificates) as net:
            people = net.parties()
            return await play(dataclasses.replace(people, c=None, outsider=None, bad={}), unsatisfiable=None)

    report = run(main())
    needing = {case.name for case in CASES if case.needs}
    assert needing <= verdicts(report, "skip")
    assert set(report.unjudged) >= {"C27", "C29", "C31", "C33a", "C34", "C36", "C66", "C67"}
    assert report.holds


def test_the_run_stops_before_the_budget_is_passed(certificates):
    report = run(_report(certificates, budget=40))
    assert report.burnt <= 40
    assert "C57" in verdicts(report, "inconclusive")
    assert "C16" in verdicts(report, "skip")
    assert not verdicts(report, "fail"), told(report)
    assert not report.holds  # a binding case that ran has no verdict
