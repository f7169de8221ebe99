"""`qorridor node SITE`: the daemon of one site. The composition root: faces are handed to app here."""

from __future__ import annotations

from pathlib import Path

import click

from qorridor.faces.cli.session import Session


@click.command(help="Serve one site until a signal: key management entity, relay, roll-over, journal, links.")
@click.argument("site")
@click.option("--state", type=click.Path(path_type=Path), required=True, help="State directory, mode 0700.")
@click.option("--bind", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--only", default="", help="Serve this one corridor of the estate.")
@click.option(
    "--compatibility", is_flag=True, help="Also serve kme-etsi-compat: traditional TLS, not quantum-safe."
)
@click.pass_obj
def command(session: Session, site: str, state: Path, bind: str, only: str, compatibility: bool) -> None:  # noqa: FBT001 - click's callback
    """Blocks until SIGTERM or SIGINT."""
    from qorridor.app.node import NodeSettings, main  # noqa: PLC0415 - keeps help cheap
    from qorridor.faces.api.etsi014 import sae_face  # noqa: PLC0415
    from qorridor.faces.api.skip_cisco02 import skip_face  # noqa: PLC0415

    main(NodeSettings(site, Path(session.estate), state, bind, compatibility, only), sae_face, skip_face)
