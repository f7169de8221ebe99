"""Messages of a roll-over: strictly read; no message of an authenticated but broken peer crashes an end."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qorridor.adapters.wire.key_exchange import HybridKeyExchange
from qorridor.base import cbor
from qorridor.combine.context import Mode
from qorridor.ports.encryptor import InUse
from qorridor.run import roll_frames
from qorridor.run.roll_initiator import PREPARE_FIELDS, RollAborted, RollInitiator
from qorridor.run.roll_responder import RollResponder
from tests.properties.test_roll_over import TERMS, Fate, Rows
from tests.support.world import Entropy

FIELDS = {
    "STATUS": ("journal",), "PREPARE": PREPARE_FIELDS, "CONFIRM": ("epoch", "nonce", "ct", "dh"), "COMMIT": ("epoch",),
    "INSTALLED": ("epoch",), "DONE": ("epoch",), "ACK": ("epoch",), "ABORT": ("epoch", "cause"),
    "STATE": ("record", "public"),
}  # fmt: skip
GOOD = {
    "epoch": 1, "suites": [str(TERMS.suite)], "suite": str(TERMS.suite), "mode": "hybrid", "policy_id": TERMS.policy_id,
    "policy_digest": TERMS.policy_digest, "key_ids": [bytes(16)], "path": list(TERMS.path), "nonce": bytes(32),
    "ek": bytes(1184), "dh": b"\t" + bytes(31), "tunnel": [TERMS.tunnel, "tls-psk"], "state_seq": 0,
    "journal": 0, "ct": bytes(1088), "cause": "restart", "record": b"", "public": b"",
}  # fmt: skip
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.binary(max_size=40)
    | st.text(max_size=8)
)
values = scalars | st.lists(scalars, max_size=3) | st.dictionaries(st.integers(0, 9), scalars, max_size=2)


class Idle:
    """An encryptor that runs nothing."""

    async def probe(self, epoch):
        return InUse(None, "nothing runs")

    async def running(self):
        return None

    async def nothing(self, *_):
        return None

    prepare = commit = rollback = retire = kill = nothing


def responder():
    async def collect(_key_ids, rows):
        await store.write(rows)
        return []

    store = Rows(Fate(None, 0.0))
    store.fate.step = Idle().nothing
    made = RollResponder(
        TERMS, store, Idle(), HybridKeyExchange(), collect, lambda: (Mode.HYBRID, 0), Entropy()
    )
    return made, store


@st.composite
def messages(draw):
    """A message with some of its fields replaced by anything."""
    kind = draw(st.sampled_from(sorted(FIELDS)))
    body = {name: GOOD[name] for name in FIELDS[kind]}
    body |= draw(st.dictionaries(st.sampled_from(sorted(body)), values, max_size=2))
    body |= draw(st.dictionaries(st.text(max_size=4), scalars, max_size=1))
    return roll_frames.frame(kind, draw(st.sampled_from([b"", bytes(48)])), **body)


@settings(max_examples=400, deadline=None)
@given(st.lists(messages(), min_size=1, max_size=4))
def test_a_responder_answers_or_refuses_every_message_and_never_crashes(told):
    made, store = responder()

    async def main():
        for message in told:
            try:
                answer = await made.answer(message, "X25519MLKEM768")
            except ValueError:
                continue
            assert roll_frames.read_frame(answer.encode()) == answer
            assert answer.kind not in {"INSTALLED", "ACK"} or message.kind == "ABORT", "nothing was agreed"

    asyncio.run(main())
    assert all(phase in {"derived", "aborted"} for _, phase, _ in store.kept.values())


@settings(max_examples=200, deadline=None)
@given(messages())
def test_an_initiator_gives_an_epoch_up_whatever_it_is_answered(answer):
    store = Rows(Fate(None, 0.0))
    store.fate.step = Idle().nothing

    async def control(_message):
        return answer

    async def supply():
        return []

    made = RollInitiator(TERMS, store, Idle(), HybridKeyExchange(), control, lambda: "g", Entropy())
    with pytest.raises(RollAborted):
        asyncio.run(made.roll(1, Mode.PQC_ONLY, 0, supply))
    assert store.kept[1][1] == "aborted"


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=80) | st.lists(values, max_size=4).map(cbor.encode))
def test_random_bytes_are_a_message_or_a_value_error(data):
    try:
        message = roll_frames.read_frame(data)
    except ValueError:
        return
    assert message.encode() == data


def test_a_message_beyond_the_limit_is_refused():
    large = roll_frames.frame("STATE", record=bytes(roll_frames.LIMIT), public=b"")
    with pytest.raises(ValueError, match="too large"):
        roll_frames.read_frame(large.encode())


def test_the_transcript_depends_on_every_byte_of_both_bodies_and_on_where_they_part():
    prepare, confirm = roll_frames.Frame("PREPARE", b"ab"), roll_frames.Frame("CONFIRM", b"c")
    other = roll_frames.transcript(roll_frames.Frame("PREPARE", b"a"), roll_frames.Frame("CONFIRM", b"bc"))
    assert roll_frames.transcript(prepare, confirm) != other
    with_mac = roll_frames.Frame("CONFIRM", b"c", bytes(48))
    assert roll_frames.transcript(prepare, confirm) == roll_frames.transcript(prepare, with_mac)
