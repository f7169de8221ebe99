"""A tunnel of two real ends on loopback: real TLS, real sockets, keys rolled and taken away under traffic."""

import asyncio
import hashlib
import os

import pytest

from qorridor.adapters.encryptors.mux import WINDOW
from qorridor.adapters.encryptors.trunk import Entry, Exit
from qorridor.adapters.wire import contexts, tls
from qorridor.base.errors import OutsideError
from qorridor.base.secret import Secret

PREFIX = ("thames", "core")
ZEROS = memoryview(bytes(48))


class Tunnel:
    """Entry, exit and a service behind it that answers with the digest of what it got."""

    def __init__(self, service=None):
        self._service = service or self._digest
        self.epoch = 0

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._service, "127.0.0.1", 0)
        self.exit = Exit(PREFIX, "127.0.0.1", self.server.sockets[0].getsockname()[1])
        self.trunks = await self.exit.listen("127.0.0.1", 0)
        self.address = self.trunks.sockets[0].getsockname()[:2]
        self.entry = Entry(PREFIX, lambda: self.address)
        self.door = await self.entry.listen("127.0.0.1", 0)
        return self

    async def __aexit__(self, *_):
        self.entry.kill()
        self.exit.kill()
        for server in (self.door, self.trunks, self.server):
            server.close()
        await asyncio.sleep(0.05)

    async def _digest(self, reader, writer):
        digest = hashlib.sha256()
        while data := await reader.read(65536):
            digest.update(data)
        writer.write(digest.digest())
        await writer.drain()
        writer.close()

    async def roll(self):
        self.epoch += 1
        key = os.urandom(48)
        for end in (self.exit, self.entry):
            await end.prepare(self.epoch, Secret(key))
        await self.exit.commit(self.epoch, "accept")
        await self.entry.commit(self.epoch, "switch")
        for end in (self.exit, self.entry):
            end.retire(self.epoch - 1)

    async def connect(self):
        return await asyncio.open_connection(*self.door.sockets[0].getsockname()[:2])


def run(body, **settings):
    async def outer():
        async with Tunnel(**settings) as tunnel:
            async with asyncio.timeout(60):
                return await body(tunnel)

    return asyncio.run(outer())


async def send(tunnel, size, between=None):
    """Send `size` random bytes on one connection; returns whether the service saw the same bytes."""
    reader, writer = await tunnel.connect()
    digest, left = hashlib.sha256(), size
    while left:
        data = os.urandom(min(left, 65536))
        digest.update(data)
        writer.write(data)
        await writer.drain()
        left -= len(data)
        if between is not None:
            await between(size - left)
    writer.write_eof()
    answer = await reader.readexactly(32)
    writer.close()
    await writer.wait_closed()
    return answer == digest.digest()


@pytest.mark.requirement("A-23")
def test_one_connection_survives_twenty_rolls_without_losing_or_repeating_a_byte():
    async def body(tunnel):
        await tunnel.roll()

        async def between(sent):
            if sent % (400 * 1024) < 65536:
                await tunnel.roll()

        assert await send(tunnel, 8 * 1024 * 1024, between)
        return tunnel.epoch, tunnel.entry.in_use()

    epoch, used = run(body)
    assert epoch >= 20
    assert used.epoch == epoch
    assert "X25519MLKEM768" in used.evidence


def test_a_trunk_that_is_cut_in_mid_stream_loses_nothing():
    async def body(tunnel):
        await tunnel.roll()
        cuts = iter((1 << 20, 3 << 20, 5 << 20))
        due = [next(cuts)]

        async def between(sent):
            if sent >= due[0]:
                due[0] = next(cuts, 1 << 40)
                tunnel.entry._trunk[1]._pump._transport.abort()

        return await send(tunnel, 6 * 1024 * 1024, between)

    assert run(body)


def test_many_connections_share_one_trunk():
    async def body(tunnel):
        await tunnel.roll()
        done = await asyncio.gather(*(send(tunnel, 200_000 + number) for number in range(40)))
        for _ in range(50):
            if not tunnel.entry.mux.live_streams and not tunnel.exit.mux.live_streams:
                break
            await asyncio.sleep(0.05)
        return done, tunnel.entry.mux.live_streams, tunnel.exit.mux.live_streams

    done, at_entry, at_exit = run(body)
    assert all(done)
    assert (at_entry, at_exit) == (0, 0)


