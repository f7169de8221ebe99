"""Enrolment of a node, link end, SAE or operator: own key pair, request, one-time token, chain."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qorridor.adapters.wire import certificates, contexts, http, tls
from qorridor.adapters.wire.certificates import Algorithm
from qorridor.adapters.wire.files import write_atomically
from qorridor.base.errors import OutsideError, PolicyRefusal
from qorridor.base.names import Identity


@dataclass(frozen=True, slots=True)
class Pki:
    """The folder of one identity: chains, keys and trust bundles."""

    folder: Path

    def credentials(self, *algorithms: Algorithm) -> contexts.Credentials:
        """The chains of these algorithms."""
        return contexts.Credentials(
            tuple((self.folder / f"{name}.pem", self.folder / f"{name}.key") for name in algorithms)
        )

    def trust(self, kind: str) -> Path:
        """The bundle that verifies identities of `kind`."""
        return self.folder / f"trust-{kind}.pem"

    @property
    def is_enrolled(self) -> bool:
        """Whether the last file of an enrolment is there."""
        return (self.folder / "identity").is_file()

    @property
    def identity(self) -> Identity:
        """Who this is."""
        return Identity.parse((self.folder / "identity").read_text())


async def enrol(
    folder: Path, ticket_file: Path, algorithms: Sequence[Algorithm], hosts: tuple[str, ...] = ()
) -> Pki:
    """Enrol with the ticket unless done before; keys are generated here and never leave.

    The ticket file is deleted when its token is spent. Raises OutsideError when the authority
    cannot be reached, PolicyRefusal when it refuses.
    """
    pki = Pki(folder)
    if pki.is_enrolled:
        return pki
    ticket = _read_ticket(ticket_file)
    identity = Identity.parse(ticket["identity"])
    keys = [certificates.generate_key(algorithm) for algorithm in algorithms]
    requests = [certificates.make_request(identity, key, hosts).decode() for key in keys]
    anchor = folder / "authority.pem"
    write_atomically(anchor, ticket["anchor"])
    answer = await _post(ticket, anchor, {"token": ticket["token"], "requests": requests})
    for index, (algorithm, key) in enumerate(zip(algorithms, keys, strict=True)):
        write_atomically(folder / f"{algorithm}.key", certificates.key_pem(key))
        write_atomically(folder / f"{algorithm}.pem", answer[f"chain-{index}"])
    for name, bundle in answer.items():
        if name.startswith("trust-"):
            write_atomically(folder / f"{name}.pem", bundle)
    write_atomically(folder / "identity", identity.uri)
    ticket_file.unlink(missing_ok=True)
    return pki


def _read_ticket(path: Path) -> dict[str, str]:
    try:
        ticket = json.loads(path.read_text())
        return {name: str(ticket[name]) for name in ("authority", "anchor", "identity", "token")}
    except (OSError, ValueError, KeyError) as error:
        raise OutsideError(
            "Q-KME-046", "there is neither a certificate nor a readable enrolment ticket",
            "have one laid there: qorridor authority ticket KIND/NAME --state AUTHORITY --out DIR", str(path),
        ) from error  # fmt: skip


async def _post(ticket: dict[str, str], anchor: Path, body: dict[str, object]) -> dict[str, str]:
    host, _, port = ticket["authority"].rpartition(":")
    context = contexts.mutual_client(None, anchor)

    async def dial() -> tls.Stream:
        return await tls.connect(host, int(port), context, accept=lambda peer: peer.kind == "authority")

    client = http.Client(dial)
    try:
        response = await client.request("POST", "/enrol/v1", json.dumps(body).encode())
    finally:
        client.close()
    answer = json.loads(response.body or b"{}")
    if response.status != 200:
        raise PolicyRefusal(
            "Q-POLICY-003", f"the authority refuses to enrol: {answer.get('message', response.status)}",
            "ask for a new ticket; a token serves once and 15 minutes", ticket["identity"],
        )  # fmt: skip
    return {str(name): str(value) for name, value in answer.items()}
