"""One real node process on a disk of its own that can be filled and freed."""

import asyncio
import contextlib
import errno
import json
import os
import resource
import signal
import subprocess
from pathlib import Path

from qorridor.adapters.peers.client import PeerClient
from qorridor.adapters.wire import contexts, http, tls
from qorridor.adapters.wire.system import SystemClock, SystemEntropy
from qorridor.app import process
from qorridor.app.authority import open_authority, serve_authority
from qorridor.app.enrolment import enrol, prepare
from qorridor.app.estate_file import load
from qorridor.app.run_folder import BOOK, merge_book, read_ready
from qorridor.app.tickets import ask_ticket
from qorridor.base.names import Identity
from qorridor.estate.model import trust_domain

EXAMPLE = Path(__file__).parents[2] / "examples/meridian/estate.toml"
SAES = """
[sae]
near = { site = "london", speaks = "etsi-014", certificate = "x.pem", may_pair_with = ["far"] }
far = { site = "london", speaks = "etsi-014", certificate = "x.pem", may_pair_with = ["near"] }
"""
SIZE = 4 * 1024 * 1024


def estate_text():
    """The example without simulated links, and with two SAEs that need no link to share a key."""
    text = EXAMPLE.read_text()
    text = text.replace(
        '{ driver = "simulator", preset = "demo-1ghz" }',
        '{ driver = "etsi-014", url = "https://k", ca = "ca.pem" }',
    )
    before, _, rest = text.partition("\n[sae]")
    return before + SAES + rest[rest.index("\n[pilot.") :]


class Disk:
    """A small disk: a tmpfs of its own where mounting is allowed, else a limit on the node's files."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True)
        told = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "tmpfs", folder],
            check=False,
            capture_output=True,
        )
        self.is_mounted = told.returncode == 0

    def fill(self, pid):
        if not self.is_mounted:
            self._limit(pid, 1)
            return
        with (self.folder / "ballast").open("wb", buffering=0) as ballast:
            for size in (65536, 4096, 1):
                with contextlib.suppress(OSError):
                    while ballast.write(bytes(size)):
                        pass
        with pytest_raises_full():
            (self.folder / "more").write_bytes(bytes(4096))

    def free(self, pid):
        if not self.is_mounted:
            self._limit(pid, resource.RLIM_INFINITY)
            return
        for name in ("ballast", "more"):
            (self.folder / name).unlink(missing_ok=True)

    def _limit(self, pid, size):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def release(self):
        if self.is_mounted:
            subprocess.run(["umount", "-l", self.folder], check=True)


@contextlib.contextmanager
def pytest_raises_full():
    """The disk is full indeed."""
    try:
        yield
    except OSError as error:
        assert error.errno == errno.ENOSPC
    else:
        raise AssertionError("the disk takes more")


class Stranger:
    """What a test that plays a node knows of stores."""

    own = "0" * 32

    async def meet(self, site, incarnation):
        """Whatever it is."""


class LoneNode:
    """`qorridor node london` with its authority in this process; `disk` holds its state."""

    def __init__(self, run):
        self.run, self.state = run, run / "node-london"
        self.disk = None
        self.clients = {}

    async def __aenter__(self):
        try:
            return await self._open()
        except BaseException:
            if self.disk is not None:
                self.disk.release()
            raise

    async def _open(self):
        self.before = Path.cwd()
        self.run.mkdir(parents=True)
        os.chdir(self.run)
        (self.run / "estate.toml").write_text(estate_text())
        self.domain = trust_domain(load(self.run / "estate.toml"))
        self.authority = open_authority(
            self.run / "authority", "Meridian Bank", self.domain, SystemClock(), SystemEntropy()
        )
        self.servers = await serve_authority(self.authority, "127.0.0.1", self.run / "authority/tokens.sock")
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        self.address = f"{host}:{port}"
        merge_book(BOOK, {"authority": self.address})
        self.disk = Disk(self.state)
        self.operator = await self._enrolled("operator", "run", "ecdsa-p256")
        self.slough = await self._enrolled("node", "slough", "ml-dsa-65")
        self.saes = {name: await self._enrolled("sae", name, "ecdsa-p256") for name in ("near", "far")}
        await self.start()
        await self._ticket("node", "london", self.state)
        await self.until(self.ready)
        return self

    async def _ticket(self, kind, name, folder):
        return await ask_ticket(
            self.run / "authority", self.address, Identity(self.domain, kind, name), folder
        )

    async def _enrolled(self, kind, name, algorithm):
        folder = self.run / f"{kind}-{name}-test"
        prepare(folder / "pki", (algorithm,))
        return await enrol(folder / "pki", await self._ticket(kind, name, folder), (algorithm,))

    async def start(self):
        arguments = ["node", "london", "--state", "node-london", "--estate", "estate.toml"]
        self.child = await process.start(arguments, self.run, self.run / "logs" / "node.log")

    async def kill(self):
        self.child.send_signal(signal.SIGKILL)
        await self.child.wait()
        self._forget()

    def _forget(self):
        for client in self.clients.values():
            client.close()
        self.clients.clear()

    async def ready(self):
        told = read_ready(self.state, self.child.pid)
        if told:
            merge_book(BOOK, told)
        return bool(told)

    async def until(self, condition, seconds=120):
        async with asyncio.timeout(seconds):
            while not await condition():
                assert self.child.returncode is None, self.words()
                await asyncio.sleep(0.1)

    def words(self):
        return (self.run / "logs" / "node.log").read_text()[-3000:]

    def _client(self, listener, pki, algorithm="ecdsa-p256"):
        key = (listener, pki.folder)
        if key not in self.clients:
            context = contexts.mutual_client(pki.credentials(algorithm), pki.trust("node"))

            async def dial():
                address = json.loads(BOOK.read_text())[f"{listener}/london"].split(":")
                return await tls.connect(address[0], int(address[1]), context)

            self.clients[key] = http.Client(dial)
        return self.clients[key]

    async def status(self):
        answer = await self._client("operator", self.operator).request("GET", "/operator/v1/status")
        return json.loads(answer.body)

    async def alarms(self):
        return [alarm["alarm"] for alarm in (await self.status())["alarms"]]

    async def ask(self, sae, partner, what):
        """(status, body) of a 014 call."""
        method, _, rest = what.partition(" ")
        answer = await self._client("kme", self.saes[sae]).request(
            method, f"/api/v1/keys/{partner}/{rest}", b"" if method == "GET" else b"{}"
        )
        return answer.status, json.loads(answer.body)

    def peer(self):
        """Slough's end of the control channel."""
        client = self._client("peer", self.slough, "ml-dsa-65")
        return PeerClient("london", client, client, Stranger)

    async def __aexit__(self, *_):
        self._forget()
        await process.stop(self.child)
        for server in self.servers:
            server.close()
        self.authority.register.close()
        os.chdir(self.before)
        self.disk.release()
