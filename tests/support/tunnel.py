"""A tunnel over loopback between this process's Entry and Exit, with a service behind it."""

import asyncio
import hashlib

from qorridor.adapters.encryptors.trunk import Entry, Exit
from qorridor.base.secret import Secret

PREFIX = ("thames", "core-replication")


def key(epoch, name=b"key"):
    """The PSK of an epoch."""
    return Secret(hashlib.shake_256(name + bytes([epoch])).digest(48))


class Bench:
    """Service <- Exit <- trunk <- Entry <- application."""

    def __init__(self, service=None):
        self.service = service or self.echo
        self.server_tasks, self.writers = set(), []

    async def echo(self, reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def __aenter__(self):
        self.backend = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.exit = Exit(PREFIX, "127.0.0.1", self.backend.sockets[0].getsockname()[1])
        await self.open_exit()
        self.entry = Entry(PREFIX, lambda: ("127.0.0.1", self.trunk_port))
        self.near = await self.entry.listen("127.0.0.1", 0)
        self.port = self.near.sockets[0].getsockname()[1]
        return self

    async def _serve(self, reader, writer):
        self.writers.append(writer)
        try:
            await self.service(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def open_exit(self, port=0):
        self.far = await self.exit.listen("127.0.0.1", port)
        self.trunk_port = self.far.sockets[0].getsockname()[1]

    async def restart_exit(self):
        """The exit's process dies and comes back on its port with nothing remembered."""
        self.far.close()
        old, self.exit = self.exit, Exit(PREFIX, "127.0.0.1", self.backend.sockets[0].getsockname()[1])
        old.kill()
        left = [*old.mux._tasks]
        for task in left:  # what a process that died would not do either
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self.far.wait_closed()
        await self.open_exit(self.trunk_port)

    async def roll(self, epoch, name=b"key"):
        """One roll-over as the two nodes drive it."""
        for end in (self.exit, self.entry):
            await end.prepare(epoch, key(epoch, name))
        await self.exit.commit(epoch, "accept")
        await self.entry.commit(epoch, "switch")
        for end in (self.entry, self.exit):
            end.retire(epoch - 1)

    async def dial(self):
        """An application's connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        return reader, writer

    async def __aexit__(self, *_):
        for end in (self.entry, self.exit):
            end.kill()
        for writer in self.writers:
            writer.close()
        for server in (self.near, self.far, self.backend):
            server.close()
        if self.entry._keeper is not None:
            self.entry._keeper.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
