# ruff: noqa: INP001 - a script beside the pages, no package
"""Build the documentation below build/docs/site, offline: copy the pages, generate the tables, run zensical."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DOCS, OUT = ROOT / "docs", ROOT / "build" / "docs"
PAGES = OUT / "pages"
sys.path.insert(0, str(ROOT / "src"))


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    cells = [heads, ["---"] * len(heads), *rows]
    return (
        "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells) + "\n"
    )


def requirements() -> str:
    """The register as a table, with its counts."""
    rows = tomllib.loads((DOCS / "requirements.toml").read_text("utf-8"))
    states = [row["state"] for row in rows.values()]
    counts = ", ".join(f"{states.count(state)} {state}" for state in ("works", "partial", "planned"))
    lines = [[name, row["title"], row["state"], f"`{row['owner']}`"] for name, row in rows.items()]
    head = f"# Requirements\n\nOf {len(rows)} requirements: {counts}. *Works* means that a test shows it.\n\n"
    return head + table(["id", "requirement", "state", "package"], lines)


def errors() -> str:
    """An index of all codes."""
    rows = []
    for path in sorted((DOCS / "errors").glob("Q-*.md")):
        title = path.read_text("utf-8").splitlines()[0].partition(": ")[2]
        rows.append([f"[{path.stem}](errors/{path.name})", title])
    return "# Errors and findings\n\nThe same pages are shown by `qorridor explain CODE`.\n\n" + table(
        ["code", "what"], rows
    )


def glossary() -> str:
    """The terms."""
    rows = tomllib.loads((DOCS / "glossary.toml").read_text("utf-8"))
    lines = [[f"**{term}**", row["meaning"], row["avoid"], row["source"]] for term, row in rows.items()]
    return "# Glossary\n\nOne word per thing.\n\n" + table(["term", "meaning", "not", "source"], lines)


def _kind(part: dict[str, Any]) -> str:
    if "$ref" in part:
        return "table"
    if "enum" in part or "const" in part:
        return ", ".join(f"`{value}`" for value in part.get("enum", [part.get("const")]))
    if "anyOf" in part:
        return " or ".join(_kind(option) for option in part["anyOf"] if option.get("type") != "null")
    if "examples" in part:
        return f'quantity, as `"{part["examples"][0]}"`'
    return str(part.get("type", "table")).replace("object", "table").replace("array", "list")


def estate() -> str:
    """The estate reference: prose of docs/estate.md, then every table of the JSON Schema."""
    from qorridor.estate.schema import json_schema  # noqa: PLC0415 - needs the path above

    schema = json_schema()
    parts = [(DOCS / "estate.md").read_text("utf-8"), "\n## Every table\n"]
    for name, part in [("Estate", schema), *sorted(schema["$defs"].items())]:
        rows = [
            [
                f"`{key}`",
                _kind(value),
                "yes" if key in part.get("required", []) else "",
                str(value.get("default", "") or ""),
            ]
            for key, value in part.get("properties", {}).items()
        ]
        text = re.sub(r"\s+", " ", part.get("description", ""))
        parts.append(f"\n### {name}\n\n{text}\n\n" + table(["key", "value", "required", "default"], rows))
    return "".join(parts)


def main() -> int:
    """Write the pages and build; returns zensical's exit code."""
    shutil.rmtree(OUT, ignore_errors=True)
    PAGES.mkdir(parents=True)
    for folder in ("errors", "inside", "verbs"):
        shutil.copytree(DOCS / folder, PAGES / folder)
    for path in DOCS.glob("*.md"):
        shutil.copy(path, PAGES)
    shutil.copy(DOCS / "mkdocs.yml", OUT)
    made = {
        "requirements.md": requirements,
        "errors.md": errors,
        "glossary.md": glossary,
        "estate.md": estate,
    }
    for name, make in made.items():
        (PAGES / name).write_text(make(), "utf-8")
    program = Path(sys.executable).with_name("zensical")
    command = [str(program), "build", "--strict", "--config-file", str(OUT / "mkdocs.yml")]
    return subprocess.run(command, check=False, cwd=OUT, env={**os.environ, "NO_COLOR": "1"}).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
