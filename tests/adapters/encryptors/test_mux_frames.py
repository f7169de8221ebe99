"""Frames of a tunnel: whole or refused."""

import asyncio
import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qorridor.adapters.encryptors import mux_frames
from qorridor.adapters.encryptors.mux import Mux
from qorridor.adapters.encryptors.mux_frames import MuxFrame, Type
from tests.support.loop import run, until


def read(data):
    async def main():
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        return await mux_frames.read(reader)

    return asyncio.run(main())


frames = st.builds(
    MuxFrame,
    st.sampled_from(Type),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**64 - 1),
    st.binary(max_size=99),
)


@settings(max_examples=200, deadline=None)
@given(frames)
def test_a_frame_comes_back_as_it_was_packed(frame):
    assert read(mux_frames.pack(frame)) == frame


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_random_bytes_are_a_frame_or_an_end_of_the_trunk(data):
    try:
        frame = read(data)
    except (ConnectionError, asyncio.IncompleteReadError):
        return
    assert data.startswith(mux_frames.pack(frame))


def test_a_frame_larger_than_the_limit_is_refused_before_it_is_read():
    head = mux_frames._HEAD.pack(Type.DATA, 1, 0, mux_frames.PAYLOAD_LIMIT + 1)
    with pytest.raises(ConnectionError):
        read(head)


class Taps:
    """A trunk that ends where its bytes do, and swallows what is written."""

    def __init__(self, data):
        self.reader = asyncio.StreamReader()
        self.reader.feed_data(data)
        self.reader.feed_eof()

    async def readexactly(self, size):
        return await self.reader.readexactly(size)

    async def write(self, data):
        await asyncio.sleep(0)

    def abort(self):
        """Nothing to drop."""


small = st.builds(
    MuxFrame,
    st.sampled_from(Type),
    st.integers(1, 3),
    st.integers(0, 9) | st.just(2**64 - 1),
    st.binary(max_size=9),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(small | st.binary(max_size=30), max_size=12), st.booleans())
def test_whatever_comes_over_a_trunk_ends_it_in_order_and_no_stream_dies_unseen(told, serves):
    async def nobody():
        raise ConnectionRefusedError

    async def main():
        mux = Mux(nobody if serves else None)
        ready = mux_frames.pack(MuxFrame(Type.READY, 0, 0))
        data = b"".join(item if isinstance(item, bytes) else mux_frames.pack(item) for item in told)
        trunk = Taps(ready + data)
        await mux.attach(trunk)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await mux.read_all(trunk)
        mux.detach(trunk)
        await until(lambda: not mux._tasks)

    run(main())


@settings(max_examples=100, deadline=None)
@given(st.lists(small | st.binary(max_size=30), max_size=8))
def test_whatever_a_peer_says_instead_of_resuming_ends_the_trunk(told):
    data = b"".join(item if isinstance(item, bytes) else mux_frames.pack(item) for item in told)

    async def main():
        mux = Mux(None)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await mux.attach(Taps(data))
        await until(lambda: not mux._tasks)
        assert not mux._sending.locked(), "the next trunk can be attached"

    run(main())
