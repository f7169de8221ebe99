"""The locator finds the line of each key, also in text that no parser accepts."""

from hypothesis import given
from hypothesis import strategies as st

from qorridor.estate.locate import locate


def test_lists_over_several_lines_and_long_strings_hide_no_key():
    text = '[a]\nx = [\n  "y = 1", # ]\n  "[b]",\n]\nz = """\n[c]\nq = 1\n"""\n[d.e]\n"f g".h = 2\n'
    lines = locate(text)
    assert lines.of == {("a",): 1, ("a", "x"): 2, ("a", "z"): 6, ("d", "e"): 10, ("d", "e", "f g", "h"): 11}
    assert lines.nearest(("a", "x", "y", "z")) == 2
    assert lines.nearest(("nowhere",)) == 1


@given(st.text())
def test_any_text_is_read(text):
    assert all(line >= 1 for line in locate(text).of.values())
