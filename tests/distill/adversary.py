"""An adversary on the classical channel, or at one end of it, and what must hold whatever it does.

    adversary.run(seed) -> Report     one random schedule: three blocks over a short line, the second attacked

The first block is quiet (its messages are what may be replayed), the second meets one to three attacks or lies, the
third is quiet again over a new connection and must yield key. `run` raises AssertionError with the schedule when
a rule below is broken; any exception of a party comes through as it is. Another number of schedules is another
range of seeds: `for seed in range(10_000): adversary.run(seed)` takes some ten minutes.

Rules
    both ends come to an end, without any exception but the abort path
    the transmitter has no key that the receiver has not, and where both have one it is the same
    the receiver is alone with a key only where its last message (DONE) did not arrive as the last one, or lied
    an aborted block says ABORTED and why, has length 0, and forgets its bits
    no one-time value makes two tags, and each that was used is burnt at both ends when they meet again
    no record holds secret bits: of the raw keys, of the key, of the authentication pool
    no key is released twice
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from qorridor.base.canonical import canonical_json
from qorridor.distill.aborts import Cause
from qorridor.distill.block import Outcome
from qorridor.distill.codec import MESSAGE_MOST, Direction, Kind, join, split
from tests.distill.lab import FAR, NAMES, UP, Lie, Line, Tamper, with_settings

HEADER = 3 + 16 + 8 + 4 + 3 + len(NAMES.link) + len(NAMES.transmitter) + len(NAMES.receiver)
SINGLE = [
    Kind.OPEN, Kind.DETECTIONS, Kind.SIFT, Kind.ESTIMATE, Kind.RECONCILE, Kind.VERIFY, Kind.VERDICT, Kind.AMPLIFY,
    Kind.AUTH, Kind.COMMIT, Kind.DONE,
]  # fmt: skip
NEAR_KINDS, FAR_KINDS = [*SINGLE, Kind.PARITY], [*SINGLE, Kind.SYNDROME, Kind.FRAMES]
Rng = np.random.Generator


@dataclass
class Scene:
    """What an attack may use: the channel so far, the messages of the block before, chance."""

    rng: Rng
    before: list[tuple[Direction, bytes]]
    line: Line
    held: list[tuple[Direction, bytes]] = field(default_factory=list)


_BEFORE_SEED = 30
"""Bytes of AMPLIFY before the seed. An end that uses another seed than it names spoils its own key alone, and nobody
can tell: the keys are compared before they are hashed."""
Arriving = list[tuple[Direction, bytes]]
Attack = Callable[[Scene, Direction, bytes], Arriving]


def _instead(change: Callable[[Scene, bytes], bytes]) -> Attack:
    return lambda scene, direction, message: [(direction, change(scene, message))]


def _flip(scene: Scene, message: bytes) -> bytes:
    changed = bytearray(message)
    changed[int(scene.rng.integers(len(message)))] ^= 1 << int(scene.rng.integers(8))
    return bytes(changed)


def _flip_payload(scene: Scene, message: bytes) -> bytes:
    changed = bytearray(message)
    changed[int(scene.rng.integers(min(HEADER + 4, len(message) - 1), len(message)))] ^= 1 << int(
        scene.rng.integers(8)
    )
    return bytes(changed)


def with_payload(message: bytes, payload: bytes) -> bytes:
    """A message with the header of another."""
    return message[:HEADER] + len(payload).to_bytes(4, "big") + payload


def _forge(scene: Scene, message: bytes) -> bytes:
    """A right header, and parts of any length behind it: some as long as those that were there."""
    rng = scene.rng
    try:
        real = next(parts for count in range(1, 5) if (parts := _parts(message, count)))
    except StopIteration:
        real = [message[HEADER + 4 :]]
    lengths = [len(part) if rng.random() < 0.6 else int(rng.choice([0, 1, 3, 5, 24, 400])) for part in real]
    made = [part if rng.random() < 0.4 and len(part) == size else rng.bytes(size)
            for part, size in zip(real, lengths, strict=True)]  # fmt: skip
    return with_payload(message, join(made))


def _parts(message: bytes, count: int) -> list[bytes]:
    try:
        return split(message[HEADER + 4 :], count)
    except Exception:
        return []


def _cut(scene: Scene, message: bytes) -> bytes:
    return message[: int(scene.rng.integers(1, len(message)))]


def _replay(scene: Scene, direction: Direction, message: bytes) -> Arriving:
    """An earlier message of this block that went the same way, in place of this one."""
    earlier = [one for one in scene.line.messages[:-1] if one[0] == direction]
    return [earlier[int(scene.rng.integers(len(earlier)))]] if earlier else []


def _from_before(scene: Scene, direction: Direction, message: bytes) -> Arriving:
    """The like message of the block before, with its own header."""
    return [one for one in scene.before if one[0] == direction and one[1][1] == message[1]][:1]


def _payload_from_before(scene: Scene, direction: Direction, message: bytes) -> Arriving:
    """The payload of the like message of the block before, behind the right header."""
    found = _from_before(scene, direction, message)
    return [(direction, with_payload(message, one[HEADER + 4 :])) for _, one in found]


def _hold(scene: Scene, direction: Direction, message: bytes) -> Arriving:
    """Keep the message back until the next of this way has gone."""
    scene.held.append((direction, message))
    return []


ATTACKS: dict[str, Attack] = {
    "flip": _instead(_flip),
    "flip in payload": _instead(_flip_payload),
    "truncate": _instead(_cut),
    "extend": _instead(lambda scene, message: message + scene.rng.bytes(int(scene.rng.integers(1, 60)))),
    "oversize": _instead(lambda _, message: message + bytes(MESSAGE_MOST)),
    "replay": _replay,
    "from before": _from_before,
    "payload from before": _payload_from_before,
    "swap": _hold,
    "reflect": lambda _, direction, message: [(Direction(1 - direction), message)],
    "twice": lambda _, direction, message: [(direction, message)] * 2,
    "empty": _instead(lambda _, __: b""),
    "random": _instead(lambda scene, message: scene.rng.bytes(len(message))),
    "forge": _instead(_forge),
    "many tags": _instead(lambda _, message: with_payload(message, message[HEADER + 4 :] * 4)),
    "abort": _instead(lambda scene, message: message[:1] + bytes([Kind.ABORT]) + message[2:]),
    "drop": lambda *_: [],
}


@dataclass
class Strike:
    """An attack on the `occurrence`-th message of a kind."""

    kind: Kind
    attack: str
    occurrence: int = 0


@dataclass
class Lies:
    """The `occurrence`-th payload of a kind that an end says is changed; its tags cover what it said."""

    end: int
    kind: Kind
    change: Callable[[bytes], bytes]
    occurrence: int = 0
    name: str = "lie"
    again: bool = False
    """Whether every later one is changed too."""

    def told(self) -> Lie:
        seen = 0

        def lie(kind: Kind, payload: bytes) -> bytes:
            nonlocal seen
            if kind != self.kind:
                return payload
            seen += 1
            due = seen > self.occurrence if self.again else seen == self.occurrence + 1
            return self.change(payload) if due else payload

        return lie


@dataclass
class Report:
    """What a schedule came to: the outcomes of the attacked block (transmitter, receiver) and of the next."""

    schedule: str
    outcomes: list[Outcome]
    after: list[Outcome]
    struck: int


def attacked(line: Line, strikes: list[Strike], lies: list[Lies], rng: Rng) -> tuple[list[Outcome], int]:
    """One attacked block, judged; returns its outcomes and how many messages were struck."""
    scene, struck, seen = Scene(rng, list(line.messages), line), [], dict[int, int]()
    used = [end.auth.state for end in line.ends]
    sent, arrived = list[bytes](), list[bytes]()

    def tamper(_: int, direction: Direction, message: bytes) -> Arriving:
        kind = message[1]
        seen[kind] = seen.get(kind, 0) + 1
        released = [one for one in scene.held if one[0] == direction]
        scene.held = [one for one in scene.held if one[0] != direction]
        due = [one for one in strikes if (one.kind, one.occurrence) == (kind, seen[kind] - 1)]
        arriving: Arriving = [(direction, message)]
        if due:
            struck.append(kind)
            arriving = ATTACKS[due[0].attack](scene, direction, message)
        if direction == UP:
            sent.append(message)
        arrived.extend(one for to, one in arriving + released if to == UP)
        return arriving + released

    told = [next((one.told() for one in lies if one.end == end), None) for end in (0, 1)]
    blocks_tamper: Tamper = tamper
    outcomes = line.block(blocks_tamper, (told[0], told[1]))
    lied = any((one.end, one.kind) == (1, Kind.DONE) for one in lies)
    judge(line, outcomes, alone=lied or arrived[: len(sent)] != sent)
    _judge_burning(line, used)
    return outcomes, len(struck)


def judge(line: Line, outcomes: list[Outcome], *, alone: bool) -> None:
    """The rules of the module's head for one block; `alone` where the receiver may be left with a key."""
    left, right = outcomes
    assert not left.released or right.released, "the transmitter is alone with a key"
    assert left.released or not right.released or alone, "the receiver is alone with a key"
    if left.released:
        assert left.key == right.key, "the keys differ"
    for outcome, block in zip(outcomes, line.blocks, strict=True):
        _judge_record(line, outcome)
        assert not block.bits.any(), "bits of the block remain"
        assert not block._key.any(), "bits of the key remain"
        assert not block.sifted.key_bits.any(), "sifted bits remain"


