"""SAEs that ask real ETSI GS QKD 014 listeners, raw enough to misbehave."""

import json

from qorridor.adapters.wire import contexts, tls
from qorridor.adapters.wire.system import SystemClock
from qorridor.faces.api.etsi014 import Etsi014
from qorridor.ports.key_store import Keep
from qorridor.run.registry import Registry, SaeEntry
from tests.support.nodes import Net

SAES = {
    "a": SaeEntry("a", "london", frozenset({"b", "c", "d", "s"})),
    "d": SaeEntry("d", "london", frozenset({"a"})),
    "b": SaeEntry("b", "hayes", frozenset({"a"})),
    "c": SaeEntry("c", "hayes", frozenset({"a"})),
    "s": SaeEntry("s", "slough", frozenset({"a"})),
}
CAP = 500


class Kmes(Net):
    """A net whose sites serve SAEs."""

    saes = SAES
    registry, keep = Registry(SAES), Keep(0, 1000)

    def __init__(self, organisation, folder, links=None):
        super().__init__(organisation, folder, links)
        self.kme_ports, self.connections = {}, {}

    async def start(self, site):
        await super().start(site)
        face = Etsi014(self.managers[site], self.saes, self._recorder(site), cap=CAP, clock=SystemClock())
        pki = self.organisation.enrol("node", site, "ml-dsa-65", "ecdsa-p256")
        context = contexts.mutual_server(pki.credentials("ecdsa-p256"), pki.trust("sae"))
        listener = await tls.serve(face.serve, lambda: context, "127.0.0.1", 0, refused=self._refused)
        self.servers.append(listener)
        self.kme_ports[site] = listener.sockets[0].getsockname()[1]

    async def dial(self, sae, site=None):
        """A fresh TLS connection of an SAE to the KME of its site."""
        site = site or self.saes[sae].site
        pki = self.organisation.enrol("sae", sae)
        context = contexts.mutual_client(pki.credentials("ecdsa-p256"), pki.trust("node"))
        return await tls.connect("127.0.0.1", self.kme_ports[site], context)

    async def ask(self, sae, method, path, body=b"", *headers, site=None):
        """(status, headers, body) of one request on a connection that is kept."""
        key = (sae, site)
        if key not in self.connections:
            self.connections[key] = await self.dial(sae, site)
        stream = self.connections[key]
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "Host: kme", *headers, f"Content-Length: {len(body)}", "", ""]
        await stream.write("\r\n".join(lines).encode("latin-1") + body)
        status, told, answer = await read_answer(stream)
        if told.get("connection") == "close":
            self.connections.pop(key).close()
        return status, told, answer

    async def enc(self, sae="a", slave="b", **request):
        """The keys of a successful Get key."""
        status, _, body = await self.ask(sae, "POST", f"/api/v1/keys/{slave}/enc_keys", request)
        assert status == 200, body
        return json.loads(body)["keys"]

    async def dec(self, sae, master, *key_ids, site=None):
        """(status, keys) of Get key with key IDs."""
        body = {"key_IDs": [{"key_ID": key_id} for key_id in key_ids]}
        status, _, answer = await self.ask(sae, "POST", f"/api/v1/keys/{master}/dec_keys", body, site=site)
        return status, json.loads(answer)["keys"] if status == 200 else answer

    async def __aexit__(self, *error):
        for stream in self.connections.values():
            stream.close()
        await super().__aexit__(*error)


async def read_answer(stream):
    """(status, headers, body) of one answer."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += await stream.readexactly(1)
    first, *rest = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in rest if line)
    return int(first.split()[1]), headers, await stream.readexactly(int(headers.get("content-length", 0)))
