"""Glossary and pages are whole."""

import pytest

from qorridor.faces.cli.explain import terms
from qorridor.faces.cli.pages import error_codes, page

TERMS = terms()


@pytest.mark.parametrize("term", TERMS)
def test_each_term_has_one_sentence_and_a_source(term):
    row = TERMS[term]
    assert row["meaning"].endswith(".")
    assert row["meaning"].count(". ") == 0
    assert row["source"]


def test_the_words_of_the_network_are_explained():
    assert {"corridor", "trusted node", "KME", "SAE", "QBER", "fallback"} <= set(TERMS)


def test_pages_are_found():
    assert page("errors/Q-ESTATE-001.md")
    assert page("errors/none.md") is None
    assert "Q-ESTATE-001" in error_codes()
