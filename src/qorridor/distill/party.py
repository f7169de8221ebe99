"""The two parties of one block, as generators of steps.

    transmitter                      receiver
    OPEN ------------------------->            block id, settings
         <------------------------- DETECTIONS slots and bases          } until n_key
    SIFT ------------------------->            match, intensity, test   } are sifted
         <------------------------- ESTIMATE   test bits, counts
    RECONCILE -------------------->            seed, error rate, engine
    PARITY <---------------------> PARITY      symmetric Cascade, or SYNDROME and FRAMES (ldpc_exchange)
    VERIFY ----------------------->            hash key, tag
         <------------------------- VERDICT
    AMPLIFY ---------------------->            length, proof, Toeplitz seed
    AUTH ------------------------->            tag over the transcript
         <------------------------- AUTH       tag over the transcript
    COMMIT ----------------------->            tag: "I hold a verified block"  -> receiver RELEASED
         <------------------------- DONE       tag, three copies              -> transmitter RELEASED

Nothing leaves before both transcript tags verified. COMMIT and DONE carry one-time tags of their own, so
that an altered message stops both ends; DONE travels in three copies, because a last message that is
lost or altered would leave one end with a key alone. If all of it is lost the transmitter discards, and
the stores of the two nodes void what only one of them holds.

Mode. Without `l_fixed` the length follows from the observed counts and the leakage that happened: that
is variable-length, the record says so, and names it among what the proof does not cover. With `l_fixed`
and `leak_cap` a block yields exactly `l_fixed` bits, charged with the cap, or none.

Key-basis detector counts stay with the receiver: the weight of its key is not the peer's to publish.
"""

from __future__ import annotations

from qorridor.base.errors import LinkError
from qorridor.distill.aborts import BlockAbort, Cause
from qorridor.distill.authentication import SIGNED
from qorridor.distill.bits import pack, random_bits, unpack
from qorridor.distill.block import Block, Endpoint, Outcome
from qorridor.distill.channel import Collect, Recall, Recalled, Received, Send, Steps
from qorridor.distill.codec import Direction, Kind, join, split
from qorridor.distill.sifting import (
    Announcement,
    Sifted,
    SiftReply,
    click_bits,
    receiver_sift,
    transmitter_sift,
)
from qorridor.distill.verification import block_tag, equal_tags

COPIES = 3
_MOST_BATCHES = 64


def transmitter(end: Endpoint) -> Steps[Outcome]:
    """One block at the transmitter's end; ends RELEASED with the key or ABORTED, and never raises for
    anything that the peer or the link does."""
    block = Block(end, Direction.TO_RECEIVER)
    return (yield from _ended(block, _transmit(block)))


def receiver(end: Endpoint) -> Steps[Outcome]:
    """One block at the receiver's end; see `transmitter`."""
    block = Block(end, Direction.TO_TRANSMITTER)
    return (yield from _ended(block, _receive(block)))


def _ended(block: Block, steps: Steps[None]) -> Steps[Outcome]:
    try:
        yield from steps
    except LinkError as error:
        abort = BlockAbort.of(error)
        yield Send(block.channel.farewell(abort.reason))
        return block.aborted(abort)
    return block.released()


def _transmit(block: Block) -> Steps[None]:
    channel, end = block.channel, block.end
    channel.block = (end.entropy.draw(16), end.sequence)
    yield from channel.send(Kind.OPEN, end.settings.encode())
    yield from _collect_at_transmitter(block)
    block.estimate((yield from channel.receive(Kind.ESTIMATE)))
    start = block.reconcile_message()
    yield from channel.send(Kind.RECONCILE, start)
    yield from block.reconcile(start)
    key = end.entropy.draw(16)
    yield from channel.send(Kind.VERIFY, join([key, block_tag(key, block.bits)]))
    if (yield from block.timed(channel.receive(Kind.VERDICT))) != b"equal":
        raise BlockAbort(Cause.VERIFICATION, "the peer holds another key after reconciliation")
    block.stage("verify")
    length = block.length()
    seed = random_bits(end.entropy.draw, len(block.bits) - 1)
    message = join([length.to_bytes(4, "big"), end.settings.security.proof.encode(), pack(seed)])
    yield from channel.send(Kind.AMPLIFY, message)
    block.amplify(seed, length)
    yield from _authenticate_transmitter(block)


