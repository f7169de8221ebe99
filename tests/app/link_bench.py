"""Two link ends and their optics in one process: real Unix sockets, an in-memory stream for TLS."""

import asyncio
import hashlib
import json
from pathlib import Path

from qorridor.adapters.devices.simulator import SimulatedModule
from qorridor.adapters.wire.system import SystemClock, SystemEntropy
from qorridor.app import optics
from qorridor.app.link_session import LinkState
from qorridor.distill.block import Settings
from qorridor.distill.codec import Names
from qorridor.distill.finite_key import Security, Source
from qorridor.photonics.presets import load_preset

LINK = load_preset("demo-1ghz", loss=6.9)
QUICK = Settings(
    Names("london-hayes", "london", "hayes"), Source(LINK.intensities, LINK.probabilities),
    Security(1e-6, 1e-10), n_key=120_000, key_basis=LINK.key_basis,
)  # fmt: skip


class Duplex:
    """One end of an in-memory connection with an exporter, as a TLS stream has."""

    def __init__(self, secret):
        self.inbox, self.peer, self.secret, self.closed = (
            asyncio.StreamReader(limit=2**26),
            None,
            secret,
            False,
        )

    async def readexactly(self, size):
        return await self.inbox.readexactly(size)

    async def write(self, data):
        if self.closed or self.peer.closed:
            raise ConnectionResetError("closed")
        self.peer.inbox.feed_data(bytes(data))
        await asyncio.sleep(0)

    def exporter(self, label, size, context=b""):
        return hashlib.shake_256(self.secret + label + context).digest(size)

    def close(self):
        if not self.closed:
            self.closed = True
            self.inbox.feed_eof()
            self.peer.inbox.feed_eof()


def duplex(secret=b"one connection"):
    left, right = Duplex(secret), Duplex(secret)
    left.peer, right.peer = right, left
    return left, right


def state(site, folder, settings=QUICK):
    made = LinkState(settings, site, Path(folder) / site, SystemEntropy(), SystemClock(), "test")
    made.wanted.set()
    return made


class Hall:
    """The optics process of one link, served in this process."""

    def __init__(self, folder, seed=5):
        self.folder, self.optics = Path(folder), optics.Optics(LINK, seed, SystemClock())

    async def __aenter__(self):
        self.servers = await optics.serve(self.optics, self.folder)
        self.modules = [await SimulatedModule.dial(self.folder, end) for end in ("transmitter", "receiver")]
        return self

    async def __aexit__(self, *_):
        for module in self.modules:
            await module.close()
        for server in self.servers:
            server.close()


def parsed(frame):
    return json.loads(frame["record"])
