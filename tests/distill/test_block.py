"""Short blocks, step by step: what ends them, and what they say then."""

import json

import numpy as np
import pytest

from qorridor.base.canonical import canonical_json
from qorridor.base.errors import LinkError
from qorridor.distill import block as blocks
from qorridor.distill import channel as channels
from qorridor.distill.aborts import BlockAbort
from qorridor.distill.block import Block
from qorridor.distill.channel import Collect, Recall, Recalled, Receive, Received, Send
from qorridor.distill.codec import Kind
from qorridor.distill.party import receiver, transmitter
from qorridor.distill.record import recompute_length
from tests.distill.lab import DOWN, SETTINGS, Line, with_settings


def test_a_short_block_ends_with_equal_keys_and_records_at_both_ends():
    line = Line()
    left, right = line.block()
    assert left.key == right.key is not None
    own = {"double_clicks", "started", "ended", "stage_seconds", "messages"}
    assert {name for name in left.record if left.record[name] != right.record[name]} <= own
    assert json.loads(canonical_json(left.record)) == left.record
    assert recompute_length(left.record) == left.record["l"] > 1000
    assert line.ends[0].auth.state == line.ends[1].auth.state


def test_a_block_of_fixed_length_yields_that_or_nothing():
    left, right = Line(settings=with_settings(l_fixed=400, leak_cap=1_500)).block()
    assert left.key == right.key is not None
    assert (left.record["l"], left.record["leak_charged"], recompute_length(left.record)) == (400, 1_500, 400)
    assert left.record["violated"] == []


@pytest.mark.parametrize(
    ("l_fixed", "leak_cap", "why"),
    [(4_000, 1_500, "4000 are due"), (1_600, 1_500, "1600 are due"), (100, 300, "exceed the cap")],
)
def test_what_a_fixed_length_asks_in_vain_ends_the_block_without_key(l_fixed, leak_cap, why):
    """Before anything is reconciled, after it, and where it has disclosed more than the cap."""
    left, right = Line(settings=with_settings(l_fixed=l_fixed, leak_cap=leak_cap)).block()
    assert (left.cause, left.key, right.key) == ("no-key", None, None)
    assert why in left.record["abort_text"]


