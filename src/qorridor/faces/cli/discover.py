"""`qorridor discover`: the cryptography in use, as a CycloneDX CBOM."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from qorridor.faces.cli import options, output
from qorridor.faces.cli.session import Session

if TYPE_CHECKING:
    from qorridor.records.inventory import Inventory


@click.command(
    help="Scan what the estate names (and certificate files below PATH) and write a CycloneDX CBOM. "
    "Nothing is scanned that is not named."
)
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--only", multiple=True, metavar="NAME", help="Only the scan of that name; may be repeated.")
@click.option("--out", default="inventory.cdx.json", show_default=True, type=click.Path(path_type=Path))
@click.option("--outside-window", is_flag=True, help="Scan although a scan's window is closed.")
@options.dry_run("Say what would be looked at; look at nothing, write nothing.")
@click.pass_obj
def command(
    session: Session, path: Path | None, only: tuple[str, ...], out: Path, *, outside_window: bool
) -> None:
    """Scan, merge, write."""
    from qorridor.adapters.wire.files import write_atomically  # noqa: PLC0415 - keeps help cheap
    from qorridor.app.discover import discover, endpoints, folders, scope  # noqa: PLC0415
    from qorridor.app.estate_file import load  # noqa: PLC0415
    from qorridor.records import cyclonedx  # noqa: PLC0415

    estate = load(session.estate) if path is None or only or Path(session.estate).exists() else None
    names = scope(estate, only, path, outside_window=outside_window)
    points = endpoints(estate, names) if estate else []
    if session.dry_run:
        places = [point.locator for point in points] + [
            f"file:{found}" for found in folders(estate, only, path)
        ]
        text = "\n".join([*places, output.written(out, dry_run=True)])
        output.emit(session, {"would_look_at": places, "would_write": str(out)}, text)
        return
    with output.progress(session, "end points looked at", len(points)) as progress:
        inventory = discover(
            estate, only=only, folder=path, done=progress.step, outside_window=outside_window
        )
    text = cyclonedx.write(inventory)
    write_atomically(out, text, mode=0o644)
    if session.as_json:
        click.echo(text, nl=False)
        return
    click.echo(_summary(inventory, out))


def _summary(inventory: Inventory, out: Path) -> str:
    counts = {kind: len(inventory.of_kind(kind)) for kind in ("certificate", "protocol", "algorithm")}
    keys = sum(asset.name == "private key" for asset in inventory.assets)
    rows = [
        [scanner, *(str(found[state]) for state in ("seen", "parsed", "skipped", "failed"))]
        for scanner, found in inventory.counts().items()
    ]
    share = inventory.share_seen
    seen = "nothing was looked at" if share is None else f"coverage {share:.0%}"
    found = f"{counts['certificate']} certificates, {counts['protocol']} TLS endpoints, {keys} private keys"
    heads = ("scanner", "seen", "parsed", "skipped", "failed")
    return f"{found}, {counts['algorithm']} algorithms; {seen}\n{output.table(rows, heads)}\n→ {out}"
