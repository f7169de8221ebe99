import asyncio
import contextlib
import stat
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qorridor.adapters.wire import frames
from qorridor.app.optics import SUB_BLOCK_SECONDS
from qorridor.base.errors import LinkError, OutsideError
from qorridor.photonics.drift import Drift, Rates
from qorridor.photonics.events import Conditions
from tests.app.link_bench import Hall
from tests.support.loop import run


@pytest.fixture(autouse=True)
def _loopback_only(socket_enabled):
    """Unix sockets."""


def test_each_end_sees_its_own_half_and_the_halves_fit(tmp_path):
    async def body():
        async with Hall(tmp_path) as hall:
            sender, receiver = hall.modules
            seen = await receiver.collect(300_000)
            sent = await sender.recall(seen.slots)
            assert len(seen.slots) == 300_000
            assert (np.diff(seen.slots) > 2).all()
            match = (seen.bases == sent.bases) & (seen.clicks != 3)
            error = ((seen.clicks[match] == 2) != (sent.bits[match] == 1)).mean()
            assert 0.01 < error < 0.02
            more = await receiver.collect(1000)
            assert more.slots[0] > seen.slots[-1]

    asyncio.run(body())


def test_sockets_are_for_their_owner_only(tmp_path):
    async def body():
        async with Hall(tmp_path):
            modes = [stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("*.sock")]
            assert modes == [0o600] * 3

    asyncio.run(body())


def test_the_transmitter_learns_nothing_about_clicks_and_no_slot_of_the_future(tmp_path):
    async def body():
        async with Hall(tmp_path) as hall:
            sender, receiver = hall.modules
            await receiver.collect(1000)
            asked = np.arange(0, 5000, dtype=np.int64)
            said = await sender.recall(asked)
            assert len(said.bits) == len(asked)
            with pytest.raises(LinkError) as refused:
                await sender.recall(np.array([10**15]))
            assert refused.value.code == "Q-LINK-004"
            await sender.forget(10**6)
            with pytest.raises(LinkError):
                await sender.recall(asked)

    asyncio.run(body())


@pytest.mark.requirement("A-21")
def test_faults_are_injected_answered_and_cleared(tmp_path):
    async def ask(fault, **parameters):
        channel = await frames.dial_unix(tmp_path / "inject.sock")
        await channel.send({"fault": fault, "parameters": parameters})
        answer = await channel.receive()
        await channel.close()
        return answer

    async def body():
        async with Hall(tmp_path) as hall:
            assert (await ask("intercept", fraction="0.25"))["intercept"] == "0.25"
            assert (await ask("bend", loss="3"))["bend"] == "3.0"
            assert (await ask("cut"))["cut"] is True
            for wrong in (await ask("drift", error="0.7"), await ask("melt"), await ask("intercept"),
                          await ask("intercept", fraction="much")):  # fmt: skip
                assert wrong["code"] == "Q-LINK-003"
            assert hall.optics.conditions.intercept == 0.25
            await ask("clear")
            assert hall.optics.conditions.intercept == 0

    asyncio.run(body())


def ask_injector(folder):
    async def ask(fault, **parameters):
        channel = await frames.dial_unix(folder / "inject.sock")
        await channel.send({"fault": fault, "parameters": parameters})
        answer = await channel.receive()
        await channel.close()
        return answer

    return ask


def test_every_fault_has_a_severity_and_may_come_slowly(tmp_path):
    ask = ask_injector(tmp_path)

    async def body():
        async with Hall(tmp_path) as hall:
            assert (await ask("cooler", severity="12"))["severities"] == {"cooler": "12.0"}
            told = await ask("intercept", severity="0.5", over="0.2", basis="key", light="broken")
            assert told["severities"] == {"cooler": "12.0", "intercept": "0.5"}
            assert (await ask("trojan"))["severities"]["trojan"] == "1.0"
            assert hall.optics.conditions.basis == "key"
            assert hall.optics.course.at(0).intercept == 0
            await hall.modules[1].collect(1_500_000)
            now = hall.optics.course.at(hall.optics._number * hall.optics._slots)
            assert now.intercept == 0.5
            for fault, given in (("cooler", {}), ("cooler", {"severity": "61"}), ("bend", {"severity": "1", "over": "-1"}),
                                 ("bend", {"severity": "1", "over": "inf"}), ("tampering", {"severity": "1"}),
                                 ("intercept", {"severity": "1", "basis": "mine"})):  # fmt: skip
                assert (await ask(fault, **given))["code"] == "Q-LINK-003", fault

    asyncio.run(body())