def _receive(block: Block) -> Steps[None]:
    channel, end = block.channel, block.end
    if (yield from channel.accept(end.sequence)) != end.settings.encode():
        raise BlockAbort(Cause.PROTOCOL, "the ends have different settings for the link")
    yield from _collect_at_receiver(block)
    yield from channel.send(Kind.ESTIMATE, block.estimate_message())
    block.estimate(None)
    yield from block.reconcile((yield from channel.receive(Kind.RECONCILE)))
    yield from _verify(block)
    block.stage("verify")
    length, proof, seed = split((yield from channel.receive(Kind.AMPLIFY)), 3)
    wanted = block.length()
    if int.from_bytes(length, "big") != wanted or proof != end.settings.security.proof.encode():
        raise BlockAbort(Cause.PROTOCOL, "the ends compute different key lengths")
    block.amplify(unpack(seed, len(block.bits) - 1), wanted)
    yield from _authenticate_receiver(block)


def _collect_at_transmitter(block: Block) -> Steps[None]:
    sifted, wanted, last = block.sifted, block.end.settings.n_key, block.end.last_slot
    for _ in range(_MOST_BATCHES):
        said = Announcement.decode((yield from block.channel.receive(Kind.DETECTIONS)), last)
        last = int(said.slots[-1]) if len(said.slots) else last
        sent = yield Recall(said.slots)
        if not isinstance(sent, Recalled) or len(sent.bits) != len(said.slots):
            raise BlockAbort(Cause.PROTOCOL, "the transmitter's module gave no answer")
        block.detections += len(said.slots)
        reply = transmitter_sift(sifted, said, sent)
        yield from block.channel.send(Kind.SIFT, reply.encode())
        if sifted.key_count >= wanted:
            block.end.last_slot = last
            sifted.cut(wanted)
            return
    raise BlockAbort(Cause.PROTOCOL, "the receiver announces too little at a time")


def _collect_at_receiver(block: Block) -> Steps[None]:
    sifted, settings = block.sifted, block.end.settings
    for _ in range(_MOST_BATCHES):
        missing = settings.n_key - sifted.key_count
        if missing <= 0:
            sifted.cut(settings.n_key)
            return
        mine = yield Collect(settings.batch(missing))
        if not isinstance(mine, Received):
            raise BlockAbort(Cause.PROTOCOL, "the receiver's module gave no detections")
        yield from _announce(block, sifted, mine)
    raise BlockAbort(Cause.PROTOCOL, "the transmitter keeps too little of what is announced")


def _announce(block: Block, sifted: Sifted, mine: Received) -> Steps[None]:
    count = len(mine.slots)
    bits, double = click_bits(mine.clicks, block.end.entropy.draw)
    block.double_clicks += double
    block.detections += count
    yield from block.channel.send(Kind.DETECTIONS, Announcement(mine.slots, mine.bases).encode())
    answer = yield from block.channel.receive(Kind.SIFT)
    reply = SiftReply.decode(answer, mine.bases, sifted.kinds)
    receiver_sift(sifted, mine, bits, reply)


def _verify(block: Block) -> Steps[None]:
    key, tag = split((yield from block.channel.receive(Kind.VERIFY)), 2)
    if len(key) != 16 or not equal_tags(tag, block_tag(key, block.bits)):
        raise BlockAbort(Cause.VERIFICATION, "the keys differ after reconciliation")
    yield from block.channel.send(Kind.VERDICT, b"equal")


def _authenticate_transmitter(block: Block) -> Steps[None]:
    channel = block.channel
    yield from channel.send(Kind.AUTH, block.sign())
    block.verify((yield from channel.receive(Kind.AUTH)))
    yield from channel.send(Kind.COMMIT, block.sign())
    message = yield from block.timed(channel.last())
    block.verify(message[-COPIES * SIGNED :], COPIES)
    block.stage("authenticate")


def _authenticate_receiver(block: Block) -> Steps[None]:
    channel = block.channel
    block.verify((yield from channel.receive(Kind.AUTH)))
    yield from channel.send(Kind.AUTH, block.sign())
    block.verify((yield from channel.receive(Kind.COMMIT)))
    yield from channel.send(Kind.DONE, block.sign(COPIES))
    block.stage("authenticate")
