"""Both ends of a link and its optics as processes of their own, over real mutual TLS; the nodes are played."""

import asyncio
import json
import signal
from pathlib import Path

import pytest

from qorridor.adapters.wire import frames
from qorridor.app import process
from qorridor.app.estate_file import load
from qorridor.app.link_model import link_settings
from qorridor.app.run_folder import BOOK, merge_book, read_ready
from qorridor.app.supervisor import inject
from qorridor.app.tickets import ask_ticket
from qorridor.base.names import Identity
from qorridor.distill.reconciliation import LDPC
from qorridor.distill.record import recompute_length
from qorridor.estate.model import trust_domain

EXAMPLE = Path(__file__).parents[2] / "examples" / "meridian" / "estate.toml"
LINK = "london-hayes"


class PlayedNode:
    """A node's side of the link socket: takes blocks and says so."""

    def __init__(self, site):
        self.site, self.frames, self.news, self.address = site, [], asyncio.Event(), ""

    async def serve(self):
        return await frames.serve_unix(Path(f"{self.site}.sock"), self._take)

    async def _take(self, channel):
        while (frame := await channel.receive()) is not None:
            if frame["type"] == "hello" and frame["address"]:
                merge_book(BOOK, {f"link/{LINK}/{self.site}": frame["address"]})
            if frame["type"] == "block":
                await channel.send({"type": "ingested", "block_id": frame["block_id"]})
            self.frames.append(frame)
            self.news.set()

    async def wait(self, kind, count):
        async with asyncio.timeout(60):
            while len(found := [frame for frame in self.frames if frame["type"] == kind]) < count:
                self.news.clear()
                await self.news.wait()
        return found


async def started(children, name, *arguments):
    state = Path(name)
    state.mkdir(exist_ok=True)
    child = await process.start(
        [*arguments, "--state", name, "--estate", "estate.toml"], Path.cwd(), Path("logs") / f"{name}.log"
    )
    children.append(child)
    async with asyncio.timeout(40):
        while (addresses := read_ready(state, child.pid)) is None:
            assert child.returncode is None, (Path("logs") / f"{name}.log").read_text()
            await asyncio.sleep(0.05)
    return addresses, child


async def ticket(domain, address, site):
    identity = Identity(domain, "link", f"{LINK}/{site}")
    await ask_ticket(Path("authority"), address, identity, Path(f"link-{site}"))


def equal_blocks(left, right):
    known = {frame["block_id"]: frame for frame in right}
    shared = [(frame, known[frame["block_id"]]) for frame in left if frame["block_id"] in known]
    assert shared
    for one, two in shared:
        assert one["key"] == two["key"]
        assert one["sequence"] == two["sequence"]
        assert one["simulated"] is two["simulated"] is True
        record = json.loads(one["record"])
        assert recompute_length(record) == record["l"]
        assert record["n_key"] == 1_000_000
    return shared


async def both_ends(children, text):
    """Authority, optics and both link ends of an estate, the nodes played."""
    Path("estate.toml").write_text(text)
    domain = trust_domain(load("estate.toml"))
    addresses, _ = await started(children, "authority", "authority", "serve", "--bind", "127.0.0.1")
    await started(children, f"optics-{LINK}", "optics", LINK)
    nodes = [PlayedNode(site) for site in ("london", "hayes")]
    servers = [await node.serve() for node in nodes]
    ends = {}
    for node in nodes:
        given = asyncio.create_task(ticket(domain, addresses["authority"], node.site))
        _, ends[node.site] = await started(
            children,
            f"link-{node.site}",
            "link",
            "run",
            LINK,
            "--site",
            node.site,
            "--node",
            f"{node.site}.sock",
        )
        await given
    return nodes, servers, ends


async def scene(children):
    nodes, servers, ends = await both_ends(children, EXAMPLE.read_text())
    left, right = [await node.wait("block", 2) for node in nodes]
    equal_blocks(left, right)
    shown = [json.loads((await node.wait("sample", 1))[0]["sample"])["monitors"] for node in nodes]
    assert shown[0]["module"]["power"] == pytest.approx(1, abs=0.05)
    assert sum(shown[1]["module"]["clicks"]) > 1_000_000
    assert all(ends_line["line"]["supervisory_power"] < 0 for ends_line in shown)

    await inject(Path(), LINK, "intercept", {"fraction": 0.25})
    aborted = [await node.wait("aborted", 1) for node in nodes]
    assert json.loads(aborted[0][0]["record"])["abort_cause"] in {"no-key", "peer-aborted"}
    assert all("key" not in frame for frame in aborted[0] + aborted[1])

    await inject(Path(), LINK, "clear", {})
    count = len(left)
    ends["hayes"].send_signal(signal.SIGKILL)
    await ends["hayes"].wait()
    await started(children, "link-hayes", "link", "run", LINK, "--site", "hayes", "--node", "hayes.sock")
    left, right = [await node.wait("block", count + 2) for node in nodes]
    equal_blocks(left, right)
    ids = [frame["block_id"] for frame in left]
    assert len(set(ids)) == len(ids)
    for server in servers:
        server.close()


async def one_decoy(children):
    """A slow link with one decoy: as the plan has it, two intensities and one-way reconciliation."""
    text = EXAMPLE.read_text().replace("demo-1ghz", "snspd-long").replace('"6.9 dB"', '"25 dB"')
    nodes, servers, _ = await both_ends(children, text)
    settings = link_settings(load("estate.toml"), LINK)
    left, right = [await node.wait("block", 2) for node in nodes]
    for one, _ in equal_blocks(left, right):
        record = json.loads(one["record"])
        assert (record["engine"], record["proof_id"]) == (LDPC, "wiesemann2024-1decoy")
        assert record["mu"] == [repr(mean) for mean in settings.source.intensities]
        assert record["l"] == settings.l_fixed
        assert len(record["m"]["key"]) == 2
    for server in servers:
        server.close()


def play(folder, what):
    async def body():
        children = []
        try:
            await what(children)
        finally:
            await asyncio.gather(*(process.stop(child) for child in children))

    asyncio.run(body())
    words = "".join(log.read_text() for log in (folder / "logs").glob("*.log"))
    assert "Traceback" not in words


@pytest.mark.slow
@pytest.mark.requirement("A-21")
def test_two_link_processes_distil_abort_under_attack_and_go_on_after_a_kill(
    tmp_path, monkeypatch, socket_enabled
):
    monkeypatch.chdir(tmp_path)
    play(tmp_path, scene)


@pytest.mark.slow
def test_two_processes_of_a_link_with_one_decoy_distil_what_was_planned(
    tmp_path, monkeypatch, socket_enabled
):
    monkeypatch.chdir(tmp_path)
    play(tmp_path, one_decoy)
