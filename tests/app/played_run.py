"""A run folder whose authority and one node answer over real mutual TLS inside the test's process."""

import base64
import contextlib
import json
import uuid
from pathlib import Path

from qorridor.adapters.wire import contexts, http, tls
from qorridor.adapters.wire.system import SystemClock, SystemEntropy
from qorridor.app.authority import open_authority, serve_authority
from qorridor.app.enrolment import enrol, prepare
from qorridor.app.estate_file import load
from qorridor.app.run_folder import BOOK, merge_book
from qorridor.app.tickets import ask_ticket
from qorridor.base.names import Identity
from qorridor.estate.model import trust_domain
from tests.faces.cli.statuses import status

EXAMPLE = Path(__file__).parents[2] / "examples/meridian/estate.toml"


def where(server):
    host, port = server.sockets[0].getsockname()[:2]
    return f"{host}:{port}"


@contextlib.asynccontextmanager
async def played_run(run, text=None):
    """Serve `run`; yields what the KME was asked by whom."""
    run.mkdir(parents=True)
    (run / "estate.toml").write_text(text or EXAMPLE.read_text())
    estate = load(run / "estate.toml")
    domain = trust_domain(estate)
    authority = open_authority(run / "authority", estate.organisation, domain, SystemClock(), SystemEntropy())
    servers = [*await serve_authority(authority, "127.0.0.1", run / "authority/tokens.sock")]
    address = where(servers[0])
    merge_book(run / BOOK, {"authority": address})

    async def enrolled(kind, name, folder, hosts=()):
        prepare(folder / "pki", ("ecdsa-p256",))
        return await enrol(
            folder / "pki",
            await ask_ticket(run / "authority", address, Identity(domain, kind, name), folder),
            ("ecdsa-p256",),
            hosts,
        )

    await enrolled("operator", "run", run / "operator")
    node = await enrolled("node", "london", run / "node-london", ("127.0.0.1",))
    asked = []

    async def kme(request):
        asked.append((request.peer.identity.name, request.path))
        key = {"key_ID": str(uuid.uuid4()), "key": base64.b64encode(bytes(32)).decode()}
        answer = {"keys": [key], "key_container_extension": {"qorridor_simulated": True}}
        return http.Response(200, json.dumps(answer).encode())

    async def operator(request):
        return http.Response(200, json.dumps(status()).encode())

    for name, kind, handle in (("kme", "sae", kme), ("operator", "operator", operator)):
        context = contexts.mutual_server(node.credentials("ecdsa-p256"), node.trust(kind))

        async def serve(stream, handle=handle):
            await http.serve_requests(stream, handle)

        server = await tls.serve(serve, lambda c=context: c, "127.0.0.1", 0, refused=lambda *_: None)
        servers.append(server)
        merge_book(run / BOOK, {f"{name}/london": where(server)})
    try:
        yield asked
    finally:
        for server in servers:
            server.close()
        authority.register.close()