def test_each_end_reads_its_own_monitors_and_those_of_the_line(tmp_path):
    async def body():
        async with Hall(tmp_path) as hall:
            sender, receiver = hall.modules
            assert await receiver.monitored() == {"module": None, "line": None}
            seen = await receiver.collect(300_000)
            mine, theirs = await receiver.monitored(), await sender.monitored()
            assert sum(mine["module"]["clicks"]) - mine["module"]["doubles"] >= len(seen.slots)
            assert 0.98 < theirs["module"]["power"] < 1.02
            assert not set(mine["module"]) & set(theirs["module"])
            assert set(mine["line"]) == set(theirs["line"])
            assert (await receiver.monitored())["module"] is None

    asyncio.run(body())


def test_dead_time_and_echoes_pass_from_one_sub_block_to_the_next(tmp_path):
    async def body():
        async with Hall(tmp_path) as hall:
            hall.optics.link = replace(hall.optics.link, afterpulse=0.3, afterpulse_decay=1e-5)
            seen = await hall.modules[1].collect(900_000)
            assert np.diff(seen.slots).min() > hall.optics.link.dead_slots
            assert len(hall.optics._carried.echo_slots) > 0

    asyncio.run(body())


def test_a_link_that_wanders_is_reproduced_by_its_seed_and_stands_still_until_then(tmp_path):
    async def clicks(folder, **severities):
        folder.mkdir()
        async with Hall(folder) as hall:
            hall.optics._drift = Drift(
                Rates(polarisation=0.5, polarisation_time=0.1, loss=1.0, loss_time=0.1)
            )
            hall.optics.conditions = Conditions(**severities)
            return (await hall.modules[1].collect(500_000)).slots

    async def body():
        first, again = await clicks(tmp_path / "a", wander=2.0), await clicks(tmp_path / "b", wander=2.0)
        still = await clicks(tmp_path / "c")
        assert np.array_equal(first, again)
        assert first[-1] > 1.05 * still[-1], "loss only ever adds"

    asyncio.run(body())


def test_the_compiler_is_loaded_at_the_first_draw_after_its_cache_folder_was_named():
    program = "import sys, qorridor.app.optics; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_simulated_time_goes_no_faster_than_the_wall_clock(tmp_path):
    async def body():
        async with Hall(tmp_path) as hall:
            hall.optics.conditions = hall.optics.conditions.after("cut")
            loop = asyncio.get_running_loop()
            start = loop.time()
            seen = await hall.modules[1].collect(1000)
            simulated = seen.slots[-1] / hall.optics.link.clock
            assert loop.time() - start > simulated - 2 * SUB_BLOCK_SECONDS

    asyncio.run(body())


def test_a_memory_that_nobody_prunes_stays_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("qorridor.app.optics.REMEMBERED_CLICKS", 500_000)

    async def body():
        async with Hall(tmp_path) as hall:
            await hall.modules[1].collect(1_500_000)
            assert sum(count for _, count in hall.optics._recorded) <= 500_000

    asyncio.run(body())


numbers = st.integers(-(2**70), 2**70) | st.integers(-3, 3)
values = (
    numbers
    | st.none()
    | st.booleans()
    | st.binary(max_size=24)
    | st.text(max_size=6)
    | st.lists(numbers, max_size=2)
)
told = st.dictionaries(
    st.sampled_from(["type", "slots", "before", "fault", "parameters", "count", "x"]),
    values | st.sampled_from(["forget", "recall", "monitor", "drift", "intercept", "cut"])
    | st.dictionaries(st.text(max_size=3), values),
    max_size=4,
)  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(["transmitter", "receiver", "inject"]), told), max_size=8))
def test_whatever_the_sockets_are_told_the_optics_serve_the_next_one(tmp_path, messages):
    async def body():
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        async with Hall(folder) as hall:
            for socket, frame in messages:
                try:
                    data = frames.pack(frame)
                except (ValueError, OverflowError):
                    continue  # CBOR itself holds no such number
                channel = await frames.dial_unix(folder / f"{socket}.sock")
                with contextlib.suppress(ConnectionError, OutsideError):
                    channel._writer.write(data)
                    channel._writer.write_eof()
                    await channel.receive()
                await channel.close()
            await inject_clear(folder)
            assert len((await hall.modules[1].collect(100)).slots) == 100

    run(body())


async def inject_clear(folder):
    channel = await frames.dial_unix(folder / "inject.sock")
    await channel.send({"fault": "clear", "parameters": {}})
    assert (await channel.receive())["fault"] == "clear"
    await channel.close()
