"""`qorridor tunnel FLOW`: one end of a tunnel on TLS 1.3 external PSK."""

from __future__ import annotations

from pathlib import Path

import click

from qorridor.faces.cli.session import Session


@click.command(help="Serve one end of a flow's tls-tunnel until a signal; the site's node gives it keys.")
@click.argument("flow")
@click.option("--site", required=True, help="The end: the flow's origin or its destination.")
@click.option("--state", type=click.Path(path_type=Path), required=True, help="State directory.")
@click.option("--bind", default="127.0.0.1", show_default=True, help="Address that trunks come to.")
@click.pass_obj
def command(session: Session, flow: str, site: str, state: Path, bind: str) -> None:
    """Blocks until SIGTERM or SIGINT."""
    from qorridor.app.tunnel import main  # noqa: PLC0415 - keeps help cheap

    main(Path(session.estate), flow, site, state, bind)
