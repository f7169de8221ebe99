"""Enrolment tickets of a run, asked for at the authority's token socket."""

from __future__ import annotations

import json
from pathlib import Path

from qorridor.adapters.wire import frames
from qorridor.adapters.wire.files import write_atomically
from qorridor.app.authority import enrolment_ticket
from qorridor.app.enrolment import REQUEST, Pki, appeared, enrol, prepare
from qorridor.app.run_folder import BOOK, AddressBook, read_addresses
from qorridor.base import cbor
from qorridor.base.errors import EstateError, OutsideError
from qorridor.base.names import Identity
from qorridor.estate.model import Estate, trust_domain

REQUEST_SECONDS = 60.0


async def ask_ticket(
    authority: Path, address: str, identity: Identity, state: Path, patience: float = REQUEST_SECONDS
) -> Path:
    """Lay a ticket with a one-time token for the keys of `state` into it, once its process has made them;
    raises OutsideError Q-KME-042, Q-KME-046 or Q-KME-051.

    `authority` is the state directory of an authority at work, `address` where it serves enrolment.
    """
    keys = await _key_hashes(state / "pki" / REQUEST, patience)
    channel = await frames.dial_unix(authority / "tokens.sock")
    try:
        await channel.send({"identity": identity.uri, "keys": keys})
        answer = await channel.receive()
    finally:
        await channel.close()
    if answer is None or "token" not in answer:
        raise OutsideError(
            "Q-KME-051", f"the authority gives no token for {identity.uri}", "look at authority.log"
        )
    anchor = (authority / "authority-traditional.pem").read_bytes()
    file = state / "ticket.json"
    write_atomically(file, json.dumps(enrolment_ticket(address, anchor, identity, str(answer["token"]))))
    return file


async def _key_hashes(file: Path, patience: float) -> list[cbor.Value]:
    """What a new process says of the keys that it has made."""
    await appeared(file, patience)
    try:
        return [str(item) for item in json.loads(file.read_text())["keys"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutsideError(
            "Q-KME-046",
            "the new process has made no keys to enrol",
            f"start it once: it makes them, and a person brings pki/{REQUEST} here where it runs elsewhere",
            str(file),
        ) from error


async def sae_credentials(run: Path, identity: Identity) -> Pki:
    """Credentials of an SAE of a run in RUN/sae-NAME/pki, enrolled on first use."""
    state = run / f"sae-{identity.name}"
    pki = Pki(state / "pki")
    if pki.is_enrolled:
        return pki
    prepare(pki.folder, ("ecdsa-p256",))
    host, port = AddressBook(run / BOOK).find("authority")
    return await enrol(
        pki.folder, await ask_ticket(run / "authority", f"{host}:{port}", identity, state), ("ecdsa-p256",)
    )


async def ticket_by_hand(authority: Path, estate: Estate, name: str, state: Path) -> Path:
    """A ticket for `KIND/NAME`, whose key hashes lie in STATE/pki, from an authority on this machine; raises as
    `ask_ticket` does, and
    EstateError Q-ESTATE-041 for a name that is no identity."""
    try:
        identity = Identity.parse(f"spiffe://{trust_domain(estate)}/{name}")
    except ValueError as error:
        raise EstateError(
            "Q-ESTATE-041", f'"{name}" is no identity', "write for example node/london or link/london-hayes/london"
        ) from error  # fmt: skip
    address = _address(authority)
    return await ask_ticket(authority, address, identity, state, patience=0.0)


def _address(authority: Path) -> str:
    try:
        return read_addresses(
            json.dumps(json.loads((authority / "ready.json").read_bytes())["addresses"]).encode()
        )["authority"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise OutsideError(
            "Q-KME-042", "the authority has not said where it listens", "start it: qorridor authority serve --state DIR",
            str(authority),
        ) from error  # fmt: skip
