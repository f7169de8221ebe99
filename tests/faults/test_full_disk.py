"""A full disk ends no process: what needs no write goes on, the rest says why, and all of it comes back by itself."""

import asyncio
import json

import pytest

from qorridor.adapters.stores.journal import JournalFiles
from qorridor.base.errors import OutsideError
from qorridor.run.roll_frames import frame, read_frame
from tests.support.lone_node import LoneNode
from tests.support.runs import short_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

HOUSEKEEPING = 12
"""Seconds in which every task of a node has come round, the checkpoint of the store included."""


async def refused_roll(node):
    with pytest.raises(OutsideError) as refusal:
        await node.peer().control("thames", frame("STATUS").encode())
    return refusal.value.cause


async def check_full(node):
    """What a node on a full disk does and does not."""

    async def store_is_full():
        status, told = await node.ask("near", "far", "POST enc_keys")
        assert status in {200, 503}
        return status == 503 and told["message"] == "the key store cannot be used"

    await node.until(store_is_full)
    await node.until(lambda: _has(node, "store"))
    await asyncio.sleep(HOUSEKEEPING)
    assert node.child.returncode is None, node.words()
    assert await store_is_full()
    (alarm,) = [item for item in (await node.status())["alarms"] if item["alarm"] == "store"]
    assert alarm["code"] == "Q-KEY-044"
    assert "free space" in alarm["remedy"]
    assert (await node.ask("near", "far", "GET status"))[0] == 200
    assert "the key store cannot be used" in await refused_roll(node)
    assert (await node.ask("far", "near", "GET dec_keys?key_ID=00000000-0000-4000-8000-000000000000"))[0] in {
        400,
        503,
    }


async def _has(node, name):
    return name in await node.alarms()


async def _supplies(node):
    return (await node.ask("near", "far", "POST enc_keys"))[0] == 200


async def _calm(node):
    return await node.alarms() == []


async def check_back(node):
    """Space is there again: nobody has to do anything."""
    await node.until(lambda: _calm(node), seconds=15)
    status, told = await node.ask("near", "far", "POST enc_keys")
    assert status == 200
    assert (await node.ask("far", "near", f"GET dec_keys?key_ID={told['keys'][0]['key_ID']}"))[0] == 200
    answer = read_frame(await node.peer().control("thames", frame("STATUS").encode()))
    assert answer.kind == "STATUS"


def test_a_node_on_a_full_disk_stays_up_says_so_and_goes_on_when_space_returns():
    async def body(run):
        async with LoneNode(run) as node:
            await node.until(lambda: _supplies(node))  # without a neighbour it waits half a minute
            assert await node.alarms() == []
            node.disk.fill(node.child.pid)
            await check_full(node)
            node.disk.free(node.child.pid)
            await check_back(node)
            if node.disk.is_mounted:  # a limit on its files would not outlive the process
                node.disk.fill(node.child.pid)
                await node.kill()
                await node.start()
                await node.until(lambda: answers(node))
                await check_full(node)
                node.disk.free(node.child.pid)
                await check_back(node)
                await node.until(node.ready)
            node.child.terminate()
            assert await node.child.wait() == 0, node.words()
            assert "Traceback" not in node.words()
            entries, hashes = JournalFiles(node.state / "journal").read()
            return [json.loads(entry) for entry in entries], len(hashes)

    with short_folder() as folder:
        records, hashes = asyncio.run(body(folder / "run"))
    assert [record["seq"] for record in records] == list(range(1, hashes + 1))
    alarms = [
        record for record in records if record["type"] == "self.alarm" and record["body"]["alarm"] == "store"
    ]
    assert {(alarm["severity"], alarm["body"]["code"]) for alarm in alarms} == {("P2", "Q-KEY-044")}
    assert any(record["type"] == "self.alarm-over" for record in records)


async def answers(node):
    try:
        return bool(await node.status())
    except OutsideError:
        return False
