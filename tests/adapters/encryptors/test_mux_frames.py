"""Frames of a tunnel: whole or refused."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qorridor.adapters.encryptors import mux_frames
from qorridor.adapters.encryptors.mux_frames import MuxFrame, Type


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
