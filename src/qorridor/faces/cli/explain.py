"""`qorridor explain`: an error code, a term, or why a flow deserves its mechanism."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any

import click

from qorridor.faces.cli import output
from qorridor.faces.cli.pages import error_codes, page
from qorridor.faces.cli.session import Session


@click.command(help='Explain an error code (Q-ESTATE-001), a term ("trusted node") or `flow NAME`.')
@click.argument("topic", nargs=-1, required=True)
@click.option("--inventory", type=click.Path(path_type=Path), help="For `flow`: a CycloneDX CBOM. Default: "
              "inventory.cdx.json beside the estate, else here.")  # fmt: skip
@click.pass_obj
def command(session: Session, topic: tuple[str, ...], inventory: Path | None) -> None:
    """Print what is known about a topic."""
    if topic[0] == "flow" and len(topic) == 2:
        _flow(session, topic[1], inventory)
        return
    word = " ".join(topic)
    (_code if word.upper().startswith("Q-") else _term)(session, word)


def _code(session: Session, word: str) -> None:
    code = word.upper()
    path = page(f"errors/{code}.md")
    if path is None:
        raise click.UsageError(f"no page for {code}; {_near(code, error_codes())}")
    text = path.read_text("utf-8").strip()
    output.emit(session, {"code": code, "page": text}, text)


def terms() -> dict[str, dict[str, Any]]:
    """The glossary: term -> meaning, avoid, source."""
    path = page("glossary.toml")
    return tomllib.loads(path.read_text("utf-8")) if path else {}


def _term(session: Session, word: str) -> None:
    known = terms()
    found = next((term for term in known if term.lower() == word.lower()), None)
    if found is None:
        raise click.UsageError(f'no term "{word}"; {_near(word, list(known))}')
    row = known[found]
    avoid = f"\nNot: {row['avoid']}" if row.get("avoid") else ""
    output.emit(session, {"term": found, **row}, f"{found}: {row['meaning']}{avoid}\nSource: {row['source']}")


def _near(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=3, cutoff=0.4)
    return f"did you mean {', '.join(close)}?" if close else "try an error code, a term, or `flow NAME`"


def _flow(session: Session, name: str, inventory: Path | None) -> None:
    from qorridor.app.assess import assess_file  # noqa: PLC0415 - keeps help cheap

    # Beside the estate first: there a run or a demo has left the one that belongs to it.
    usual = (Path(session.estate).parent / "inventory.cdx.json", Path("inventory.cdx.json"))
    found = inventory or next((file for file in usual if file.exists()), None)
    assessment = assess_file(session.estate, found)
    flow = next((flow for flow in assessment.flows if flow.name == name), None)
    if flow is None:
        raise click.UsageError(f'no flow "{name}"; {_near(name, [f.name for f in assessment.flows])}')
    lines = [f"{name}: {flow.mechanism}", *(f"  {r.rule}  {r.text}" for r in flow.because)]
    lines += [f"  unknown: {fact}" for fact in flow.unknown]
    output.emit(session, flow.model_dump(mode="json"), "\n".join(lines))
