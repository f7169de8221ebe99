"""`qorridor keys`: how many keys each node holds, in which state, how old, and what was burnt. Never bytes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qorridor.faces.cli import options, output
from qorridor.faces.cli.session import Session

if TYPE_CHECKING:
    from qorridor.app.watching import Statuses

STATES = ("ingested", "available", "reserved", "bound", "delivered", "void")


@click.command(
    help="Count the keys of each node of a run by state, with their ages and what was burnt; never bytes."
)
@options.run_folder
@click.pass_obj
def command(session: Session, folder: Path | None) -> None:
    """One round over the operator listeners."""
    import asyncio  # noqa: PLC0415 - keeps help cheap

    from qorridor.app.run_folder import find_run  # noqa: PLC0415

    run = find_run(folder)
    statuses = asyncio.run(_ask(run))
    document = {"run": str(run), "unit": "bit", "nodes": [_entry(*item) for item in statuses.items()]}
    output.emit(session, document, _text(statuses))


async def _ask(run: Path) -> Statuses:
    from qorridor.app.watching import rounds  # noqa: PLC0415

    found: Statuses = {}
    async for statuses in rounds(run, once=True):
        found = statuses
    return found


def _entry(site: str, status: dict[str, Any] | None) -> dict[str, Any]:
    if status is None:
        return {"site": site, "answers": False}
    simulated = [link["link"] for link in status["links"] if link["simulated"]]
    return {"site": site, "answers": True, "simulated_links": simulated,
            **{name: status[name] for name in ("keys", "burnt", "ages")}}  # fmt: skip


def _text(statuses: Statuses) -> str:
    rows = [
        [site, *(str(status["keys"][name]) for name in STATES), _burnt(status), _open(status)]
        for site, status in statuses.items()
        if status is not None
    ]
    lines = [output.table(rows, ("node", *STATES, "burnt by cause", "oldest open key"))] if rows else []
    lines += [
        f"{site}: {link}: blocks of {oldest:.0f} to {newest:.0f} s of age{_label(status, link)}"
        for site, status in statuses.items()
        if status is not None
        for link, (oldest, newest) in status["ages"]["blocks"].items()
    ]
    lines += [f"{site}: the node does not answer" for site, status in statuses.items() if status is None]
    return "\n".join(
        [*lines, "Counts are bits of QKD key at that node, ever ingested and where they are now."]
    )


def _label(status: dict[str, Any], link: str) -> str:
    simulated = any(entry["link"] == link and entry["simulated"] for entry in status["links"])
    return ", simulated" if simulated else ""


def _burnt(status: dict[str, Any]) -> str:
    return ", ".join(f"{cause} {bits}" for cause, bits in sorted(status["burnt"].items())) or "-"


def _open(status: dict[str, Any]) -> str:
    age = status["ages"]["open"]
    return "-" if age is None else f"{age:.1f} s"
