"""`qorridor exchange FILE --from SITE --to SITE`: a file through the tunnel of a running corridor."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from qorridor.faces.cli import options, output
from qorridor.faces.cli.session import Session

if TYPE_CHECKING:
    from qorridor.app.exchange import Exchanged

_MEGABYTE = 1_000_000


@click.command(
    help="Send FILE from a flow's origin to its destination through the running corridor's tunnel."
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--from", "origin", required=True, metavar="SITE", help="The site where the flow begins.")
@click.option("--to", "destination", required=True, metavar="SITE", help="The site where the flow ends.")
@click.option("--out", type=click.Path(path_type=Path), help="Where it arrives (default ./NAME.received).")
@options.run_folder
@options.dry_run("Say by which flow the file would go; send nothing.")
@click.pass_obj
def command(
    session: Session, file: Path, origin: str, destination: str, out: Path | None, folder: Path | None
) -> None:
    """The receiver listens on the flow's forward address while the file is sent."""
    import asyncio  # noqa: PLC0415 - keeps help cheap

    from qorridor.app.estate_file import load  # noqa: PLC0415
    from qorridor.app.exchange import exchange, route_between  # noqa: PLC0415
    from qorridor.app.run_folder import find_run  # noqa: PLC0415

    run = find_run(folder)
    out = Path(f"{file.name}.received") if out is None else out
    route = route_between(load(run / "estate.toml"), origin, destination)
    host, port = route.forward
    words = f"receiving on {host}:{port}, the forward address of {route.flow}, while the file is sent"
    if session.dry_run:
        output.emit(
            session, {"flow": route.flow, "file": str(file), "out": str(out)}, f"would send {file}, {words}"
        )
        return
    output.say(session, words)
    with output.progress(session, "sent (MB)", max(1, _size(file) // _MEGABYTE)) as bar:
        sent = _Megabytes(bar)
        done = asyncio.run(exchange(run, file, origin, destination, out, sent.add))
    output.emit(session, _document(done, file), _text(done, file))


class _Megabytes:
    """Counts bytes, reports whole megabytes."""

    def __init__(self, bar: output.Progress) -> None:
        self._bar = bar
        self._rest = 0

    def add(self, count: int) -> None:
        """`count` more bytes were sent."""
        steps, self._rest = divmod(self._rest + count, _MEGABYTE)
        self._bar.step(steps)


def _size(file: Path) -> int:
    return file.stat().st_size if file.is_file() else 0


def _document(done: Exchanged, file: Path) -> dict[str, object]:
    return {
        "flow": done.route.flow, "corridor": done.route.corridor, "file": str(file), "out": str(done.out),
        "size": done.size, "sha256": done.sha256, "seconds": round(done.seconds, 3),
        "bytes_per_second": round(done.size / max(done.seconds, 1e-6)), "epochs_crossed": done.epochs_crossed,
        "epochs": list(done.epochs), "states": list(done.states), "simulated": done.simulated,
    }  # fmt: skip


def _text(done: Exchanged, file: Path) -> str:
    rate = done.size / max(done.seconds, 1e-6) / _MEGABYTE
    states = " → ".join(dict.fromkeys(done.states))
    label = ", simulated keys" if done.simulated else ""
    epochs = f"epoch {done.epochs[0]} → {done.epochs[1]}, {done.epochs_crossed} epochs crossed"
    return "\n".join([
        f"{file} → {done.out}: {done.size} bytes in {done.seconds:.2f} s, {rate:.1f} MB/s",
        f"sha256 {done.sha256}, equal at both ends",
        f"{done.route.flow} over {done.route.corridor}: {states}, {epochs}{label}",
    ])  # fmt: skip
