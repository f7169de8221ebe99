"""The demo: the product's main job on this machine, step by step; every step returns facts, no words.

It has no code path of its own: the run is `qorridor run`, the documents are those of the verbs.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import ssl
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qorridor.adapters.wire import certificates
from qorridor.adapters.wire.files import write_atomically
from qorridor.app import discover, examples, running
from qorridor.app.assess import assess_file
from qorridor.app.demo_estate import demo_estate
from qorridor.app.demo_service import HttpFile, Postgres, Traffic, choose_service
from qorridor.app.plan import plan_file
from qorridor.app.prove import SiteVerdict, verify_run
from qorridor.app.run_folder import BOOK, AddressBook, claim
from qorridor.app.supervisor import Supervisor, Told
from qorridor.base.errors import OutsideError
from qorridor.base.names import Identity
from qorridor.records import cyclonedx, documents
from qorridor.records.documents import Assessment, Plan
from qorridor.records.inventory import Inventory

CORRIDOR = "thames"
POLL_SECONDS = 0.3
PATIENCE_SECONDS = 120.0


def rehearse(folder: Path, service: str, forward: str) -> dict[str, str]:
    """What a demo would start, each with its folder; raises what the demo itself would raise at once."""
    side = folder.resolve() / "service"
    chosen, reason = choose_service(side, service)
    text = demo_estate(
        examples.text("meridian"), "127.0.0.1:1", str(side / "legacy"), forward or "127.0.0.1:1"
    )
    parts = running.rehearse(text, "estate.toml", CORRIDOR, folder, compatibility=True)
    return {f"service {chosen.name} ({reason})": str(folder / "service"), **parts}


class LegacyEndpoint:
    """A TLS server of the Python standard library: OpenSSL of the system, traditional certificate."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        now = datetime.now(UTC)
        issuer = certificates.make_root("Demo", "ecdsa-p256", now, "legacy server")
        identity = Identity("demo", "authority", "legacy")
        key = certificates.generate_key("ecdsa-p256")
        leaf = certificates.sign_request(
            issuer,
            certificates.make_request(identity, key, ("127.0.0.1",)),
            identity,
            now,
            "127.0.0.1".__eq__,
        )
        write_atomically(folder / "legacy.pem", certificates.certificate_pem(leaf))
        write_atomically(folder / "legacy.key", certificates.key_pem(key))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "legacy.pem", folder / "legacy.key")
        self._server = _QuietServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


class _QuietServer(http.server.ThreadingHTTPServer):
    """A scanner's unfinished handshakes are no news."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: the scanner records what it saw."""


@dataclass(slots=True)
class Moment:
    """What the corridor looks like now, as its first site sees it."""

    seconds: float
    state: str
    cause: str
    epoch: int
    rolls: int
    left: int
    aborted: int
    abort_causes: tuple[str, ...]
    statuses: dict[str, dict[str, Any]] = field(default_factory=dict)


