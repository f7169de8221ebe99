"""What a node takes from its link ends: blocks, aborts, refusals, telemetry; and the pace that it sets."""

import asyncio
import contextlib
import json

import pytest

from qorridor.adapters.wire import frames
from qorridor.app import node_links
from qorridor.app.node_links import NodeLink
from qorridor.base.errors import KeySupplyError
from qorridor.ports.key_store import Keep
from tests.support.loop import run, until
from tests.support.nodes import Net, block

LINK = "london-hayes"
SMALL = Keep(19)
USUAL = Keep(63)


@contextlib.asynccontextmanager
async def linked(organisation, folder, keep=USUAL):
    """A node's intake on its socket, and a link end that speaks to it."""
    async with Net(organisation, folder) as net:
        events = []

        async def record(event):
            events.append(event)

        link = NodeLink(LINK, "london", folder, [], net.managers["london"], keep, record)
        server = await frames.serve_unix(folder / "link.sock", link._intake)
        channel = await frames.dial_unix(folder / "link.sock")
        yield net, link, events, channel
        await channel.close()
        server.close()


def frame_of(made, **changes):
    record = json.dumps({"block_id": made.block_id.hex(), "state": "RELEASED"}).encode()
    return {
        "type": "block", "block_id": made.block_id, "sequence": made.sequence, "key": bytes(made.key.reveal()),
        "simulated": made.simulated, "epsilon": made.epsilon, "record": record,
    } | changes  # fmt: skip


def test_a_block_is_stored_before_it_is_acknowledged_and_its_record_is_journalled(organisation, folder):
    async def main():
        async with linked(organisation, folder) as (net, link, events, channel):
            await channel.send(frame_of(block(LINK, 0)))
            answer = await channel.receive()
            assert answer == {"type": "ingested", "block_id": block(LINK, 0).block_id}
            assert (await net.managers["london"].link_stock(LINK))[0].blocks == 1
            assert [(event.kind, event.simulated) for event in events] == [("link.block", True)]
            assert json.loads(events[0].body["record"])["state"] == "RELEASED"
            assert (link.status.released, link.status.aborted) == (1, 0)

    run(main())


def test_a_block_that_the_store_refuses_is_told_and_the_link_goes_on(organisation, folder):
    async def main():
        async with linked(organisation, folder) as (net, _, events, channel):
            ingest = net.managers["london"].ingest

            async def refuse(_):
                raise KeySupplyError("Q-KEY-044", "the disk is full", "free space")

            net.managers["london"].ingest = refuse
            await channel.send(frame_of(block(LINK, 0)))
            await channel.receive()
            assert events[0].kind == "link.block-refused"
            assert events[0].body == {"code": "Q-KEY-044"}
            net.managers["london"].ingest = ingest
            await channel.send(frame_of(block(LINK, 1)))
            await channel.receive()
            assert (await net.managers["london"].link_stock(LINK))[0].blocks == 1

    run(main())


def test_aborts_refusals_and_samples_reach_journal_and_status(organisation, folder):
    async def main():
        async with linked(organisation, folder) as (_, link, events, channel):
            aborted = {"abort_cause": "no-key", "simulated": True, "l": 0}
            await channel.send({"type": "aborted", "record": json.dumps(aborted).encode()})
            await channel.send({"type": "refused", "address": "127.0.0.9", "cause": "another kind"})
            await channel.send({"type": "sample", "sample": b'{"qber": "0.015"}'})
            await channel.send({"type": "hello", "address": "127.0.0.1:4711"})
            await until(link.ready.is_set)
            assert [(event.kind, event.severity) for event in events] == [
                ("link.abort", "P2"),
                ("auth.refused", "P3"),
            ]
            assert (link.status.aborted, link.status.abort_cause) == (1, "no-key")
            assert link.status.samples[-1]["qber"] == "0.015"
            assert link.addresses == {f"link/{LINK}/london": "127.0.0.1:4711"}
            assert link.status.is_connected
            await channel.close()
            await until(lambda: not link.status.is_connected)

    run(main())


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "aborted", "record": b"no json"},
        {"type": "block", "block_id": b"x" * 16, "sequence": 0},
        {"type": "sample", "sample": b"[]"},
        {"other": 1},
    ],
)
def test_a_frame_that_makes_no_sense_harms_nobody(organisation, folder, wrong):
    async def main():
        async with linked(organisation, folder) as (_, link, events, channel):
            await channel.send(wrong)
            await asyncio.sleep(0.05)
            again = await frames.dial_unix(folder / "link.sock")
            await again.send(frame_of(block(LINK, 0)))
            assert (await again.receive())["type"] == "ingested"
            assert [event.kind for event in events] == ["link.block"]
            assert link.status.released == 1
            await again.close()

    run(main())


def test_a_full_stock_slows_the_link_and_a_silent_one_is_asked_again(organisation, folder, monkeypatch):
    monkeypatch.setattr(node_links, "PACE_SECONDS", 0.01)

    async def main():
        async with linked(organisation, folder, keep=SMALL) as (net, link, _, channel):
            await until(lambda: link.status.is_connected)
            pace = asyncio.create_task(link._pace())
            assert await channel.receive() == {"type": "flow", "wanted": True}
            await channel.send(frame_of(block(LINK, 1)))
            seen = [await channel.receive(), await channel.receive()]
            assert {"type": "flow", "wanted": False} in seen
            net.clock.time += node_links.WATCH_SECONDS + 1
            assert await channel.receive() == {"type": "flow", "wanted": True}
            pace.cancel()

    run(main())
