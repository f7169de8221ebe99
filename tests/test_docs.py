"""The documentation is whole and claims nothing that the product must not claim."""

import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

from qorridor.faces.cli.main import VERBS

ROOT = Path(__file__).parents[1]
PAGES = [
    *sorted((ROOT / "docs").rglob("*.md")),
    *(ROOT / name for name in ("README.md", "SECURITY.md", "CHANGELOG.md")),
]
NEVER = re.compile(
    r"unhackable|unbreakable|perfectly secure|100 ?% secure|quantum-proof|military[- ]grade"
    r"|classical (?:algorithm|cryptograph|key exchange|signature|encryption)",
    re.IGNORECASE,
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_makes_a_claim_that_nobody_can_keep(page):
    assert not NEVER.findall(page.read_text())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_each_verb_has_a_chapter():
    chapters = "\n".join(path.read_text() for path in (ROOT / "docs/verbs").glob("*.md"))
    missing = [verb for verb in VERBS if f"qorridor {verb}" not in chapters]
    assert not missing


def build():
    spec = importlib.util.spec_from_file_location("docs_build", ROOT / "docs/build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_generated_pages_show_every_requirement_code_term_and_key():
    made = build()
    assert all(
        name in made.requirements() for name in tomllib.loads((ROOT / "docs/requirements.toml").read_text())
    )
    assert all(path.stem in made.errors() for path in (ROOT / "docs/errors").glob("Q-*.md"))
    assert "**trusted node**" in made.glossary()
    assert all(
        word in made.estate()
        for word in ("`keep_secret`", "`between`", "`max_transitions_per_hour`", '"27.4 km"')
    )
