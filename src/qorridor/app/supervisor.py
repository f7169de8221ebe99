"""`qorridor run CORRIDOR`: the product on loopback, every part a process of its own, restarted on its state.

authority -> tickets -> optics, nodes (which start their link ends), tunnels -> address book
"""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from qorridor.adapters.wire import contexts, frames, http, tls
from qorridor.adapters.wire.files import write_atomically
from qorridor.app import process
from qorridor.app.enrolment import Pki, enrol, prepare
from qorridor.app.estate_file import load
from qorridor.app.link_model import link_settings
from qorridor.app.policies import sign_for_run
from qorridor.app.run_folder import BOOK, FACTS, AddressBook, claim, merge_book, read_ready
from qorridor.app.tickets import ask_ticket, sae_credentials
from qorridor.base.errors import EstateError, OutsideError, PolicyRefusal
from qorridor.base.names import Identity
from qorridor.estate.drivers import SimulatorLink, TlsTunnel
from qorridor.estate.model import Estate, trust_domain

BIND = "127.0.0.1"
READY_SECONDS = 60.0
_WATCH_SECONDS = 0.1

Told = Callable[[str], None]
"""Takes one line for the person who watches."""


@dataclass(slots=True)
class Part:
    """One process of the run: how it is started, and where its state lies."""

    name: str
    arguments: list[str]
    state: Path
    child: asyncio.subprocess.Process | None = None
    addresses: dict[str, str] = field(default_factory=dict)
    restarts: int = 0


def check_runnable(estate: Estate, corridor: str) -> None:
    """Refuse what this version cannot run: raises PolicyRefusal Q-POLICY-030, EstateError for no such corridor."""
    entry = estate.corridor(corridor)
    for link in estate.link_names(corridor):
        driver = entry.links.get(link)
        if not isinstance(driver, SimulatorLink):
            raise PolicyRefusal(
                "Q-POLICY-030",
                f"the link {link} needs the driver {getattr(driver, 'driver', 'none')}, which this version lacks",
                'set link.NAME = { driver = "simulator", preset = "demo-1ghz" } to run it simulated', estate.source,
            )  # fmt: skip
        link_settings(estate, link)  # raises where the preset has no proof, or its blocks no key
    if not isinstance(estate.flows[entry.flow].protected_by, TlsTunnel):
        raise PolicyRefusal(
            "Q-POLICY-030", f"the flow {entry.flow} has no tls-tunnel, the only encryptor of this version",
            'set protected_by = { driver = "tls-tunnel", listen = "…", forward = "…" }', estate.source,
        )  # fmt: skip


def parts_of(estate: Estate, corridor: str, *, compatibility: bool) -> list[Part]:
    """Every process that a run starts, the authority first; link ends are children of their nodes."""
    flow = estate.corridor(corridor).flow
    ends = (estate.flows[flow].origin, estate.flows[flow].destination)
    options = ["--bind", BIND, "--only", corridor, *(["--compatibility"] if compatibility else [])]
    return [
        Part("authority", ["authority", "serve", "--bind", BIND], Path("authority")),
        *(Part(f"optics {link}", ["optics", link], Path(f"optics-{link}")) for link in estate.link_names(corridor)),
        *(
            Part(f"tunnel {flow} {site}", ["tunnel", flow, "--site", site, "--bind", BIND], Path(f"tunnel-{flow}-{site}"))
            for site in ends
        ),
        *(Part(f"node {site}", ["node", site, *options], Path(f"node-{site}")) for site in estate.corridor(corridor).path),
    ]  # fmt: skip


