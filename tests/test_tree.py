"""The shape of the source: small functions, files with one responsibility, floors that really hold."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median, quantiles

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src/qorridor"
FILES = sorted(SOURCE.rglob("*.py"))
LONG_FUNCTIONS: dict[str, str] = {}  # "path::name": the reason, which also stands in the docstring
LONG_FILES: dict[str, str] = {}


def functions():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(SOURCE)}::{node.name}", _length(node)


def _length(node):
    """Lines of the body, its docstring not counted."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return body[-1].end_lineno - body[0].lineno + 1 if body else 1


def test_functions_are_short():
    lengths = dict(functions())
    over = {name: length for name, length in lengths.items() if length > 60 and name not in LONG_FUNCTIONS}
    assert not over
    assert median(lengths.values()) <= 8
    assert quantiles(lengths.values(), n=10)[-1] <= 25


def test_files_are_short():
    lengths = {str(path.relative_to(SOURCE)): len(path.read_text().splitlines()) for path in FILES}
    over = {name: length for name, length in lengths.items() if length > 400 and name not in LONG_FILES}
    assert not over
    assert median(lengths.values()) <= 150


def test_each_module_says_in_one_sentence_what_it_is_for():
    silent = [
        str(path.relative_to(SOURCE))
        for path in FILES
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert not silent


def test_the_root_holds_nothing_but_what_is_agreed():
    agreed = {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE", "Makefile", "pyproject.toml",
              "requirements.lock", ".gitignore"}  # fmt: skip
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        return  # an unpacked release has no git
    root = {name for name in done.stdout.splitlines() if "/" not in name}
    assert root <= agreed


def test_no_path_of_a_machine_stands_in_the_repository():
    done = subprocess.run(
        ["git", "grep", "-lE", "/work/|/home/[a-z]"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert [name for name in done.stdout.split() if name != "tests/test_tree.py"] == []


def lint_imports(folder):
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--config", str(folder / "pyproject.toml"), "--no-cache"], cwd=folder, capture_output=True, text=True,
        check=False, env={"PYTHONPATH": str(folder / "src"), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(SOURCE, tmp_path / "src/qorridor", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_floors_hold(copy):
    done = lint_imports(copy)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("module", "line", "named"),
    [
        ("base/units.py", "import qorridor.estate.model", "qorridor.base.units -> qorridor.estate.model"),
        ("plan/spans.py", "import qorridor.assess.rules", "qorridor.plan.spans -> qorridor.assess.rules"),
        ("assess/rules.py", "import socket", "qorridor.assess.rules -> socket"),
        ("adapters/wire/files.py", "import qorridor.adapters.scanners.tls", "qorridor.adapters.scanners.tls"),
    ],
)
def test_an_import_across_the_floors_is_caught_and_named(copy, module, line, named):
    path = copy / "src/qorridor" / module
    path.write_text(path.read_text() + f"\n{line}\n")
    done = lint_imports(copy)
    assert done.returncode == 1
    assert "BROKEN" in done.stdout
    assert named in done.stdout


def test_a_folder_without_a_floor_is_caught(copy):
    (copy / "src/qorridor/stray").mkdir()
    (copy / "src/qorridor/stray/__init__.py").touch()
    assert lint_imports(copy).returncode == 1
