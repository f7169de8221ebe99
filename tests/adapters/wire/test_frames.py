"""Frames on a local socket: whole or refused, and the socket belongs to this user alone."""

import asyncio
import contextlib
import stat

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qorridor.adapters.wire import frames
from qorridor.base.errors import OutsideError
from tests.support.loop import run


def read(data, limit=1000):
    async def main():
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        return await frames.read_frame(reader, limit=limit)

    return asyncio.run(main())


def test_a_frame_comes_back_as_it_was_sent():
    frame = {"call": "prepare", "epoch": 7, "key": b"\x00\x01", 3: [None, True]}
    assert read(frames.pack(frame)) == frame


def test_a_clean_end_is_no_frame():
    assert read(b"") is None


@pytest.mark.parametrize(
    "data",
    [
        b"\x00",
        b"\x00\x00\x00\x05\xa1",
        b"\x00\x00\x03\xe9" + bytes(1001),
        b"\x00\x00\x00\x01\x01",
        b"\xff" * 8,
    ],
)
def test_half_frames_large_frames_and_other_values_are_refused(data):
    with pytest.raises(OutsideError) as error:
        read(data)
    assert error.value.code == "Q-KME-045"


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), st.booleans())
def test_random_bytes_are_a_frame_or_refused(data, with_length):
    try:
        frame = read(len(data).to_bytes(4, "big") + data if with_length else data)
    except OutsideError as error:
        assert error.code == "Q-KME-045"
    else:
        assert frame is None or frames.pack(frame)[4:] in data


def test_a_socket_answers_its_own_user_and_replaces_a_stale_file(folder):
    path = folder / "s.sock"
    path.touch()

    async def echo(channel):
        while (frame := await channel.receive()) is not None:
            await channel.send(frame)

    async def main():
        server = await frames.serve_unix(path, echo)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        channel = await frames.dial_unix(path)
        for number in range(3):
            await channel.send({"n": number})
            assert await channel.receive() == {"n": number}
        rude = await frames.dial_unix(path)
        rude._writer.write(b"\xff" * 20)
        assert await rude.receive() is None
        await channel.send({"n": 9})
        assert await channel.receive() == {"n": 9}
        await channel.close()
        await channel.close()
        await rude.close()
        server.close()

    run(main())


def test_a_socket_that_nobody_serves_is_an_error_with_its_code(folder):
    with pytest.raises(OutsideError) as error:
        run(frames.dial_unix(folder / "none.sock"))
    assert error.value.code == "Q-KME-042"


@pytest.mark.parametrize(
    "fault", [KeyError("the key itself"), ValueError("secret"), TypeError("secret"), OverflowError("secret")]
)
def test_a_frame_that_the_handler_cannot_take_ends_its_connection_with_a_line_and_no_words(
    folder, caplog, fault
):
    async def main():
        async def handler(channel):
            frame = await channel.receive()
            if "bad" in frame:
                raise fault
            await channel.send({"fine": True})

        server = await frames.serve_unix(folder / "s", handler)
        bad = await frames.dial_unix(folder / "s")
        await bad.send({"bad": 1})
        assert await bad.receive() is None
        good = await frames.dial_unix(folder / "s")
        await good.send({})
        assert await good.receive() == {"fine": True}
        for channel in (bad, good):
            await channel.close()
        server.close()

    run(main())
    (line,) = [record.getMessage() for record in caplog.records]
    assert type(fault).__name__ in line
    assert "test_frames.py" in line
    assert "secret" not in line
    assert "key itself" not in line


values = (
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.binary(max_size=20) | st.text(max_size=8)
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.binary(max_size=60) | st.dictionaries(st.text(max_size=4), values, max_size=3), max_size=6)
)
def test_whatever_a_local_process_writes_the_socket_serves_the_next_one(folder, told):
    async def main():
        async def handler(channel):
            while (frame := await channel.receive()) is not None:
                await channel.send({"sum": frame["number"] + 1})

        server = await frames.serve_unix(folder / "s", handler)
        for item in told:
            channel = await frames.dial_unix(folder / "s")
            data = item if isinstance(item, bytes) else frames.pack(item)
            with contextlib.suppress(ConnectionError):
                channel._writer.write(data)
                channel._writer.write_eof()
                await channel.receive()
            await channel.close()
        channel = await frames.dial_unix(folder / "s")
        await channel.send({"number": 4})
        assert await channel.receive() == {"sum": 5}
        await channel.close()
        server.close()

    run(main())
