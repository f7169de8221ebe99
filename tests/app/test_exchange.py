"""A file goes whole or not at all: through a played tunnel, past strangers, over broken connections."""

import asyncio
import contextlib
import json
import socket
from pathlib import Path

import pytest

from qorridor.app import transfer
from qorridor.app.estate_file import load
from qorridor.app.exchange import exchange, route_between
from qorridor.app.run_folder import BOOK, merge_book
from qorridor.app.transfer import Receiver, offer_of, send
from qorridor.base.errors import EstateError, EvidenceError, OutsideError, PolicyRefusal
from tests.faces.cli import statuses

from .played_run import EXAMPLE, played_run, where


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


async def pump(reader, writer, change=lambda data: data):
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(change(data))
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def played_tunnel(run, port, change=lambda data: data):
    """Carries connections from an entry to the forward address, like the two ends of a tunnel."""

    async def carry(reader, writer):
        inner, outer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, outer, change), pump(inner, writer))

    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    merge_book(run / BOOK, {"tunnel/core-replication/london": where(server)})
    try:
        yield server
    finally:
        server.close()


def play(tmp_path, scene, change=lambda data: data):
    port = free_port()
    text = EXAMPLE.read_text().replace("127.0.0.1:5432", f"127.0.0.1:{port}")

    async def run():
        async with played_run(tmp_path / "thames", text), played_tunnel(tmp_path / "thames", port, change):
            await scene(tmp_path / "thames", port)

    asyncio.run(run())


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "ledger.bin"
    path.write_bytes(bytes(range(256)) * 4096 + b"end")
    return path


@pytest.mark.parametrize("size", [0, 1, 1_048_579])
def test_a_file_arrives_whole_and_its_label_comes_with_it(tmp_path, file, size):
    file.write_bytes(file.read_bytes()[:size])
    out, moved = tmp_path / "out.bin", []

    async def scene(run, _):
        done = await exchange(run, file, "london", "slough", out, moved.append)
        assert (done.size, done.states, done.epochs_crossed) == (size, ("HYBRID", "HYBRID"), 0)
        assert done.simulated

    play(tmp_path, scene)
    assert out.read_bytes() == file.read_bytes()
    assert sum(moved) == size
    assert out.stat().st_mode & 0o077 == 0


def test_nothing_is_replaced_and_a_used_address_is_refused(tmp_path, file):
    out = tmp_path / "out.bin"

    async def scene(run, port):
        out.write_text("precious")
        with pytest.raises(OutsideError) as caught:
            await exchange(run, file, "london", "slough", out, print)
        assert caught.value.code == "Q-KME-060"
        assert out.read_text() == "precious"
        out.unlink()
        other = await asyncio.start_server(lambda *_: None, "127.0.0.1", port)
        with pytest.raises(OutsideError) as caught:
            await exchange(run, file, "london", "slough", out, print)
        assert caught.value.code == "Q-ENC-008"
        other.close()
        with pytest.raises(OutsideError) as caught:
            await exchange(run, tmp_path / "none", "london", "slough", out, print)
        assert caught.value.code == "Q-KME-059"

    play(tmp_path, scene)


def test_changed_bytes_leave_nothing(tmp_path, file):
    out = tmp_path / "out.bin"

    async def scene(run, _):
        with pytest.raises(EvidenceError) as caught:
            await exchange(run, file, "london", "slough", out, lambda _: None)
        assert caught.value.code == "Q-ENC-010"

    play(tmp_path, scene, lambda data: data.replace(b"end", b"END"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ledger.bin", "thames"]


def test_a_connection_that_breaks_or_stands_still_leaves_nothing(tmp_path, file, monkeypatch):
    out = tmp_path / "out.bin"
    monkeypatch.setattr(transfer, "SILENCE_SECONDS", 0.3)

    async def still(reader, writer):
        await asyncio.sleep(1)
        writer.close()

    async def breaks(_, writer):
        writer.close()

    async def scene():
        for handler in (still, breaks):
            server = await asyncio.start_server(handler, "127.0.0.1", 0)
            with pytest.raises(OutsideError) as caught:
                await send(file, offer_of(file, "t"), server.sockets[0].getsockname()[:2], lambda _: None)
            assert caught.value.code == "Q-ENC-009"
            server.close()
            await asyncio.sleep(0.05)
        await asyncio.sleep(1)

    asyncio.run(scene())
    assert not out.exists()


@pytest.mark.parametrize("said", [b"", b"\xff\xff\xff\xff", b"\0\0\0\x02{}", b"\0\0\0\x02[]", b"GET / HTTP/1.1\r\n\r\n",
                                  b'\0\0\0\x0f{"token": "no"}', b'\0\0\0\x0c{"token": 7}'])  # fmt: skip
def test_a_stranger_gets_no_word_and_leaves_no_file(tmp_path, said):
    receiver = Receiver("secret", tmp_path / "out.bin")

    async def scene():
        server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
        writer.write(said)
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        server.close()

    asyncio.run(scene())
    assert receiver.refused == 1
    assert list(tmp_path.iterdir()) == []


def test_a_closed_corridor_sends_nothing(tmp_path, file, monkeypatch):
    async def scene(run, _):
        for change in ({"state": "FAIL_CLOSED", "cause": "policy-invalid"}, {"epoch": 0}):
            monkeypatch.setitem(statuses.STATUS, "corridors", [statuses.END | change])
            with pytest.raises(PolicyRefusal) as caught:
                await exchange(run, file, "london", "slough", tmp_path / "out", lambda _: None)
            assert caught.value.code == "Q-POLICY-033"
        monkeypatch.setitem(statuses.STATUS, "corridors", [])
        with pytest.raises(OutsideError) as caught:
            await exchange(run, file, "london", "slough", tmp_path / "out", lambda _: None)
        assert caught.value.code == "Q-ENC-011"

    play(tmp_path, scene)


@pytest.mark.parametrize(("ends", "kind", "code"), [
    (("slough", "london"), PolicyRefusal, "Q-POLICY-031"), (("london", "hayes"), EstateError, "Q-ESTATE-035"),
    (("paris", "slough"), EstateError, "Q-ESTATE-035"), (("slough", "hayes"), EstateError, "Q-ESTATE-035"),
])  # fmt: skip
def test_wrong_ends_are_told(ends, kind, code):
    with pytest.raises(kind) as caught:
        route_between(load(Path(EXAMPLE)), *ends)
    assert caught.value.code == code
    assert json.dumps(caught.value.remedy)
