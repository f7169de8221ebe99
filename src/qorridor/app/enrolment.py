"""Enrolment of a node, link end, SAE or operator: own key pair, request, one-time token, chain."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qorridor.adapters.wire import certificates, contexts, http, tls
from qorridor.adapters.wire.certificates import Algorithm, PrivateKey
from qorridor.adapters.wire.files import write_atomically
from qorridor.base.errors import OutsideError, PolicyRefusal
from qorridor.base.names import Identity
from qorridor.estate.model import Estate

REQUEST = "request.json"
TICKET_SECONDS = 30.0
_LOOK_SECONDS = 0.05


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


def prepare(folder: Path, algorithms: Sequence[Algorithm]) -> list[PrivateKey]:
    """The keys of a new identity, made in its own folder and kept for a second try; beside them lies what
    the authority must know before it gives a token: their hashes."""
    keys = []
    for algorithm in algorithms:
        file = folder / f"{algorithm}.key"
        if not file.is_file():
            write_atomically(file, certificates.key_pem(certificates.generate_key(algorithm)))
        keys.append(certificates.load_key(file.read_bytes()))
    hashes = [certificates.key_hash(key.public_key()) for key in keys]
    write_atomically(folder / REQUEST, json.dumps({"keys": hashes}))
    return keys


async def enrol(
    folder: Path, ticket_file: Path, algorithms: Sequence[Algorithm], hosts: tuple[str, ...] = ()
) -> Pki:
    """Enrol with the ticket unless done before; keys are generated here and never leave.

    The token of a ticket is bound to these keys, so the ticket comes after them: it is waited for. The
    ticket file is deleted when its token is spent. Raises OutsideError when there is none or the
    authority cannot be reached, PolicyRefusal when it refuses.
    """
    pki = Pki(folder)
    if pki.is_enrolled:
        return pki
    keys = prepare(folder, algorithms)
    ticket = await _ticket(ticket_file)
    identity = Identity.parse(ticket["identity"])
    requests = [certificates.make_request(identity, key, hosts).decode() for key in keys]
    anchor = folder / "authority.pem"
    write_atomically(anchor, ticket["anchor"])
    answer = await _post(ticket, anchor, {"token": ticket["token"], "requests": requests})
    for index, algorithm in enumerate(algorithms):
        write_atomically(folder / f"{algorithm}.pem", answer[f"chain-{index}"])
    for name, bundle in answer.items():
        if name.startswith("trust-"):
            write_atomically(folder / f"{name}.pem", bundle)
    write_atomically(folder / "identity", identity.uri)
    for spent in (ticket_file, folder / REQUEST):
        spent.unlink(missing_ok=True)
    return pki


def hosts_of(estate: Estate, site: str, bind: str) -> tuple[str, ...]:
    """The host names that a site's processes ask for: where they listen on loopback, else the site's own."""
    if is_loopback(bind):
        return (bind,)
    entry = estate.sites.get(site)
    return (entry.node.partition(":")[0],) if entry is not None and entry.node else ()


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def appeared(file: Path, seconds: float) -> None:
    """Wait until another process has laid down a file, no longer than `seconds`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not file.is_file():  # noqa: ASYNC110 - another process knows nothing of this one's events
                await asyncio.sleep(_LOOK_SECONDS)


async def _ticket(path: Path) -> dict[str, str]:
    """The ticket, once somebody has laid it down."""
    await appeared(path, TICKET_SECONDS)
    try:
        ticket = json.loads(path.read_text())
        return {name: str(ticket[name]) for name in ("authority", "anchor", "identity", "token")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutsideError(
            "Q-KME-046", "there is neither a certificate nor a readable enrolment ticket",
            f"have one made for the keys of pki/{REQUEST}, then start again: "
            "qorridor authority ticket KIND/NAME --state AUTHORITY --out DIR", str(path),
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
