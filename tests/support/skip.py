"""Encryptors that ask real SKIP listeners, with certificates and with pre-shared keys."""

import json

from qorridor.adapters.wire import contexts, tls
from qorridor.adapters.wire.system import SystemClock
from qorridor.app.node_skip import psk_context
from qorridor.base.secret import Secret
from qorridor.faces.api.skip_cisco02 import SkipCisco02
from qorridor.run.registry import Registry, SaeEntry
from tests.support.saes import Kmes, read_answer
from tests.support.world import Entropy

SAES = {
    "a": SaeEntry("a", "london", frozenset({"b", "e"}), speaks="skip", system_id="Alice"),
    "m": SaeEntry("m", "london", frozenset({"b"}), speaks="skip", system_id="Mallory"),
    "e": SaeEntry("e", "hayes", frozenset({"a"})),
    "b": SaeEntry("b", "hayes", frozenset({"a", "m"}), speaks="skip", system_id="Bob"),
    "n": SaeEntry("n", "hayes", frozenset({"a"}), speaks="skip", system_id="Nobody"),
}
PSKS = {name: bytes([index]) * 32 for index, name in enumerate(("Alice", "Mallory", "Bob", "Nobody", "e"), 1)}


class Providers(Kmes):
    """Two sites that serve SKIP beside 014; `skip_ports` by (site, listener)."""

    saes, registry = SAES, Registry(SAES)

    def __init__(self, organisation, folder):
        super().__init__(organisation, folder, {"london-hayes": ("london", "hayes")})
        self.skip_ports = {}

    async def start(self, site):
        await super().start(site)
        self.faces = getattr(self, "faces", {})
        face = SkipCisco02(
            self.managers[site], SAES, self._recorder(site), SystemClock(), Entropy(f"skip-{site}")
        )
        self.faces[site] = face
        pki = self.organisation.enrol("node", site, "ml-dsa-65", "ecdsa-p256")
        served = {
            "skip": contexts.mutual_server(pki.credentials("ecdsa-p256"), pki.trust("sae")),
            "skip-psk": psk_context({name: Secret(key) for name, key in PSKS.items()}),
        }
        for name, context in served.items():
            server = await tls.serve(
                face.serve, lambda context=context: context, "127.0.0.1", 0, refused=self._refused
            )
            self.servers.append(server)
            self.skip_ports[site, name] = server.sockets[0].getsockname()[1]

    async def by_certificate(self, sae, site=None):
        """A connection of an SAE with its certificate."""
        pki = self.organisation.enrol("sae", sae)
        context = contexts.mutual_client(pki.credentials("ecdsa-p256"), pki.trust("node"))
        return await self._to(site or SAES[sae].site, "skip", context)

    async def by_psk(self, identity, key=None, site=None):
        """A connection that offers a pre-shared key."""
        site = site or next(entry.site for entry in SAES.values() if entry.system == identity)
        secret = key or PSKS[identity]
        return await self._to(site, "skip-psk", contexts.psk_client(identity, lambda: memoryview(secret)))

    async def _to(self, site, listener, context):
        return await tls.connect("127.0.0.1", self.skip_ports[site, listener], context)


async def get(stream, path, method="GET", *headers):
    """(status, headers, JSON or bytes) of one request."""
    await stream.write(
        "\r\n".join([f"{method} {path} HTTP/1.1", "Host: kp", *headers, "", ""]).encode("latin-1")
    )
    status, told, body = await read_answer(stream)
    return status, told, json.loads(body) if body else body
