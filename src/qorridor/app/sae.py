"""`qorridor sae get`: an SAE of a run asks the KME of its own site, with credentials of its own."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from qorridor.adapters.peers.etsi014_client import Etsi014Client
from qorridor.adapters.wire import contexts, http, tls
from qorridor.app.enrolment import Pki
from qorridor.app.estate_file import load
from qorridor.app.run_folder import BOOK, AddressBook
from qorridor.app.tickets import sae_credentials
from qorridor.base.errors import EstateError, PolicyRefusal
from qorridor.base.names import Identity
from qorridor.estate.model import Estate, trust_domain
from qorridor.records.keys import DeliveredKey
from qorridor.run.registry import SaeEntry, registry


def entry_of(estate: Estate, name: str) -> SaeEntry:
    """A foreign SAE of the estate; raises EstateError for an unknown one, PolicyRefusal for a tunnel end.

    The ends of our own tunnels get their keys inside their node and hold no certificate.
    """
    if name in estate.saes:
        return registry(estate)[name]
    if name in registry(estate):
        raise PolicyRefusal("Q-POLICY-015", f"{name} is an end of our own tunnel; only its node asks for its keys",
                            "ask as an SAE of the estate's [sae] table", estate.source)  # fmt: skip
    near = difflib.get_close_matches(name, estate.saes, 1)
    raise EstateError(
        "Q-ESTATE-033", f'the estate names no SAE "{name}"',
        f'did you mean "{near[0]}"?' if near else f"choose one of: {', '.join(estate.saes) or 'none'}",
        estate.source,
    )  # fmt: skip


async def get_keys(
    run: Path, me: str, partner: str, *, number: int = 1, size: int = 256, key_ids: Sequence[str] = ()
) -> list[DeliveredKey]:
    """Fresh keys of `me` for `partner`, or with `key_ids` those that `partner` has asked for."""
    estate = load(run / "estate.toml")
    entry = entry_of(estate, me)
    entry_of(estate, partner)
    pki = await sae_credentials(run, Identity(trust_domain(estate), "sae", me))
    client = http.Client(lambda: _dial(run, entry.site, pki))
    kme = Etsi014Client(client, partner, f"kme/{entry.site}")
    try:
        return await (kme.dec_keys(key_ids) if key_ids else kme.enc_keys(number, size))
    finally:
        client.close()


async def _dial(run: Path, site: str, pki: Pki) -> tls.Stream:
    context = contexts.mutual_client(pki.credentials("ecdsa-p256"), pki.trust("node"))
    return await tls.connect(
        *AddressBook(run / BOOK).find(f"kme/{site}"), context,
        accept=lambda peer: (peer.kind, peer.name) == ("node", site),
    )  # fmt: skip
