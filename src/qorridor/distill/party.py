"""The two parties of one block, as generators of steps.

    transmitter                      receiver
    OPEN ------------------------->            block id, settings
         <------------------------- DETECTIONS slots and bases, of a fixed number of detections
    SIFT ------------------------->            match, intensity, test bits, once all are announced
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
    SiftReply,
    click_bits,
    receiver_sift,
    transmitter_sift,
)
from qorridor.distill.verification import block_tag, equal_tags

COPIES = 3


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
    yield from _sift_at_transmitter(block)
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
    yield from _sift_at_receiver(block)
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


def _sift_at_transmitter(block: Block) -> Steps[None]:
    heard = []
    for size in block.end.settings.parts():
        message = yield from block.channel.receive(Kind.DETECTIONS)
        said = Announcement.decode(message, block.end.last_slot, size)
        sent = yield Recall(said.slots)
        if not isinstance(sent, Recalled) or len(sent.bits) != size:
            raise BlockAbort(Cause.PROTOCOL, "the transmitter's module gave no answer")
        block.end.last_slot = int(
            said.slots[-1]
        )  # of the past: the module has answered. Nobody may ask again
        heard.append((said.bases, sent))
        block.detections += size
    for bases, sent in heard:
        yield from block.channel.send(Kind.SIFT, transmitter_sift(block.sifted, bases, sent).encode())
    _cut(block)


def _sift_at_receiver(block: Block) -> Steps[None]:
    seen = []
    for size in block.end.settings.parts():
        mine = yield Collect(size)
        if not isinstance(mine, Received) or len(mine.slots) != size:
            raise BlockAbort(Cause.PROTOCOL, "the receiver's module gave no detections")
        bits, double = click_bits(mine.clicks, block.end.entropy.draw)
        block.double_clicks += double
        block.detections += size
        yield from block.channel.send(Kind.DETECTIONS, Announcement(mine.slots, mine.bases).encode())
        seen.append((mine.bases, bits))
    for bases, bits in seen:
        reply = SiftReply.decode((yield from block.channel.receive(Kind.SIFT)), bases, block.sifted.kinds)
        receiver_sift(block.sifted, bases, bits, reply)
    _cut(block)


def _cut(block: Block) -> None:
    """A block has exactly the number of key detections that its length was computed for."""
    wanted = block.end.settings.n_key
    if block.sifted.key_count < wanted:
        raise BlockAbort(
            Cause.NO_KEY, f"{block.sifted.key_count} detections match in the key basis, {wanted} are due"
        )
    block.sifted.cut(wanted)


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
