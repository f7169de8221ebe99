"""`qorridor demo`: the product's main job on this machine, told step by step."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qorridor.base.errors import EvidenceError
from qorridor.faces.cli import options, output
from qorridor.faces.cli.session import Session

if TYPE_CHECKING:
    from qorridor.app.demo import Demo, Moment

LINK = "hayes-slough"
FRACTION = 0.25
ROLLS = 10
_AFTERWARDS = ("discover", "assess", "plan", "prove")  # steps whose commands need no running process


def _address(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """A wrong address is told before anything starts."""
    if value is not None:
        from qorridor.estate.drivers import address  # noqa: PLC0415 - keeps help cheap

        try:
            address(value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
    return value


@click.command(
    help="Run the whole product on loopback, with real traffic and an eavesdropper, in about two minutes."
)
@click.option("--stay", is_flag=True, help="Keep running after the last step, until Ctrl-C.")
@click.option(
    "--service",
    type=click.Choice(["http", "postgresql"]),
    help="The far service (default: what is installed).",
)
@click.option(
    "--forward",
    metavar="HOST:PORT",
    callback=_address,
    help="Forward the tunnel to a TCP port of your own (with --stay).",
)
@click.option("--run", "folder", type=click.Path(path_type=Path), default=Path("run/demo"), show_default=True,
              help="Folder of the run; what an earlier demo left there is removed.")  # fmt: skip
@options.dry_run("Check the folder; say which processes would start, and start none.")
@click.pass_obj
def command(session: Session, stay: bool, service: str | None, forward: str | None, folder: Path) -> None:  # noqa: FBT001 - click's callback
    """Ends by itself unless told to stay; Ctrl-C ends every process."""
    from qorridor.app import process  # noqa: PLC0415 - keeps help cheap
    from qorridor.app.demo import Demo, rehearse  # noqa: PLC0415

    if session.dry_run:
        output.rehearsed(session, folder, rehearse(folder, service or "", forward or ""))
        return
    story = Story(session)

    async def body(stop: asyncio.Event) -> None:
        def stopping() -> None:
            story.aside("stopping; every process is ended")

        async with contextlib.AsyncExitStack() as stack:
            demo = Demo(folder, story.aside, service=service or "", forward=forward or "")
            await process.unless(stop, stack.enter_async_context(demo), stopping)
            await process.unless(stop, story.tell(demo, own_port=bool(forward)), stopping)
            if stay:
                await process.unless(stop, story.invite(demo), stopping)
                await stop.wait()
                stopping()

    story.opening()
    process.run_until_signalled(body)


class Story:
    """The words of the demo; each step prints one headline, its facts, and what to try next."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._state = ""

    def _line(self, text: str, **facts: object) -> None:
        output.emit_line(self._session, {"text": text.strip(), **facts}, text)

    def aside(self, text: str) -> None:
        """Words beside the story."""
        output.say(self._session, f"  … {text}")

    def step(
        self, number: int, verb: str, text: str, *, artefact: str = "", next_: str = "", **facts: object
    ) -> None:
        """One step: what was done, where the artefact lies, what to try next."""
        where = f"\n            → {artefact}" if artefact else ""
        word = "try" if verb in _AFTERWARDS else "try while it runs (demo --stay)"
        more = f"\n            {word}: {next_}" if next_ else ""
        self._line(
            f"{number} {verb:<9} {text}{where}{more}", step=verb, artefact=artefact, try_next=next_, **facts
        )

    def opening(self) -> None:
        """Before anything starts."""
        from qorridor.app.demo_estate import CHANGES  # noqa: PLC0415

        self._line(
            "Meridian Bank (an example; it does not exist): 3 sites, 2 fibres, 2 flows. This is its demo:"
        )
        self._line(
            "every QKD link is SIMULATED, every process, certificate, key agreement and byte of traffic is real."
        )
        self._line("The demo works on its own copy of the estate: " + "; ".join(CHANGES) + ".")
        self.aside(
            "starting a service, an authority, two optics, three nodes and two tunnel ends on 127.0.0.1"
        )

    async def tell(self, demo: Demo, *, own_port: bool) -> None:
        """Steps 1 to 8."""
        base = output.shown(demo.folder)
        self.aside(f"all parts are ready after {demo.seconds:.0f} s; their logs: {base}/logs")
        await asyncio.to_thread(self._documents, demo, base)
        await self._runs(demo, base)
        if not own_port:
            demo.begin_traffic()
            await self._carries(demo)
        await self._attacked(demo)
        if not own_port:
            await demo.end_traffic()
            self._unbroken(demo)
        await self._proved(demo, base)

    def _documents(self, demo: Demo, base: str) -> None:
        typed = shlex.quote(base)
        inventory, file = demo.discover()
        share = inventory.share_seen or 0.0
        found, points = len(inventory.of_kind("certificate")), len(inventory.of_kind("protocol"))
        self.step(1, "discover", f"{_counted(found, 'certificate')}, {_counted(points, 'TLS endpoint')} on this machine, "
                  f"coverage {share:.0%}", artefact=f"{base}/{file} (CycloneDX 1.6)",
                  next_=f"qorridor discover {typed}/service/legacy")  # fmt: skip
        assessment, file = demo.assess(file)
        flows = "\n".join(f"            {flow.name} → {flow.mechanism}" for flow in assessment.flows)
        exposed = sum(flow.exposed for flow in assessment.flows)
        self.step(2, "assess", f"{exposed} of {len(assessment.flows)} flows exposed to harvest now, decrypt later\n{flows}",
                  artefact=f"{base}/{file}", next_=f"qorridor --estate {typed}/estate.toml explain flow core-replication")  # fmt: skip
        plan, file = demo.plan(file)
        corridor = plan.corridors["thames"]
        self.step(3, "plan", f"{' - '.join(corridor.path)}: {corridor.secret_key_rate} of key end to end (model); "
                  f"binding: {corridor.binding}", artefact=f"{base}/{file}",
                  next_='qorridor link rate --preset demo-1ghz --distance "50 km"')  # fmt: skip

    async def _runs(self, demo: Demo, base: str) -> None:
        self.aside("the two links distil their first blocks of 10^6 sifted bits")
        async for now in demo.watch("HYBRID", rolls=1):
            self._progress(now)
        links = [link for status in now.statuses.values() for link in _links(status)]
        errors = sorted({f"{float(str(link['qber'])):.2%}" for link in links if link["qber"]})
        self.step(4, "run", f"corridor thames is HYBRID after {now.seconds:.0f} s: 2 simulated links (QBER {', '.join(errors)}), "
                  f"3 nodes; hayes is a trusted node: it relays keys from one-time pad to one-time pad, masked by both ends",
                  artefact=f"{base}/node-london … one state directory per process",
                  next_=f"qorridor watch --run {shlex.quote(base)}", state=now.state)  # fmt: skip

    async def _carries(self, demo: Demo) -> None:
        self.aside(
            f"one connection to {demo.service.name} at slough, entered at london ({demo.service_reason})"
        )
        async for now in demo.watch("HYBRID", "CACHED", rolls=ROLLS):
            self._progress(now)
        self.step(5, "exchange", f"{demo.traffic.service} answered {demo.traffic.rounds} times on one connection "
                  f"({demo.traffic.connection}), {demo.traffic.received / 1e6:.0f} MB, every checksum equal to the service's own; "
                  f"the tunnel re-keyed {now.rolls} times meanwhile (epoch {now.epoch})",
                  next_=demo.service.by_hand(demo.entry[1]), rolls=now.rolls)  # fmt: skip

    async def _attacked(self, demo: Demo) -> None:
        before = await demo.look()
        await demo.run.inject(LINK, "intercept", fraction=FRACTION)
        self.step(6, "watch", f"an eavesdropper intercepts and resends {FRACTION:.0%} of the pulses on {LINK}",
                  next_=f"qorridor inject {LINK} intercept --fraction 0.05 --run {shlex.quote(output.shown(demo.folder))}")  # fmt: skip
        seen = await self._follow(demo, "PQC_ONLY", "FAIL_CLOSED")
        aborts = seen.aborted - before.aborted
        self._line(f"            {aborts} times a link end gave a block up ({', '.join(seen.abort_causes)}): none of their key is ever used; "
                   f"the reserve was spent down to the floor; now {seen.state}, signed by both ends and time-boxed",
                   aborted=aborts, state=seen.state)  # fmt: skip
        await demo.run.inject(LINK, "clear")
        self.aside("the eavesdropper leaves")
        back = await self._follow(demo, "HYBRID")
        self._line(
            f"            back to HYBRID after {back.seconds - seen.seconds:.0f} s, epoch {back.epoch}",
            state=back.state,
        )

    async def _follow(self, demo: Demo, *ends: str) -> Moment:
        async for now in demo.watch(*ends):
            if now.state != self._state:
                self._line(f"            t = {now.seconds:3.0f} s  {now.state:<11} {now.cause}, {now.left} keys left, "
                           f"{now.aborted} aborted", state=now.state, left=now.left)  # fmt: skip
                self._state = now.state
            self._progress(now)
        return now

    def _unbroken(self, demo: Demo) -> None:
        traffic = demo.traffic
        verdict = "never broke" if not traffic.broken else f"BROKE: {traffic.broken}"
        self._line(f"            the connection {verdict}: {traffic.rounds} answers, {traffic.received / 1e6:.0f} MB, "
                   f"checksum {traffic.checksum[:16]}… at both ends", broken=traffic.broken)  # fmt: skip
        if traffic.broken:
            raise EvidenceError(
                "Q-ENC-020", f"the connection through the tunnel did not stay whole: {traffic.broken}",
                f"report it with the files in {output.shown(demo.folder)}/logs; they hold no key",
            )  # fmt: skip

    async def _proved(self, demo: Demo, base: str) -> None:
        verdicts = demo.verify()
        broken = [error for verdict in verdicts for error in verdict.findings]
        if broken:
            raise broken[0]
        lines = [
            f"            {verdict.site}: {found.size} records intact, root {found.root.hex()[:12]}…, "
            f"against the checkpoint that {found.neighbour} holds"
            for verdict in verdicts
            if (found := verdict.verified) is not None
        ]
        self.step(7, "prove", "\n".join(["every node's journal verified", *lines]), artefact=f"{base}/node-*/journal",
                  next_=f"qorridor prove verify --run {shlex.quote(base)}")  # fmt: skip
        now = await demo.look()
        self._line(_balance(now.statuses["hayes"]["keys"]))
        self._line(
            f"Done after {demo.seconds:.0f} s. All of this is simulated QKD key under real post-quantum protection."
        )
        self._line("Next: qorridor init · qorridor check · qorridor demo --stay")

    async def invite(self, demo: Demo) -> None:
        """What a reader can do by hand while the demo stays."""
        host, port = demo.entry
        base = shlex.quote(output.shown(demo.folder))
        near, far = "router-london", "router-slough"
        for name in (near, far):
            await demo.run.enrol_sae(name)
        kme, kme_port = demo.address("kme-etsi-compat/london")
        pki = f"{base}/sae-{near}/pki"
        self._line(f"\nStaying. The tunnel's entry is {host}:{port}; it forwards to the service at slough.")
        self._line(
            "Your own TCP port through the tunnel, after Ctrl-C:  qorridor demo --stay --forward 127.0.0.1:YOUR_PORT"
        )
        self._line(f"A key by hand:  qorridor sae get --as {near} --for {far} --run {base}")
        self._line(
            "The same with curl, on the compatibility listener (traditional TLS, flagged not quantum-safe):"
        )
        self._line(f"  curl --cacert {pki}/trust-node.pem --cert {pki}/ecdsa-p256.pem --key {pki}/ecdsa-p256.key \\\n"
                   f"    -d '{{\"number\": 1}}' https://{kme}:{kme_port}/api/v1/keys/{far}/enc_keys")  # fmt: skip
        self._line("Ctrl-C ends every process.")

    def _progress(self, now: Moment) -> None:
        if self._session.verbose:
            output.say(
                self._session, f"    {now.seconds:5.1f} s {now.state} epoch {now.epoch} left {now.left}"
            )


def _balance(bits: dict[str, int]) -> str:
    """The keys of a node by what became of them; bytes are never shown."""
    parts = {name: f"{count / 1000:.0f}" for name, count in bits.items()}
    return (
        f"Keys are counted, never shown: hayes took in {parts['ingested']} kbit = {parts['available']} in store + "
        f"{parts['reserved']} reserved + {parts['bound']} bound + {parts['delivered']} delivered + {parts['void']} burnt "
        "(what the corridor's reserve does not need is not kept)."
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _links(status: dict[str, object]) -> list[dict[str, object]]:
    links = status["links"]
    return list(links) if isinstance(links, list) else []