def _judge_record(line: Line, outcome: Outcome) -> None:
    record = outcome.record
    text = canonical_json(record).decode()
    assert (record["state"] == "RELEASED") == outcome.released == (outcome.key is not None)
    if not outcome.released:
        assert record["state"] == "ABORTED"
        assert record["abort_cause"] == outcome.cause
        assert outcome.cause in set(Cause)
        assert record["abort_text"]
        assert record["l"] == 0
    secrets = [line.raw, line.pool, b"" if outcome.key is None else bytes(outcome.key.reveal())]
    for found in re.findall(r"[0-9a-f]{16,}", text):
        data = bytes.fromhex(found[: len(found) // 2 * 2])
        windows = [data[at : at + 8] for at in range(len(data) - 7)]
        assert not any(window in secret for window in windows for secret in secrets), (
            "a record tells a secret"
        )


def _judge_burning(line: Line, before: list[tuple[int, int, int]]) -> None:
    """Each value that made a tag is behind the index of its end; no index is handed out twice."""
    notes = [(use.end, use.lane, use.index) for use in line.persisted]
    assert len(set(notes)) == len(notes), "a one-time value was used twice"
    for end, old in zip(line.ends, before, strict=True):
        assert all(new >= was for new, was in zip(end.auth.state[1:], old[1:], strict=True)), (
            "an index went back"
        )
    signed = [(use.end, use.index) for use in line.signed]
    assert len(set(signed)) == len(signed), "a one-time value made two tags"
    for at, role in enumerate(("transmitter", "receiver")):
        used = [index for end, index in signed if end == role]
        assert all(index < line.ends[at].auth.state[1 + at] for index in used), (
            "a value that made a tag is left"
        )


def run(seed: int) -> Report:
    """The random schedule of this number; see the head of this module."""
    rng = np.random.Generator(np.random.Philox(seed))
    far = rng.random() < 0.15
    fixed = {"l_fixed": int(rng.choice([200, 300])), "leak_cap": 1_500} if rng.random() < 0.2 else {}
    line = Line(seed=int(rng.integers(1, 10**6)), settings=with_settings(**fixed), delay=FAR if far else 0.0)
    kinds = FAR_KINDS if far else NEAR_KINDS
    strikes = [_strike(rng, kinds) for _ in range(int(rng.integers(1, 4)))]
    lies = [_lies(rng, kinds)] if rng.random() < 0.25 else []
    if lies and rng.random() < 0.7:
        strikes = []
    told = f"seed {seed}: {'far' if far else 'near'} {fixed} {strikes} {lies}"
    try:
        first = line.block()
        judge(line, first, alone=False)
        if rng.random() < 0.1:
            line.module.qber = 0.15
        outcomes, struck = attacked(line, strikes, lies, rng)
        line.module.qber = line.qber
        line.meet()
        assert line.ends[0].auth.state[1:] == line.ends[1].auth.state[1:], "the ends burnt different values"
        after = line.block()
        judge(line, after, alone=False)
        assert after[0].released, f"the next block yields nothing: {after[0].record.get('abort_text')}"
        keys = [bytes(o[1].key.reveal()) for o in (first, outcomes, after) if o[1].key]
        assert len(set(keys)) == len(keys), "a key was released twice"
    except AssertionError as error:
        error.add_note(told)
        raise
    except Exception as error:
        error.add_note(told)
        raise
    return Report(told, outcomes, after, struck)


def _strike(rng: Rng, kinds: list[Kind]) -> Strike:
    kind = kinds[int(rng.integers(len(kinds)))]
    most = {Kind.PARITY: 60, Kind.AUTH: 2, Kind.SYNDROME: 2, Kind.FRAMES: 2}.get(kind, 1)
    attacks = [name for name in ATTACKS if name != "oversize" or rng.random() < 0.1]
    return Strike(kind, attacks[int(rng.integers(len(attacks)))], int(rng.integers(most)))


def _lies(rng: Rng, kinds: list[Kind]) -> Lies:
    """An end that says something else than it should, one to some bytes of it, once or always."""
    said = {0: {Kind.OPEN, Kind.SIFT, Kind.RECONCILE, Kind.PARITY, Kind.VERIFY, Kind.AMPLIFY, Kind.SYNDROME, Kind.AUTH,
                Kind.COMMIT},
            1: {Kind.DETECTIONS, Kind.ESTIMATE, Kind.PARITY, Kind.VERDICT, Kind.FRAMES, Kind.AUTH, Kind.DONE}}  # fmt: skip
    end = int(rng.integers(2))
    mine = [kind for kind in kinds if kind in said[end]]
    kind = Kind.PARITY if Kind.PARITY in mine and rng.random() < 0.5 else mine[int(rng.integers(len(mine)))]

    def change(payload: bytes) -> bytes:
        out = bytearray(payload)
        most = _BEFORE_SEED if kind == Kind.AMPLIFY else len(out)
        for _ in range(int(rng.integers(1, 5))):
            out[int(rng.integers(most))] ^= 1 << int(rng.integers(8))
        return bytes(out)

    return Lies(
        end, kind, change, int(rng.integers(30)) if kind == Kind.PARITY else 0, again=bool(rng.random() < 0.4)
    )
