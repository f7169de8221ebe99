"""`qorridor sae`: what an SAE of a run does by hand."""

from __future__ import annotations

import base64
import hmac
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qorridor.faces.cli import options, output
from qorridor.faces.cli.session import Session

if TYPE_CHECKING:
    from qorridor.records.keys import DeliveredKey


@click.group(help="Act as an SAE (an encryptor) of a run.")
def command() -> None:
    """Sub-commands follow."""


@command.command("get", help="Fetch keys over ETSI GS QKD 014 from the KME of the SAE's own site.")
@click.option(
    "--as", "me", required=True, metavar="SAE", help="Who asks: an SAE of the estate's [sae] table."
)
@click.option("--for", "partner", required=True, metavar="SAE", help="The SAE that shares the keys.")
@click.option("--number", type=click.IntRange(1, 128), default=1, show_default=True)
@click.option(
    "--size", type=click.IntRange(64, 1024), default=256, show_default=True, help="Bits of each key."
)
@click.option("--key-id", "key_ids", multiple=True, type=click.UUID, help="Fetch the key that the other SAE has "
              "asked for (dec_keys); may be repeated.")  # fmt: skip
@click.option("--show-key", is_flag=True, help="Print the key itself. Whoever sees it has it.")
@options.run_folder
@options.dry_run("Say what would be fetched; fetch nothing, enrol nobody.")
@click.pass_obj
def get(
    session: Session, me: str, partner: str, number: int, size: int, key_ids: tuple[object, ...],
    folder: Path | None, *, show_key: bool,
) -> None:  # fmt: skip
    """A key is delivered once at each end: one that was fetched and not used is lost."""
    import asyncio  # noqa: PLC0415 - keeps help cheap

    from qorridor.app.estate_file import load  # noqa: PLC0415
    from qorridor.app.run_folder import find_run  # noqa: PLC0415
    from qorridor.app.sae import entry_of, get_keys  # noqa: PLC0415

    run, wanted = find_run(folder), [str(key_id) for key_id in key_ids]
    if session.dry_run:
        estate = load(run / "estate.toml")
        for name in (me, partner):
            entry_of(estate, name)
        what = f"{len(wanted)} keys by key_ID" if wanted else f"{number} keys of {size} bits"
        output.emit(session, {"as": me, "for": partner}, f"would fetch {what} as {me} for {partner}")
        return
    keys = asyncio.run(get_keys(run, me, partner, number=number, size=size, key_ids=wanted))
    if show_key:
        output.say(session, "warning: these are live keys; whoever reads this terminal or its log has them")
    rows = shown(keys, show_key=show_key)
    heads = ("key_ID", "bits", "key" if show_key else "digest of this call", "label")
    lines = [[str(value) for value in row.values()] for row in rows]
    for row, key in zip(lines, keys, strict=True):
        row[3] = "simulated" if key.simulated else ""
    output.emit(session, {"as": me, "for": partner, "keys": rows}, output.table(lines, heads))
    for key in keys:
        key.key.wipe()


def shown(keys: list[DeliveredKey], *, show_key: bool) -> list[dict[str, object]]:
    """What is printed of keys: their bytes on demand only, else an HMAC under a salt that nobody keeps.

    The digest tells keys of one call apart; it cannot be used to test a guess, nor in another call.
    """
    salt = secrets.token_bytes(32)
    return [
        {
            "key_ID": key.key_id,
            "bits": 8 * len(key.key),
            **(
                {"key": base64.b64encode(key.key.reveal()).decode()}
                if show_key
                else {"digest": hmac.digest(salt, key.key.reveal(), "sha256").hex()[:12]}
            ),
            "simulated": key.simulated,
        }
        for key in keys
    ]
