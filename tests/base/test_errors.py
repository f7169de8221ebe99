"""Each error has a code, a cause, a remedy and an exit code."""

import pytest

from qorridor.base import errors

EXITS = {
    "EstateError": 3,
    "ScanError": 4,
    "LinkError": 4,
    "KeySupplyError": 4,
    "PolicyRefusal": 5,
    "EvidenceError": 1,
    "OutsideError": 4,
}


@pytest.mark.parametrize(("name", "code"), EXITS.items())
def test_each_class_has_the_exit_code_of_the_table(name, code):
    kind = getattr(errors, name)
    assert issubclass(kind, errors.QorridorError)
    assert kind.exit_code == code


def test_an_error_says_where_why_and_what_to_do():
    error = errors.LinkError("Q-LINK-007", "QBER is 7.9 %", "look at the fibre", "london-hayes")
    assert str(error) == "london-hayes: QBER is 7.9 %; look at the fibre [Q-LINK-007]"


@pytest.mark.parametrize("code", ["", "Q-LINK-7", "Q-NOPE-001", "LINK-001", "Q-LINK-0071"])
def test_a_code_of_another_form_is_refused(code):
    with pytest.raises(ValueError, match="no error code"):
        errors.QorridorError(code, "cause", "remedy")


@pytest.mark.parametrize(
    ("error", "words"),
    [(TimeoutError(), "no answer in time"), (ConnectionResetError(), "ConnectionResetError"),
     (ConnectionResetError(104, "reset"), "[Errno 104] reset"), (ValueError("what it says"), "what it says")],
)  # fmt: skip
def test_every_exception_has_words(error, words):
    assert errors.words_of(error) == words
