"""`qorridor authority`: the issuing authority and enrolment by one-time token and signing request.

    supervisor --token request (Unix socket, same user)--> authority
    node       --CSR + one-time token (TLS, authority pinned in the token)--> authority --> chain, trust

The authority never holds a private key of a node, link end, SAE or operator.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import re
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qorridor.adapters.wire import certificates, contexts, frames, http, tls
from qorridor.adapters.wire.certificates import Issuer
from qorridor.adapters.wire.files import write_atomically
from qorridor.adapters.wire.system import SystemClock, SystemEntropy
from qorridor.app import process
from qorridor.app.enrolment import hosts_of, is_loopback
from qorridor.app.estate_file import load
from qorridor.app.run_folder import announce
from qorridor.base import cbor
from qorridor.base.canonical import strict_json
from qorridor.base.errors import OutsideError, PolicyRefusal, words_of
from qorridor.base.names import Identity
from qorridor.estate.model import Estate, trust_domain
from qorridor.ports.world import Clock, Entropy

_LOG = logging.getLogger(__name__)
KINDS = ("node", "sae", "link", "operator")
TOKEN_SECONDS = 15 * 60
MOST_REQUESTS = 4
REGISTER_VERSION = 2
_KEY_HASH = re.compile(r"[0-9a-f]{64}")
_ROOTS: dict[str, certificates.Algorithm] = {"traditional": "ecdsa-p384", "post-quantum": "ml-dsa-87"}
_ISSUERS: dict[str, certificates.Algorithm] = {"traditional": "ecdsa-p256", "post-quantum": "ml-dsa-65"}
_FAMILY = {"ecdsa-p256": "traditional", "ecdsa-p384": "traditional", "ml-dsa-65": "post-quantum",
           "ml-dsa-87": "post-quantum"}  # fmt: skip


Admits = Callable[[Identity, str], bool]
"""Whether a certificate of an identity may carry a host name."""


def on_loopback(_identity: Identity, host: str) -> bool:
    """A run on this machine: its own names only."""
    return is_loopback(host)


def hosts_in(estate: Estate, bind: str) -> Admits:
    """The names that an estate gives the nodes and link ends of its sites; on loopback only this machine's."""
    if is_loopback(bind):
        return on_loopback

    def admits(identity: Identity, host: str) -> bool:
        site = identity.name.rpartition("/")[2]
        return identity.kind in {"node", "link"} and host in hosts_of(estate, site, bind)

    return admits


@dataclass(slots=True)
class Authority:
    """Issuers per kind and family, and the register of tokens and certificates."""

    folder: Path
    organisation: str
    domain: str
    clock: Clock
    entropy: Entropy
    issuers: dict[tuple[str, str], Issuer]
    register: sqlite3.Connection
    admits: Admits

    def trust(self, kind: str) -> bytes:
        """PEM bundle of the issuing authorities of one kind of identity."""
        return b"".join(
            certificates.certificate_pem(self.issuers[kind, family].certificate) for family in _ISSUERS
        )

    def grant(self, identity: Identity, keys: Sequence[str]) -> str:
        """A one-time token for one identity and its keys (SHA-256 of the public halves, hex), valid for
        15 minutes; only its hash is kept. Raises ValueError without keys."""
        if not 1 <= len(keys) <= MOST_REQUESTS or not all(_KEY_HASH.fullmatch(key) for key in keys):
            raise ValueError("a token is given for one to four key hashes")
        token = self.entropy.draw(32).hex()
        with self.register:
            self.register.execute(
                "INSERT INTO ticket VALUES (?, ?, ?, ?, NULL)",
                (_hash(token), identity.uri, " ".join(keys), self.clock.now() + TOKEN_SECONDS),
            )
        return token

    def enrol(self, token: str, requests: list[bytes]) -> dict[str, str]:
        """Certificates for all requests of one token; raises PolicyRefusal, and then issues nothing.

        Who repeats a request, with the same keys and before the token expires, gets what was issued for
        it: a process may end between the answer and its file.
        """
        now, ticket = self.clock.now(), _hash(token)
        row = self.register.execute(
            "SELECT identity, expires, used, keys FROM ticket WHERE hash = ?", (ticket,)
        ).fetchone()
        if row is None or row[1] < now:
            raise _refused_token("unknown" if row is None else "expired")
        try:
            asked = [(request, *certificates.request_key(request)) for request in requests]
            if row[2] is not None:
                return self._answer(self._issued(ticket, [key for _, _, key in asked]))
            if not {key for _, _, key in asked} <= set(row[3].split()):
                raise ValueError("its key is not one that the token was given for")
            issued = [self._issue(Identity.parse(row[0]), *each) for each in asked]
        except ValueError as error:
            raise PolicyRefusal(
                "Q-POLICY-002", f"the signing request is refused: {error}",
                "make the request for the identity that the token names",
            ) from error  # fmt: skip
        with self.register:
            spent = self.register.execute(
                "UPDATE ticket SET used = ? WHERE hash = ? AND used IS NULL", (now, ticket)
            )
            if spent.rowcount != 1:
                raise _refused_token("spent")
            self.register.executemany(
                "INSERT INTO certificate VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(serial, row[0], now, "good", ticket, key, chain) for serial, key, chain in issued],
            )
        return self._answer([chain for _, _, chain in issued])

    def _answer(self, chains: Sequence[str]) -> dict[str, str]:
        trust = {f"trust-{kind}": self.trust(kind).decode() for kind in KINDS}
        return {f"chain-{index}": chain for index, chain in enumerate(chains)} | trust

    def _issued(self, ticket: str, keys: Sequence[str]) -> list[str]:
        """The chains that a spent token brought for these keys; only their holder can sign such a request."""
        rows = self.register.execute("SELECT key, chain FROM certificate WHERE ticket = ?", (ticket,))
        chains: dict[str, str] = dict(rows)
        if not set(keys) <= chains.keys():
            raise _refused_token("spent")
        return [chains[key] for key in keys]

    def _issue(
        self, identity: Identity, request: bytes, algorithm: certificates.Algorithm, key: str
    ) -> tuple[str, str, str]:
        """(serial, hash of the key, chain) of one new certificate."""
        issuer = self.issuers[identity.kind, _FAMILY[algorithm]]
        leaf = certificates.sign_request(
            issuer,
            request,
            identity,
            certificates.utc(self.clock.now()),
            lambda host: self.admits(identity, host),
        )
        chain = certificates.certificate_pem(leaf) + certificates.certificate_pem(issuer.certificate)
        return str(leaf.serial_number), key, chain.decode()