@pytest.mark.parametrize(
    "changes", [{"n_key": 999}, {"n_key": 10**8 + 1}, {"key_basis": 0.0}, {"key_basis": 1.0}, {"l_fixed": 5},
                {"leak_cap": 5}],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(changes):
    with pytest.raises(ValueError):
        with_settings(**changes)


def test_a_block_too_long_for_its_verification_tag_yields_no_key(monkeypatch):
    monkeypatch.setattr(blocks, "collision_bound", lambda size: 1e-3)
    left, right = Line().block()
    assert (left.cause, right.cause) == ("verification-failed", "verification-failed")
    assert "tag" in left.record["abort_text"]


def test_a_block_that_has_counted_nothing_has_no_length():
    with pytest.raises(BlockAbort) as aborted:
        Block(Line().ends[0], DOWN).length()
    assert aborted.value.code == "Q-LINK-013"


def ended(steps):
    """Go on until the party is done: nothing answers any more."""
    try:
        while True:
            steps.send(None)
    except StopIteration as stop:
        return stop.value


def test_a_connection_that_is_lost_at_once_aborts_either_end():
    line = Line()
    steps = transmitter(line.ends[0])
    assert isinstance(next(steps), Send)
    assert isinstance(steps.send(None), Receive)
    farewell = steps.throw(LinkError("Q-LINK-099", "gone", "wait"))
    assert farewell.message[1] == Kind.ABORT
    left = ended(steps)
    assert (left.cause, left.record["abort_text"], left.key) == ("protocol", "gone", None)
    steps = receiver(line.ends[1])
    assert isinstance(next(steps), Receive)
    assert isinstance(steps.throw(LinkError("Q-LINK-099", "gone", "wait")), Send)
    assert ended(steps).cause == "protocol"


def talked(line, answer):
    """Run both real parties on a still line; `answer(step)` may replace what a module says."""
    steps, waiting = [transmitter(line.ends[0]), receiver(line.ends[1])], [None, None]
    wires, outcomes = [[], []], [None, None]
    while None in outcomes:
        moved = False
        for me in (0, 1):
            while outcomes[me] is None:
                step = waiting[me]
                if isinstance(step, Receive) and not wires[me]:
                    break
                moved = True
                try:
                    waiting[me] = steps[me].send(reply(line, step, wires, me, answer))
                except StopIteration as stop:
                    outcomes[me] = stop.value
        assert moved, "both ends wait"
    return outcomes


def reply(line, step, wires, me, answer):
    said = answer(step)
    if said is not None:
        return said
    match step:
        case Send(message):
            wires[1 - me].append(message)
        case Receive():
            return wires[me].pop(0)
        case Collect(count):
            return line.module.collect(count)
        case Recall(slots):
            return line.module.recall(slots)
    return None


def empty():
    return np.empty(0, np.uint8)


SAID = {
    "the transmitter's module says nothing": (Recall, lambda _: b"?", "gave no answer", 0),
    "it says too little": (Recall, lambda _: Recalled(empty(), empty(), empty()), "gave no answer", 0),
    "the receiver's module says nothing": (Collect, lambda _: b"?", "gave no detections", 1),
    "it has too few detections": (
        Collect, lambda _: Received(np.empty(0, np.int64), empty(), empty()), "gave no detections", 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", SAID)
def test_a_module_that_does_not_answer_as_it_should_ends_the_block(what):
    kind, said, text, end = SAID[what]
    outcomes = talked(Line(), lambda step: said(step) if isinstance(step, kind) else None)
    assert text in outcomes[end].record["abort_text"]
    assert outcomes[0].key is outcomes[1].key is None


def test_a_block_of_which_too_little_matches_is_given_up_at_both_ends():
    """The transmitter says that it sent everything in another basis."""
    line = Line()

    def answer(step):
        if not isinstance(step, Recall):
            return None
        sent = line.module.sent(step.slots)
        return Recalled(sent.intensities, sent.bases + np.uint8(2), sent.bits)

    left, right = talked(line, answer)
    texts = [left.record["abort_text"], right.record["abort_text"]]
    assert any("0 detections match" in text for text in texts)
    assert left.key is right.key is None
    assert {left.cause, right.cause} <= {"no-key", "peer-aborted"}


def test_nothing_is_told_of_a_slot_before_all_of_the_block_are_announced(monkeypatch):
    """In however many parts: what is told while light is still on its way could steer it."""
    monkeypatch.setattr(blocks, "_AT_ONCE", 5_000)
    line = Line()
    left, right = line.block()
    assert left.key == right.key is not None
    kinds = [Kind(message[1]) for _, message in line.messages]
    assert kinds.count(Kind.DETECTIONS) == kinds.count(Kind.SIFT) == len(SETTINGS.parts()) > 2
    last = max(at for at, kind in enumerate(kinds) if kind == Kind.DETECTIONS)
    assert last < kinds.index(Kind.SIFT)


@pytest.mark.parametrize("after", [Kind.DETECTIONS, Kind.SIFT])
def test_a_slot_that_was_announced_in_a_block_given_up_is_never_answered_again(after):
    """Whoever made the first block fail may know its bases."""
    line = Line()
    drop = lambda _number, to, message: [] if message[1] == after else [(to, message)]
    left, right = line.block(drop)
    assert left.key is right.key is None
    assert line.ends[0].last_slot == (line.module.slot if after == Kind.SIFT else -1)
    line.meet()
    line.module.slot = 0  # the same slots once more
    left, right = line.block()
    if after == Kind.SIFT:
        assert left.key is right.key is None
        assert "announced twice" in left.record["abort_text"]


def test_what_is_too_long_for_a_message_or_none_is_not_looked_at(monkeypatch):
    monkeypatch.setattr(channels, "MESSAGE_MOST", 10)
    for message in (bytes(11), None):
        steps = receiver(Line().ends[1])
        next(steps)
        assert isinstance(steps.send(message), Send)
        assert "no message" in ended(steps).record["abort_text"]