def test_a_service_that_reads_slowly_bounds_what_the_tunnel_keeps():
    async def slow(reader, writer):
        try:
            await asyncio.sleep(3600)
        finally:
            writer.transport.abort()

    async def body(tunnel):
        await tunnel.roll()
        _, writer = await tunnel.connect()
        sent = 0
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                while True:
                    writer.write(bytes(65536))
                    await writer.drain()
                    sent += 65536
        stream = next(iter(tunnel.entry.mux._streams.values()))
        writer.transport.abort()
        return sent, len(stream._kept)

    sent, kept = run(body, service=slow)
    assert kept <= WINDOW + 128 * 1024
    assert sent < 64 * 1024 * 1024


def test_kill_stops_traffic_and_the_next_epoch_resumes_the_stream():
    async def body(tunnel):
        await tunnel.roll()
        paused = []

        async def between(sent):
            if sent == 1 << 20:
                tunnel.entry.kill()
                tunnel.exit.kill()
                paused.append((tunnel.entry.running(), tunnel.exit.running()))
                with pytest.raises(OutsideError):
                    await tls.connect(
                        *tunnel.address,
                        contexts.psk_client("q1|thames|1|core", lambda: memoryview(bytes(48))),
                    )
                await tunnel.roll()

        return await send(tunnel, 3 << 20, between), paused

    intact, paused = run(body)
    assert intact
    assert paused == [(None, None)]


@pytest.mark.parametrize(
    ("identity", "key"),
    [("q1|thames|1|core", bytes(48)), ("q1|thames|2|core", None), ("q1|thames|1|other", None)],
)
def test_a_wrong_key_or_an_unknown_identity_gets_no_trunk(identity, key):
    async def body(tunnel):
        await tunnel.roll()
        right = bytes(tunnel.exit._keys[1].reveal())
        chosen = memoryview(key or right)
        with pytest.raises(OutsideError) as refused:
            await tls.connect(*tunnel.address, contexts.psk_client(identity, lambda: chosen))
        return refused.value, tunnel.exit.refused, right

    error, refused, right = run(body)
    assert error.code == "Q-KME-043"
    assert refused == 1
    assert right.hex() not in str(error)


def test_a_client_without_any_key_is_refused_since_there_is_no_certificate_to_fall_back_to():
    async def body(tunnel):
        await tunnel.roll()
        client = contexts._base(
            contexts.SSL.TLS_CLIENT_METHOD, contexts.DEFAULT_GROUP, contexts.SSL.TLS1_3_VERSION
        )
        plain = contexts.Context(client, is_server=False, groups=frozenset({"x25519mlkem768"}))
        with pytest.raises(OutsideError):
            await tls.connect(*tunnel.address, plain)

    run(body)


def test_before_the_first_key_nothing_passes():
    async def body(tunnel):
        reader, writer = await tunnel.connect()
        writer.write(b"in clear?")
        await writer.drain()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await reader.read(1)
        assert tunnel.entry.running() is None
        await tunnel.roll()
        writer.write_eof()
        answer = await reader.readexactly(32)
        writer.close()
        await writer.wait_closed()
        return answer

    assert run(body) == hashlib.sha256(b"in clear?").digest()


@pytest.mark.parametrize("size", [0, 32, 47, 49])
def test_a_key_of_another_length_is_refused(size):
    with pytest.raises(OutsideError) as refused:
        asyncio.run(Entry(PREFIX, lambda: ("127.0.0.1", 1)).prepare(1, Secret(bytes(size))))
    assert refused.value.code == "Q-ENC-001"


def test_another_key_for_the_same_epoch_is_refused_and_the_same_one_is_not():
    async def body():
        end = Entry(PREFIX, lambda: ("127.0.0.1", 1))
        await end.prepare(1, Secret(bytes(48)))
        await end.prepare(1, Secret(bytes(48)))
        await end.prepare(1, Secret(b"1" * 48))

    with pytest.raises(OutsideError) as refused:
        asyncio.run(body())
    assert refused.value.code == "Q-ENC-002"


def test_an_epoch_that_was_not_prepared_is_not_committed():
    for end in (Entry(PREFIX, lambda: ("127.0.0.1", 1)), Exit(PREFIX, "127.0.0.1", 1)):
        with pytest.raises(OutsideError) as refused:
            asyncio.run(end.commit(3, "accept"))
        assert refused.value.code == "Q-ENC-003"