def _refused_token(why: str) -> PolicyRefusal:
    return PolicyRefusal("Q-POLICY-001", f"the enrolment token is {why}", "ask the authority for a new token")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def open_authority(
    folder: Path, organisation: str, domain: str, clock: Clock, entropy: Entropy, admits: Admits = on_loopback
) -> Authority:
    """The authority of `folder`, made on first use: two roots, and an issuer per kind and family."""
    if not (folder / "authority.db").is_file():
        _make(folder, organisation, clock)
    try:
        register = _open_register(folder / "authority.db")
        issuers = {
            (kind, family): certificates.load_issuer(
                (folder / f"{kind}-{family}.pem").read_bytes(), (folder / f"{kind}-{family}.key").read_bytes()
            )
            for kind in (*KINDS, "authority")
            for family in _ISSUERS
        }
    except (sqlite3.Error, OSError, ValueError) as error:
        raise _unusable(error, folder) from error
    return Authority(folder, organisation, domain, clock, entropy, issuers, register, admits)


def _unusable(error: Exception, folder: Path) -> OutsideError:
    return OutsideError(
        "Q-KME-073", f"the authority's files cannot be used: {words_of(error)}",
        "free space, or restore the authority's folder from its backup; nothing was issued", str(folder),
    )  # fmt: skip


def _open_register(file: Path) -> sqlite3.Connection:
    """The register; raises sqlite3.Error for one that is damaged or of another version."""
    register = sqlite3.connect(file)
    found = register.execute("PRAGMA user_version").fetchone()[0]
    tables = register.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if found != REGISTER_VERSION and tables:
        register.close()
        raise sqlite3.DatabaseError(
            f"the register is of version {found}, this program's of {REGISTER_VERSION}"
        )
    register.executescript(
        f"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA user_version = {REGISTER_VERSION};"
        "CREATE TABLE IF NOT EXISTS ticket"
        " (hash TEXT PRIMARY KEY, identity TEXT, keys TEXT, expires REAL, used REAL);"
        "CREATE TABLE IF NOT EXISTS certificate"
        " (serial TEXT PRIMARY KEY, identity TEXT, issued REAL, state TEXT, ticket TEXT, key TEXT, chain TEXT);"
    )
    return register


def _make(folder: Path, organisation: str, clock: Clock) -> None:
    now = certificates.utc(clock.now())
    for family, algorithm in _ISSUERS.items():
        root = certificates.make_root(organisation, _ROOTS[family], now, f"root {family}")
        write_atomically(folder / f"root-{family}.pem", certificates.certificate_pem(root.certificate))
        write_atomically(folder / f"root-{family}.key", certificates.key_pem(root.key))
        for kind in (*KINDS, "authority"):
            issuer = certificates.make_issuer(
                root, organisation, algorithm, now, f"{kind} authority {family}"
            )
            write_atomically(
                folder / f"{kind}-{family}.pem", certificates.certificate_pem(issuer.certificate)
            )
            write_atomically(folder / f"{kind}-{family}.key", certificates.key_pem(issuer.key))


