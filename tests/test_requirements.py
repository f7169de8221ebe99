"""The requirements register is whole and honest: what it says to work is shown by a marked test."""

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROWS = tomllib.loads((ROOT / "docs/requirements.toml").read_text())
IDS = [f"A-{n:02}" for n in range(1, 91)] + [f"B-{n:02}" for n in range(1, 63)]


def _ids(node):
    """Ids of a `pytest.mark.requirement(...)` call."""
    named = (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "requirement"
    )
    return [arg.value for arg in node.args if isinstance(arg, ast.Constant)] if named else []


def marked():
    """Id -> tests that carry it and are neither skipped nor expected to fail."""
    found = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            words = {getattr(part, "attr", "") for d in node.decorator_list for part in ast.walk(d)}
            if words & {"skip", "skipif", "xfail"}:
                continue
            for decorator in node.decorator_list:
                for name in _ids(decorator):
                    found.setdefault(name, []).append(f"{path.relative_to(ROOT)}::{node.name}")
    return found


def test_every_requirement_has_one_row_in_order():
    assert list(ROWS) == IDS


def test_each_row_has_a_title_a_state_and_an_owner_that_exists():
    packages = {
        str(path.relative_to(ROOT / "src/qorridor"))
        for path in (ROOT / "src/qorridor").rglob("*")
        if path.is_dir()
    }
    planned = {"faces/web"}
    for name, row in ROWS.items():
        assert set(row) == {"title", "state", "owner"}, name
        assert row["state"] in {"works", "partial", "planned"}, name
        assert 3 <= len(row["title"].split()) <= 20 or row["title"] == "Uptime", name
        assert row["owner"] in packages | (planned if row["state"] == "planned" else set()), name


def test_no_two_requirements_have_the_same_title():
    assert len({row["title"] for row in ROWS.values()}) == len(ROWS)


def test_what_is_said_to_work_is_shown_by_a_marked_test():
    missing = [name for name, row in ROWS.items() if row["state"] == "works" and name not in marked()]
    assert not missing


def test_no_test_carries_an_id_that_is_unknown_or_said_to_be_planned_only():
    wrong = [name for name in marked() if ROWS.get(name, {"state": "planned"})["state"] == "planned"]
    assert not wrong, f"a marked test exists, so the row is at least partial: {wrong}"
