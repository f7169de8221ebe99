"""The tunnel: real TLS with external PSKs over loopback, re-keyed under load, cut, killed, refused."""

import asyncio
import contextlib
import hashlib
import os

import pytest

from qorridor.adapters.encryptors import mux
from qorridor.adapters.encryptors.trunk import Entry
from qorridor.adapters.wire import contexts, tls
from qorridor.base.errors import OutsideError
from qorridor.base.secret import Secret
from tests.support.loop import run, until
from tests.support.tunnel import PREFIX, Bench, key


async def send(writer, data):
    writer.write(data)
    await writer.drain()


async def exchange(bench, data):
    """Send through the tunnel to the echo and back."""
    reader, writer = await bench.dial()
    sending = asyncio.ensure_future(feed(writer, data))
    got = await reader.read(-1)
    await sending
    return got


async def feed(writer, data):
    for at in range(0, len(data), 65536):
        await send(writer, data[at : at + 65536])
    writer.write_eof()


@pytest.mark.requirement("A-23")
def test_a_file_streamed_through_a_dozen_re_keys_arrives_whole():
    sent, received, size = hashlib.sha256(), hashlib.sha256(), 0

    async def sink(reader, _writer):
        nonlocal size
        while data := await reader.read(65536):
            received.update(data)
            size += len(data)

    async def main():
        async with Bench(sink) as bench:
            await bench.roll(1)
            _, writer = await bench.dial()
            for epoch in range(2, 14):
                rolling = asyncio.ensure_future(bench.roll(epoch))
                while not rolling.done() or size < epoch * 1_000_000:
                    chunk = os.urandom(200_000)
                    sent.update(chunk)
                    await send(writer, chunk)
                await rolling
                assert bench.entry.running() == epoch
            writer.write_eof()
            await until(lambda: not bench.entry.mux.live_streams)
            assert bench.exit.refused == 0
        assert received.digest() == sent.digest()

    run(main())


def test_both_directions_of_many_streams_survive_re_keys():
    async def main():
        async with Bench() as bench:
            await bench.roll(1)
            datas = [os.urandom(700_000) for _ in range(6)]
            streams = [asyncio.ensure_future(exchange(bench, data)) for data in datas]
            for epoch in range(2, 7):
                await bench.roll(epoch)
            assert await asyncio.gather(*streams) == datas

    run(main())


class Pipe:
    """One end of a trunk that holds one frame of data on its way, however fast anybody writes."""

    def __init__(self):
        self.queue, self.rest, self.far = asyncio.Queue(1), b"", None

    async def write(self, data):
        await self.far.queue.put(bytes(data))

    async def readexactly(self, size):
        while len(self.rest) < size:
            self.rest += await self.queue.get()
        part, self.rest = self.rest[:size], self.rest[size:]
        return part

    def abort(self):
        pass


def test_full_windows_both_ways_do_not_lock_a_re_key():
    """Both ends hold more unacknowledged bytes than any buffer between them: each must read while it sends."""

    async def main():
        left, right = Pipe(), Pipe()
        left.far, right.far = right, left
        near, far = mux.Mux(None), mux.Mux(opener=asyncio.sleep)
        for end in (near, far):
            for number in range(1, 6):
                stream = mux.StreamEnd(end, number)
                stream._kept += bytes([number]) * 2_000_000
                end._streams[number] = stream
        async with asyncio.timeout(20):
            await asyncio.gather(near.attach(left), far.attach(right))
            reading = [asyncio.ensure_future(near.read_all(left)), asyncio.ensure_future(far.read_all(right))]
            ends = [stream for end in (near, far) for stream in end._streams.values()]
            await until(lambda: all(stream.received == 2_000_000 for stream in ends))
        for task in reading:
            task.cancel()

    run(main())


def test_a_writer_that_waits_on_the_old_trunk_does_not_hold_up_the_new_one():
    class Stuck(Pipe):
        async def write(self, data):
            await self.gone.wait()
            raise ConnectionResetError("aborted")

        def abort(self):
            self.gone.set()

    async def main():
        old, left, right = Stuck(), Pipe(), Pipe()
        old.gone = asyncio.Event()
        left.far, right.far = right, left
        near, far = mux.Mux(None), mux.Mux(opener=asyncio.sleep)
        near._trunk = old
        waiting = asyncio.ensure_future(near.send(mux.MuxFrame(mux.Type.DATA, 1, 0, b"x")))
        await until(near._sending.locked)
        async with asyncio.timeout(20):
            await asyncio.gather(near.attach(left), far.attach(right))
            await waiting
        assert near._trunk is left

    run(main())