def _own_credentials(authority: Authority, host: str) -> contexts.Credentials:
    """The authority's own server certificate, made afresh at each start."""
    identity = Identity(authority.domain, "authority", "authority")
    key = certificates.generate_key("ecdsa-p256")
    request = certificates.make_request(identity, key, (host,))
    issuer = authority.issuers["authority", "traditional"]
    now = certificates.utc(authority.clock.now())
    leaf = certificates.sign_request(issuer, request, identity, now, lambda name: name == host)
    chain_file, key_file = authority.folder / "server.pem", authority.folder / "server.key"
    write_atomically(
        chain_file, certificates.certificate_pem(leaf) + certificates.certificate_pem(issuer.certificate)
    )
    write_atomically(key_file, certificates.key_pem(key))
    return contexts.Credentials(((chain_file, key_file),))


def _answer(authority: Authority, request: http.Request) -> http.Response:
    """POST /enrol/v1 {token, requests: [PEM]} -> chains and trust bundles; 403 with the cause."""
    if request.method != "POST" or request.path != "/enrol/v1":
        return http.Response(404)
    try:
        asked: Any = strict_json(request.body)
        token, requests = asked["token"], [text.encode() for text in asked["requests"]]
        if not isinstance(token, str) or not 1 <= len(requests) <= MOST_REQUESTS:
            raise ValueError("a token and one to four requests are needed")
    except (ValueError, KeyError, TypeError, AttributeError):
        return http.Response(400, b'{"message":"enrolment needs a token and signing requests"}')
    try:
        return http.Response(200, json.dumps(authority.enrol(token, requests)).encode())
    except sqlite3.Error as error:
        told = _unusable(error, authority.folder)
        _LOG.warning("%s", told)
        return http.Response(503, json.dumps({"code": told.code, "message": told.cause}).encode())
    except PolicyRefusal as refusal:
        return http.Response(403, json.dumps({"code": refusal.code, "message": refusal.cause}).encode())


def _token(authority: Authority, frame: frames.Frame) -> str:
    identity, keys = Identity.parse(str(frame.get("identity", ""))), frame.get("keys")
    if identity.trust_domain != authority.domain or identity.kind not in KINDS:
        raise ValueError(f"no authority for {identity.uri}")
    if not isinstance(keys, list):
        raise ValueError("a token is given for one to four key hashes")
    return authority.grant(identity, [str(key) for key in keys])


async def serve_authority(
    authority: Authority, host: str, socket: Path
) -> tuple[asyncio.Server, asyncio.Server]:
    """The enrolment listener on a free port of `host`, and the token socket for this user."""
    context = contexts.anonymous_server(_own_credentials(authority, host))

    async def enrolment(stream: tls.Stream) -> None:
        async def handle(request: http.Request) -> http.Response:
            return _answer(authority, request)

        await http.serve_requests(stream, handle)

    async def tokens(channel: frames.Channel) -> None:
        while (frame := await channel.receive()) is not None:
            try:
                await channel.send({"token": _token(authority, frame)})
            except ValueError as error:
                await channel.send({"refused": str(error)})

    def refused(address: str, cause: str) -> None:
        del address, cause  # the dialer is told; enrolment refusals proper are answered with 403

    listener = await tls.serve(enrolment, lambda: context, host, 0, refused=refused)
    return listener, await frames.serve_unix(socket, tokens)


def enrolment_ticket(authority_address: str, anchor: bytes, identity: Identity, token: str) -> cbor.Value:
    """What a new process is given: where to enrol, whom to trust for that, and its one-time token."""
    return {
        "authority": authority_address, "anchor": anchor.decode(), "identity": identity.uri, "token": token,
    }  # fmt: skip


async def run_authority(estate_file: Path, state: Path, bind: str, stop: asyncio.Event) -> None:
    """Serve enrolment until `stop`."""
    estate = load(estate_file)
    authority = open_authority(
        state,
        estate.organisation,
        trust_domain(estate),
        SystemClock(),
        SystemEntropy(),
        hosts_in(estate, bind),
    )
    listener, tokens = await serve_authority(authority, bind, state / "tokens.sock")
    host, port = listener.sockets[0].getsockname()[:2]
    announce(state, {"authority": f"{host}:{port}"})
    await stop.wait()
    listener.close()
    tokens.close()
    authority.register.close()


def main(estate_file: Path, state: Path, bind: str) -> None:
    """Entry of the process."""
    process.harden()
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    process.run_until_signalled(lambda stop: run_authority(estate_file, state, bind, stop))
