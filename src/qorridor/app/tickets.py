"""Enrolment tickets of a run, asked for at the authority's token socket."""

from __future__ import annotations

import json
from pathlib import Path

from qorridor.adapters.wire import frames
from qorridor.adapters.wire.files import write_atomically
from qorridor.app.authority import enrolment_ticket
from qorridor.app.enrolment import Pki, enrol
from qorridor.app.run_folder import BOOK, AddressBook
from qorridor.base.errors import OutsideError
from qorridor.base.names import Identity


async def ask_ticket(run: Path, address: str, identity: Identity, state: Path) -> Path:
    """Lay a ticket with a one-time token into `state`; raises OutsideError Q-KME-042 or Q-KME-051.

    `address` is where the authority of `run` serves enrolment.
    """
    channel = await frames.dial_unix(run / "authority" / "tokens.sock")
    try:
        await channel.send({"identity": identity.uri})
        answer = await channel.receive()
    finally:
        await channel.close()
    if answer is None or "token" not in answer:
        raise OutsideError(
            "Q-KME-051", f"the authority gives no token for {identity.uri}", "look at authority.log"
        )
    anchor = (run / "authority" / "authority-traditional.pem").read_bytes()
    file = state / "ticket.json"
    write_atomically(file, json.dumps(enrolment_ticket(address, anchor, identity, str(answer["token"]))))
    return file


async def sae_credentials(run: Path, identity: Identity) -> Pki:
    """Credentials of an SAE of a run in RUN/sae-NAME/pki, enrolled on first use."""
    state = run / f"sae-{identity.name}"
    pki = Pki(state / "pki")
    if pki.is_enrolled:
        return pki
    host, port = AddressBook(run / BOOK).find("authority")
    return await enrol(pki.folder, await ask_ticket(run, f"{host}:{port}", identity, state), ("ecdsa-p256",))