def test_a_trunk_that_is_cut_in_mid_stream_loses_nothing():
    async def main():
        async with Bench() as bench:
            await bench.roll(1)
            data = os.urandom(3_000_000)
            running = asyncio.ensure_future(exchange(bench, data))
            for end in (bench.entry, bench.exit, bench.entry):
                await until(lambda: bench.entry.running() == 1 and bench.exit.running() == 1)
                end._trunk[1]._pump._transport.abort()
                await until(lambda: bench.entry.running() is None)
            assert await running == data

    run(main())


def test_an_exit_that_is_restarted_loses_its_streams_but_not_the_tunnel():
    """The new process knows no stream: old ones are reset, whatever was sent before, and new ones work."""

    async def slow(reader, writer):
        await reader.read(-1)

    async def main():
        async with Bench(slow) as bench:
            await bench.roll(1)
            reader, writer = await bench.dial()
            await send(writer, bytes(1_000_000))
            await until(lambda: any(s._base == 1_000_000 for s in bench.entry.mux._streams.values()))
            await bench.restart_exit()
            bench.service = bench.echo
            await bench.exit.prepare(1, key(1))
            await bench.exit.commit(1, "accept")
            await until(lambda: bench.entry.running() == 1)
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            assert await exchange(bench, b"after") == b"after"

    run(main())


def test_an_entry_that_is_restarted_does_not_take_over_the_streams_of_its_former_life():
    async def main():
        async with Bench() as bench:
            await bench.roll(1)
            old_reader, old_writer = await bench.dial()
            await send(old_writer, b"former life")
            await old_reader.readexactly(11)
            bench.entry.kill()
            bench.entry._keeper.cancel()
            bench.near.close()
            old_writer.close()
            bench.entry = Entry(PREFIX, lambda: ("127.0.0.1", bench.trunk_port))
            bench.near = await bench.entry.listen("127.0.0.1", 0)
            bench.port = bench.near.sockets[0].getsockname()[1]
            running = asyncio.ensure_future(exchange(bench, b"new life"))  # opened before any trunk
            await until(lambda: bench.entry.mux.live_streams)
            await bench.entry.prepare(1, key(1))
            await bench.entry.commit(1, "switch")
            assert await running == b"new life"

    run(main())


def test_the_trunk_names_epoch_group_and_cipher_at_both_ends():
    async def main():
        async with Bench() as bench:
            assert bench.entry.in_use().epoch is None
            await bench.roll(7)
            await until(lambda: bench.exit.running() == 7)
            for end in (bench.entry, bench.exit):
                used = end.in_use()
                assert used.epoch == 7
                assert used.evidence.startswith(
                    "q1|thames|7|core-replication X25519MLKEM768 TLS_AES_256_GCM_SHA384"
                )

    run(main())


@pytest.mark.parametrize("case", ["other key", "not accepted", "not prepared there", "other tunnel"])
def test_a_trunk_with_the_wrong_key_or_an_unknown_identity_is_refused_and_the_old_one_stays(case):
    async def main():
        async with Bench() as bench:
            await bench.roll(1)
            await bench.entry.prepare(2, key(2))
            if case != "not prepared there":
                await bench.exit.prepare(2, key(2, b"other" if case == "other key" else b"key"))
            if case in {"other key", "other tunnel"}:
                await bench.exit.commit(2, "accept")
            if case == "other tunnel":
                bench.entry._prefix = ("thames", "another")
            with pytest.raises(OutsideError) as error:
                await bench.entry.commit(2, "switch")
            assert error.value.code == "Q-ENC-004"
            await until(lambda: bench.exit.refused)
            bench.entry._prefix = PREFIX
            assert bench.entry.running() == 1
            assert await exchange(bench, b"still there") == b"still there"

    run(main())


def test_the_exit_takes_no_certificate_and_no_plain_connection(organisation):
    async def main():
        async with Bench() as bench:
            await bench.roll(1)
            pki = organisation.enrol("node", "hayes")
            context = contexts.mutual_client(pki.credentials("ecdsa-p256"), pki.trust("node"))
            with pytest.raises(OutsideError):
                await tls.connect("127.0.0.1", bench.trunk_port, context)
            reader, writer = await asyncio.open_connection("127.0.0.1", bench.trunk_port)
            writer.write(b"plain words, please\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                assert b"please" not in await reader.read()
            writer.close()
            await until(lambda: bench.exit.refused >= 2)

    run(main())


def test_without_a_trunk_nothing_leaves_the_entry():
    async def main():
        met = []

        async def service(reader, _writer):
            met.append(await reader.read(100))

        async with Bench(service) as bench:
            _, writer = await bench.dial()
            await send(writer, b"secret business")
            await until(lambda: bench.entry.mux.live_streams)
            assert not met
            await bench.roll(1)
            await until(lambda: met)
            assert met == [b"secret business"]

    run(main())


def test_kill_stops_traffic_and_a_new_epoch_resumes_the_stream_where_it_was():
    async def main():
        async with Bench() as bench:
            await bench.roll(1)
            reader, writer = await bench.dial()
            await send(writer, b"before")
            assert await reader.readexactly(6) == b"before"
            bench.entry.kill()
            bench.exit.kill()
            assert bench.entry.running() is bench.exit.running() is None
            await send(writer, b"held")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):  # the negative probe: longer than a redial
                    await reader.readexactly(1)
            with pytest.raises(OutsideError):
                await bench.entry.commit(1, "switch")
            await bench.roll(2)
            assert await reader.readexactly(4) == b"held"

    run(main())


