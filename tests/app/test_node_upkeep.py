"""What a node does by the clock: a clock that was set is an alarm, peers hear what they missed, bits are counted."""

import asyncio
import contextlib

from qorridor.app import node_upkeep
from qorridor.app.node_notes import Notes
from qorridor.app.node_upkeep import CLOCK, Upkeep
from qorridor.base.errors import OutsideError
from tests.support.loop import run, until
from tests.support.nodes import Net


class Journal:
    """A journal of a size."""

    size = 0


@contextlib.asynccontextmanager
async def kept(net, monkeypatch):
    """London's rounds, many a second."""
    for name in ("ROUND_SECONDS", "TELL_SECONDS"):
        monkeypatch.setattr(node_upkeep, name, 0.01)
    store = net.stores["london"]
    notes = Notes(store, "london", net.clock)
    upkeep = Upkeep("london", net.managers["london"], store, notes, Journal())
    tasks = [asyncio.create_task(work) for work in (upkeep.run(), upkeep.tell())]
    try:
        yield store, notes
    finally:
        for task in tasks:
            task.cancel()


def test_a_clock_that_is_set_is_an_alarm_until_it_is_right_again(organisation, folder, monkeypatch):
    async def main():
        async with Net(organisation, folder) as net:
            real = net.clock.now
            async with kept(net, monkeypatch) as (_, notes):
                await asyncio.sleep(0.05)
                assert not notes.alarms
                monkeypatch.setattr(net.clock, "now", lambda: real() - 600)
                await until(lambda: CLOCK in notes.alarms)
                assert "-600 s" in notes.alarms[CLOCK].cause
                monkeypatch.setattr(net.clock, "now", real)
                await until(lambda: CLOCK not in notes.alarms)

    run(main())


def test_a_peer_hears_by_itself_what_it_missed(organisation, folder, monkeypatch):
    async def main():
        async with Net(organisation, folder) as net:
            await net.fill()
            peer = net.clients["london"]["hayes"]
            bind, void = peer.bind, peer.void

            async def lost(*arguments):
                await bind(*arguments)
                raise OutsideError("Q-KME-044", "the answer was lost", "none")

            async def unreachable(*_):
                raise OutsideError("Q-KME-044", "no connection", "none")

            peer.bind, peer.void = lost, unreachable
            try:
                await net.managers["london"].supply("a", "b", "hayes", 1, 256)
            except OutsideError:
                assert (await net.counts())["hayes"].bound == 256
            async with kept(net, monkeypatch) as (store, _):
                await asyncio.sleep(0.05)
                assert await store.owed()
                peer.void = void
                for _ in range(500):
                    if not await store.owed():
                        break
                    await asyncio.sleep(0.01)
            assert (await net.counts())["hayes"].bound == 0

    run(main())