class Supervisor:
    """Starts, watches and ends the processes of one corridor; holds an operator's certificate, never a key."""

    def __init__(
        self, folder: Path, estate_text: str, corridor: str, told: Told, *, compatibility: bool = False,
        lock: IO[str] | None = None,
    ) -> None:  # fmt: skip
        """`lock` is that of a caller who has claimed the folder already."""
        self.folder = folder
        self._lock = lock
        self.corridor = corridor
        self._text = estate_text
        self._told = told
        self._compatibility = compatibility
        self.parts: dict[str, Part] = {}
        self._closing = False
        self._watchers: list[asyncio.Task[None]] = []
        self._operators: dict[str, http.Client] = {}

    async def __aenter__(self) -> Supervisor:
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    # -- start --------------------------------------------------------------------------------

    async def _start(self) -> None:
        self._lock = self._lock or claim(self.folder)
        self._before = Path.cwd()
        os.chdir(self.folder)
        write_atomically(Path("estate.toml"), self._text)
        self.estate = load("estate.toml")
        check_runnable(self.estate, self.corridor)
        # Later evidence is measured by this: which sites must have a journal.
        facts = {"corridor": self.corridor, "sites": list(self._sites())}
        write_atomically(FACTS, json.dumps(facts, indent=1))
        self._domain = trust_domain(self.estate)
        sign_for_run(self.estate, self.corridor)
        authority, *parts = parts_of(self.estate, self.corridor, compatibility=self._compatibility)
        await self._launch(authority)
        self.operator = await self._enrol_operator()
        for site in self._sites():
            self._node_tickets(site)
        async with asyncio.TaskGroup() as launches:  # none goes on starting when another has failed
            for part in parts:
                launches.create_task(self._launch(part))

    def _sites(self) -> tuple[str, ...]:
        return self.estate.corridor(self.corridor).path

    def _node_tickets(self, site: str) -> None:
        state = Path(f"node-{site}")
        self._ticket_later(Identity(self._domain, "node", site), state)
        for link in self.estate.link_names(self.corridor):
            if site in self.estate.fibres[link].between:
                self._ticket_later(Identity(self._domain, "link", f"{link}/{site}"), state / f"link-{link}")

    async def _ticket(self, identity: Identity, state: Path) -> Path:
        """A ticket with a one-time token in the new process's own folder."""
        return await ask_ticket(
            Path("authority"), self.parts["authority"].addresses["authority"], identity, state
        )

    def _ticket_later(self, identity: Identity, state: Path) -> None:
        """A process that is yet to start makes its keys first; its ticket is for these."""

        async def give() -> None:
            try:
                await self._ticket(identity, state)
            except OutsideError as error:  # its process says in its log that it has none, and ends
                self._told(str(error))

        self._watchers.append(asyncio.get_running_loop().create_task(give()))

    async def _enrol_operator(self) -> Pki:
        identity = Identity(self._domain, "operator", "run")
        prepare(Path("operator/pki"), ("ecdsa-p256",))
        return await enrol(
            Path("operator/pki"), await self._ticket(identity, Path("operator")), ("ecdsa-p256",)
        )

    async def enrol_sae(self, name: str) -> Pki:
        """Credentials of a foreign SAE of the estate, made for this run."""
        return await sae_credentials(Path(), Identity(self._domain, "sae", name))

    # -- processes ----------------------------------------------------------------------------

    async def _launch(self, part: Part) -> None:
        self.parts[part.name] = part
        await self._spawn(part)
        await self._await_ready(part)
        self._watchers.append(asyncio.get_running_loop().create_task(self._watch(part)))

    async def _spawn(self, part: Part) -> None:
        arguments = [*part.arguments, "--state", str(part.state), "--estate", "estate.toml"]
        part.state.mkdir(exist_ok=True, mode=0o700)
        part.child = await process.start(arguments, Path.cwd(), Path("logs") / f"{part.state.name}.log")

    async def _await_ready(self, part: Part) -> None:
        try:
            async with asyncio.timeout(READY_SECONDS):
                while not self._note_ready(part):
                    if part.child is None or part.child.returncode is not None:
                        raise OutsideError("Q-KME-052", f"{part.name} ended before it was ready",
                                           f"read its words in {self.folder}/logs/{part.state.name}.log")  # fmt: skip
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            raise OutsideError("Q-KME-052", f"{part.name} is not ready after {READY_SECONDS:g} s",
                               f"read its words in {self.folder}/logs/{part.state.name}.log") from error  # fmt: skip

    def _note_ready(self, part: Part) -> bool:
        if part.child is None:
            return False
        addresses = read_ready(part.state, part.child.pid)
        # A node announces again when its last link end has come up; until then it serves its listeners.
        if addresses is None:
            return False
        if addresses != part.addresses:
            part.addresses = addresses
            # All of them each time: so a book that was damaged is whole again.
            merge_book(
                BOOK, {name: at for each in self.parts.values() for name, at in each.addresses.items()}
            )
        return True

    async def _watch(self, part: Part) -> None:
        """Keep one part alive on its state, and its addresses in the book."""
        backoff = process.Backoff()
        while not self._closing:
            await asyncio.sleep(_WATCH_SECONDS)
            if part.child is None or part.child.returncode is None:
                self._note_ready(part)
                continue
            part.restarts += 1
            self._told(f"{part.name} ended (code {part.child.returncode}); started again on the same state")
            await asyncio.sleep(backoff.next())
            if not self._closing:
                await self._spawn(part)

    async def _stop(self) -> None:
        self._closing = True
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        for client in self._operators.values():
            client.close()
        order = sorted(self.parts.values(), key=lambda part: part.name.startswith(("authority", "optics")))
        await asyncio.gather(*(process.stop(part.child) for part in order if part.child is not None))
        if hasattr(self, "_before"):
            os.chdir(self._before)
        if self._lock is not None:
            self._lock.close()

    # -- what the operator sees ---------------------------------------------------------------

    def _operator_client(self, site: str) -> http.Client:
        if site not in self._operators:
            context = contexts.mutual_client(
                self.operator.credentials("ecdsa-p256"), self.operator.trust("node")
            )
            self._operators[site] = operator_client(AddressBook(BOOK), site, context)
        return self._operators[site]

    async def status(self, site: str) -> dict[str, object] | None:
        """One node's status; None while it does not answer."""
        with contextlib.suppress(OutsideError):
            response = await self._operator_client(site).request("GET", "/operator/v1/status")
            if response.status == 200:
                return dict(json.loads(response.body))
        return None

    async def inject(self, link: str, fault: str, **parameters: float | str) -> dict[str, object]:
        """Put a fault or an eavesdropper into a simulated link."""
        return await inject(Path.cwd(), link, fault, parameters)