def test_kill_during_a_dial_leaves_no_trunk_behind():
    async def main():
        async with Bench() as bench:
            await bench.roll(1)
            await bench.exit.prepare(2, key(2))
            await bench.exit.commit(2, "accept")
            await bench.entry.prepare(2, key(2))
            connect = tls.connect

            async def killed_meanwhile(*arguments):
                stream = await connect(*arguments)
                bench.entry.kill()
                return stream

            tls.connect = killed_meanwhile
            try:
                with pytest.raises(OutsideError):
                    await bench.entry.commit(2, "switch")
            finally:
                tls.connect = connect
            assert bench.entry.running() is None

    run(main())


def test_rollback_returns_to_the_predecessor():
    async def main():
        async with Bench() as bench:
            await bench.roll(1)
            await bench.exit.prepare(2, key(2))
            await bench.exit.commit(2, "accept")
            await bench.entry.prepare(2, key(2))
            await bench.entry.commit(2, "switch")
            assert bench.entry.running() == 2
            await bench.entry.rollback(2)
            await bench.exit.rollback(2)
            await until(lambda: bench.entry.running() == bench.exit.running() == 1)
            assert await exchange(bench, b"back") == b"back"

    run(main())


def test_retire_wipes_the_keys_of_old_epochs_and_an_old_epoch_opens_no_trunk():
    async def main():
        async with Bench() as bench:
            old = key(1)
            await bench.exit.prepare(1, old)
            await bench.roll(2)
            assert len(old) == 0
            await bench.entry.prepare(1, key(1))
            with pytest.raises(OutsideError):
                await bench.entry.commit(1, "switch")

    run(main())


def test_keys_of_another_length_or_a_second_key_for_an_epoch_are_refused_without_showing_them():
    async def main():
        async with Bench() as bench:
            with pytest.raises(OutsideError) as error:
                await bench.entry.prepare(1, Secret(bytes(32)))
            assert error.value.code == "Q-ENC-001"
            await bench.entry.prepare(1, key(1))
            await bench.entry.prepare(1, key(1))
            with pytest.raises(OutsideError) as error:
                await bench.entry.prepare(1, key(1, b"other"))
            assert error.value.code == "Q-ENC-002"
            for secret in (key(1), key(1, b"other")):
                assert bytes(secret.reveal()).hex() not in repr(error.value) + str(error.value)
            for end in (bench.entry, bench.exit):
                with pytest.raises(OutsideError) as error:
                    await end.commit(9, "switch")
                assert error.value.code == "Q-ENC-003"

    run(main())


def test_a_service_that_reads_nothing_holds_the_sender_and_memory_is_bounded():
    async def main():
        read = asyncio.Event()

        async def stuck(reader, _writer):
            reader._transport.pause_reading()
            await read.wait()

        async with Bench(stuck) as bench:
            await bench.roll(1)
            _, writer = await bench.dial()
            writer.transport.set_write_buffer_limits(0)
            pushing = asyncio.ensure_future(feed(writer, bytes(40_000_000)))
            streams = bench.entry.mux._streams
            await until(lambda: any(not s._room.is_set() for s in streams.values()))
            for _ in range(50):
                await asyncio.sleep(0.005)
                assert all(len(s._kept) <= mux.WINDOW + mux._CHUNK for s in streams.values())
            assert not pushing.done()
            pushing.cancel()
            read.set()

    run(main())


def test_a_service_that_is_not_there_resets_the_application():
    async def main():
        async with Bench() as bench:
            await bench.roll(1)
            bench.backend.close()
            await bench.backend.wait_closed()
            reader, _writer = await bench.dial()
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            await until(lambda: not bench.entry.mux.live_streams and not bench.exit.mux.live_streams)
            assert bench.entry.running() == 1

    run(main())
