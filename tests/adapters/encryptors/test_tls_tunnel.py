"""The driver and the tunnel process speak over a Unix socket; every call is answered, none shows a key."""

import asyncio
import contextlib

import pytest

from qorridor.adapters.encryptors import tls_tunnel
from qorridor.adapters.encryptors.tls_tunnel import TlsTunnelDriver
from qorridor.adapters.wire import frames
from qorridor.app.tunnel import _answer
from qorridor.base.errors import OutsideError, QorridorError
from qorridor.base.secret import Secret
from tests.support.loop import run, until
from tests.support.tunnel import Bench, key


@contextlib.asynccontextmanager
async def driven(folder):
    """Both ends of a tunnel behind their control sockets, as `qorridor tunnel` serves them."""
    async with Bench() as bench:
        servers, drivers = [], []
        for name, end in (("i", bench.entry), ("r", bench.exit)):

            async def control(channel, end=end):
                while (frame := await channel.receive()) is not None:
                    try:
                        answer = await _answer(end, frame)
                    except QorridorError as error:
                        answer = {"code": error.code, "cause": error.cause, "remedy": error.remedy}
                    await channel.send(answer)

            servers.append(await frames.serve_unix(folder / name, control))
            drivers.append(TlsTunnelDriver(folder / name))
        try:
            yield bench, *drivers
        finally:
            for driver in drivers:
                await driver._drop()
            for server in servers:
                server.close()


def test_an_answer_that_comes_after_its_call_was_cancelled_reaches_nobody(folder):
    async def main():
        asked, calls = asyncio.Event(), []

        async def control(channel):
            while (frame := await channel.receive()) is not None:
                calls.append(frame["call"])
                asked.set()
                await asyncio.sleep(0.05)
                await channel.send({"epoch": len(calls), "evidence": frame["call"]})

        server = await frames.serve_unix(folder / "s", control)
        driver = TlsTunnelDriver(folder / "s")
        first = asyncio.create_task(driver.running())
        await asked.wait()
        first.cancel()
        await asyncio.wait({first})
        assert first.cancelled()
        assert await driver.running() == 2
        await driver._drop()
        server.close()

    run(main())


def test_a_roll_through_the_drivers_ends_on_the_new_epoch(folder):
    async def main():
        async with driven(folder) as (bench, entry, exit_):
            assert await entry.running() is None
            for epoch in (1, 2):
                for driver in (entry, exit_):
                    await driver.prepare(epoch, key(epoch), "fresh")
                    await driver.prepare(epoch, key(epoch), "fresh")
                await exit_.commit(epoch, "accept")
                await entry.commit(epoch, "switch")
                used = await entry.probe(epoch)
                assert used.epoch == (await exit_.probe(epoch)).epoch == epoch
                assert "X25519MLKEM768" in used.evidence
                await entry.retire(epoch - 1)
                await exit_.retire(epoch - 1)
            await entry.rollback(3, "probe-failed")
            await entry.kill("operator")
            assert await entry.running() is None
            await until(lambda: bench.exit.running() is None)

    run(main())


def test_a_refusal_of_the_tunnel_keeps_its_code_and_shows_no_key(folder):
    async def main():
        async with driven(folder) as (_, entry, _exit):
            await entry.prepare(1, key(1), "fresh")
            other = key(1, b"other")
            with pytest.raises(OutsideError) as error:
                await entry.prepare(1, other, "fresh")
            assert error.value.code == "Q-ENC-002"
            for secret in (key(1), other):
                shown = repr(error.value) + str(error.value)
                assert bytes(secret.reveal()).hex() not in shown
                assert repr(bytes(secret.reveal())) not in shown
            with pytest.raises(OutsideError) as error:
                await entry.commit(7, "switch")
            assert error.value.code == "Q-ENC-003"
            with pytest.raises(OutsideError) as error:
                await entry._call("dance")
            assert error.value.code == "Q-ENC-007"
            assert await entry.running() is None

    run(main())


def test_a_tunnel_process_that_is_not_there_or_goes_away_is_an_error_and_is_dialled_again(folder):
    async def main():
        driver = TlsTunnelDriver(folder / "s")
        with pytest.raises(OutsideError) as error:
            await driver.probe(1)
        assert error.value.code == "Q-ENC-006"

        async def leave(channel):
            await channel.receive()

        server = await frames.serve_unix(folder / "s", leave)
        with pytest.raises(OutsideError) as error:
            await driver.prepare(1, Secret(bytes(48)), "fresh")
        assert error.value.code == "Q-ENC-006"
        server.close()

        async def stay(channel):
            while await channel.receive() is not None:
                await channel.send({"epoch": 5, "evidence": "e"})

        server = await frames.serve_unix(folder / "s", stay)
        assert await driver.running() == 5
        with pytest.raises(OutsideError) as error:
            await driver.kill("operator")
        assert error.value.code == "Q-ENC-005", "what still runs after kill is said"
        await driver._drop()
        server.close()
        await asyncio.sleep(0)

    run(main())


def test_a_tunnel_process_that_stays_silent_is_called_so(folder, monkeypatch):
    monkeypatch.setattr(tls_tunnel, "_SECONDS", 0.05)

    async def main():
        async def ignore(channel):
            while await channel.receive() is not None:
                pass

        server = await frames.serve_unix(folder / "s", ignore)
        driver = TlsTunnelDriver(folder / "s")
        with pytest.raises(OutsideError) as error:
            await driver.probe(1)
        server.close()
        return error.value.cause

    assert run(main()) == "the tunnel process does not answer probe: no answer in time"