class Demo:
    """One demonstration in one folder; use as an async context manager."""

    def __init__(self, folder: Path, told: Told, *, service: str = "", forward: str = "") -> None:
        self.folder = folder.resolve()
        self._side = self.folder / "service"
        self._told = told
        self._wanted = service
        self._forward = forward
        self.traffic = Traffic("")
        self._traffic_task: asyncio.Task[None] | None = None
        self._traffic_over = False
        self._began = time.monotonic()

    async def __aenter__(self) -> Demo:
        self._stack = contextlib.AsyncExitStack()
        try:
            await self._open()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _open(self) -> None:
        self.service: Postgres | HttpFile
        lock = claim(self.folder)
        self._stack.callback(lock.close)
        # PostgreSQL's own user must be able to pass; it can list nothing, and state folders stay closed.
        self.folder.chmod(0o711)
        self._side.mkdir(mode=0o755)
        self.service, self.service_reason = choose_service(self._side, self._wanted)
        self._stack.push_async_callback(self.service.stop)
        await self.service.start()
        self.traffic.service = self.service.name
        legacy = LegacyEndpoint(self._side / "legacy")
        self._stack.callback(legacy.stop)
        forward = self._forward or f"127.0.0.1:{self.service.port}"
        text = demo_estate(examples.text("meridian"), legacy.address, str(self._side / "legacy"), forward)
        self.run = await self._stack.enter_async_context(
            Supervisor(self.folder, text, CORRIDOR, self._told, compatibility=True, lock=lock)
        )
        self._stack.push_async_callback(self._drop_traffic)

    @property
    def seconds(self) -> float:
        """Since the demo began."""
        return time.monotonic() - self._began

    # -- documents ----------------------------------------------------------------------------

    def discover(self) -> tuple[Inventory, Path]:
        """The inventory of what the demo's estate names."""
        inventory = discover.discover(self.run.estate, only=(), folder=None, outside_window=True)
        return inventory, self._written("inventory.cdx.json", cyclonedx.write(inventory))

    def assess(self, inventory: Path) -> tuple[Assessment, Path]:
        """The assessment of its flows."""
        assessment = assess_file(str(self.folder / "estate.toml"), self.folder / inventory)
        return assessment, self._written("assessment.json", documents.write(assessment))

    def plan(self, assessment: Path) -> tuple[Plan, Path]:
        """The plan of its corridors."""
        plan = plan_file(str(self.folder / "estate.toml"), self.folder / assessment)
        return plan, self._written("plan.json", documents.write(plan))

    def _written(self, name: str, text: str) -> Path:
        # A full path: when the demo is stopped meanwhile, the current folder is another one already.
        write_atomically(self.folder / name, text, mode=0o644)
        return Path(name)

    # -- the run ------------------------------------------------------------------------------

    async def moment(self) -> Moment | None:
        """One look at all nodes; None while one of them does not answer."""
        path = self.run.estate.corridor(CORRIDOR).path
        statuses = {site: status for site in path if (status := await self.run.status(site)) is not None}
        first: dict[str, Any] | None = statuses.get(path[0])
        if first is None or len(statuses) < len(path) or not first["corridors"]:
            return None
        end = first["corridors"][0]
        links: list[dict[str, Any]] = [link for status in statuses.values() for link in list(status["links"])]  # type: ignore[call-overload]
        return Moment(
            self.seconds, end["state"], end["cause"], end["epoch"], end["rolls"], end["left"],
            sum(link["aborted"] for link in links), tuple(sorted({link["abort_cause"] for link in links} - {""})),
            statuses,
        )  # fmt: skip

    async def look(self) -> Moment:
        """The next moment in which every node answers; raises OutsideError Q-KME-061 without one in two minutes."""
        limit = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < limit:
            if (now := await self.moment()) is not None:
                return now
            await asyncio.sleep(POLL_SECONDS)
        raise self._late("some node did not answer")

    async def watch(self, *ends: str, rolls: int = 0) -> AsyncIterator[Moment]:
        """Moments until the corridor is in one of the states `ends` and has rolled `rolls` times.

        Raises OutsideError Q-KME-061 when that does not happen within two minutes.
        """
        limit = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < limit:
            now = await self.moment()
            if now is not None:
                yield now
                if now.state in ends and now.rolls >= rolls:
                    return
            await asyncio.sleep(POLL_SECONDS)
        raise self._late(f"the corridor did not reach {' or '.join(ends)}")

    def _late(self, what: str) -> OutsideError:
        return OutsideError("Q-KME-061", f"{what} in {PATIENCE_SECONDS:g} s",
                            f"read the logs in {self.folder}/logs; a busy machine needs more time")  # fmt: skip

    @property
    def entry(self) -> tuple[str, int]:
        """Where applications enter the tunnel."""
        estate = self.run.estate
        flow = estate.corridor(CORRIDOR).flow
        return self.address(f"tunnel/{flow}/{estate.flows[flow].origin}")

    def address(self, name: str) -> tuple[str, int]:
        """Where a part of the run listens (names as in the address book)."""
        return AddressBook(BOOK).find(name)

    def begin_traffic(self) -> None:
        """Use the far service through the tunnel, on one connection, until `end_traffic`."""
        _, port = self.entry
        self._traffic_task = asyncio.get_running_loop().create_task(
            self.service.use(port, lambda: self._traffic_over, self.traffic)
        )

    async def end_traffic(self) -> None:
        """Let the present round end; idempotent."""
        self._traffic_over = True
        if self._traffic_task is not None:
            task, self._traffic_task = self._traffic_task, None
            try:
                await asyncio.wait_for(task, 15)
            except TimeoutError:
                self.traffic.broken = "the last answer did not come in 15 s"

    async def _drop_traffic(self) -> None:
        """End the connection in mid-round, when nobody waits for its last answer any more."""
        if self._traffic_task is not None:
            self._traffic_task.cancel()
            await asyncio.gather(self._traffic_task, return_exceptions=True)

    # -- evidence -----------------------------------------------------------------------------

    def verify(self) -> list[SiteVerdict]:
        """The verdict on each node's journal."""
        return verify_run(self.folder)