def operator_client(book: AddressBook, site: str, context: contexts.Context) -> http.Client:
    """A client for the operator listener of a node."""

    async def dial() -> tls.Stream:
        return await tls.connect(
            *book.find(f"operator/{site}"),
            context,
            accept=lambda peer: (peer.kind, peer.name) == ("node", site),
        )

    return http.Client(dial, timeout=5.0)


async def inject(
    folder: Path, link: str, fault: str, parameters: Mapping[str, float | str]
) -> dict[str, object]:
    """Send a fault to the optics process of a link.

    Raises EstateError Q-ESTATE-040 for a link that the run does not simulate, OutsideError when its
    process does not answer or refuses the fault.
    """
    simulated(folder, link)
    channel = await frames.dial_unix(folder / f"optics-{link}" / "inject.sock")
    try:
        text: frames.Frame = {name: str(value) for name, value in parameters.items()}
        await channel.send({"fault": fault, "parameters": text})
        answer = await channel.receive()
    except ConnectionError as error:
        raise OutsideError("Q-LINK-060", f"the optics of {link} ended before it answered",
                           "it is started again by its run: try once more", link) from error  # fmt: skip
    finally:
        await channel.close()
    if answer is None or "cause" in answer:
        cause = "no answer" if answer is None else str(answer["cause"])
        raise OutsideError("Q-LINK-050", f"the simulated link refuses the fault: {cause}",
                           "`qorridor inject --help` names the faults and their severities", link)  # fmt: skip
    return {str(name): value for name, value in answer.items()}


def simulated(run: Path, link: str) -> None:
    """Raises EstateError Q-ESTATE-040 unless `link` is one that the run simulates."""
    known = sorted(path.name.removeprefix("optics-") for path in run.glob("optics-*") if path.is_dir())
    if link not in known:
        near = difflib.get_close_matches(link, known, 1)
        raise EstateError(
            "Q-ESTATE-040", f'the run simulates no link "{link}"',
            f'did you mean "{near[0]}"?' if near else f"choose one of: {', '.join(known) or 'none'}", str(run),
        )  # fmt: skip
