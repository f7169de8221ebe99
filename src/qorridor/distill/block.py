"""One block at one end: its settings, its state, and what it becomes when it ends."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from qorridor.base import cbor
from qorridor.base.secret import Secret
from qorridor.distill import record
from qorridor.distill.aborts import BlockAbort, Cause
from qorridor.distill.amplification import amplify
from qorridor.distill.authentication import Authenticator, forgery_bound
from qorridor.distill.bits import Bits, pack, unpack
from qorridor.distill.channel import Channel, Steps
from qorridor.distill.codec import Direction, Names, join, split
from qorridor.distill.finite_key import Bound, Counts, Security, Source, entropy, key_length
from qorridor.distill.reconciliation import CASCADE, LDPC, Agreement, Reconciliation, choose, start_message
from qorridor.distill.sifting import Sifted
from qorridor.distill.verification import TAG_BITS, collision_bound

_AT_ONCE = 4_000_000
_HOPELESS = 0.9  # a block is given up before reconciliation if even this share of n h(q) is too much


class Entropy(Protocol):
    """Fresh random bytes; ports.world.Entropy fits."""

    def draw(self, size: int) -> bytes:
        """`size` bytes."""
        ...


class Clock(Protocol):
    """Time for records; ports.world.Clock fits."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        ...


@dataclass(frozen=True, slots=True)
class Settings:
    """What both ends of a link must have alike; OPEN carries it and the receiver compares.

    n_key detections of the key basis make a block (10^3..10^8); key_basis is its probability at either
    end; start_qber 0..0.25 is used until a block was corrected. `l_fixed` with `leak_cap` (bits)
    switches to fixed-length mode. `engine` is the way of reconciling that these two were made for.
    """

    names: Names
    source: Source
    security: Security = field(default_factory=Security)
    n_key: int = 1_000_000
    key_basis: float = 0.6
    start_qber: float = 0.015
    simulated: bool = True
    l_fixed: int | None = None
    leak_cap: int | None = None
    engine: str = CASCADE

    def __post_init__(self) -> None:
        if not 1_000 <= self.n_key <= 100_000_000 or not 0 < self.key_basis < 1:
            raise ValueError("n_key is 10^3..10^8 and key_basis lies between 0 and 1")
        if (self.l_fixed is None) != (self.leak_cap is None):
            raise ValueError("fixed-length mode needs both l_fixed and leak_cap")
        if self.engine not in {CASCADE, LDPC}:
            raise ValueError(f"no engine of reconciliation is called {self.engine!r}")

    def encode(self) -> bytes:
        """Deterministic bytes of every setting."""
        return cbor.encode([
            self.names.link, self.names.transmitter, self.names.receiver, self.n_key,
            repr(self.key_basis), repr(self.start_qber), self.simulated, self.l_fixed, self.leak_cap,
            [repr(value) for value in (*self.source.intensities, *self.source.probabilities)],
            repr(self.security.eps_sec), repr(self.security.eps_cor), self.security.proof,
            self.security.leak_rule, self.engine,
        ])  # fmt: skip

    def parts(self) -> list[int]:
        """Detections that the receiver announces for one block, in parts that modules can remember.

        Fixed beforehand, and all announced before any basis is told: a block that went on until enough have
        matched would tell which pulses are for testing while light is still on its way (Pfister et al.,
        arXiv 1506.07502). One per cent and six standard deviations more than match on average.
        """
        share = self.key_basis**2
        spread = 6 * math.sqrt(1 - share)
        root = (spread + math.sqrt(spread**2 + 4 * 1.01 * self.n_key)) / 2
        whole = math.ceil(root**2 / share)
        count = -(-whole // _AT_ONCE)
        return [whole * (at + 1) // count - whole * at // count for at in range(count)]


@dataclass(slots=True)
class Endpoint:
    """What one end keeps from block to block."""

    settings: Settings
    auth: Authenticator
    entropy: Entropy
    clock: Clock
    sequence: int = 0
    last_slot: int = -1
    qber: float | None = None
    delay: float = 0.0
    """Seconds that a message takes one way, by the exchanges of the last block that had some."""
    software: str = "qorridor"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a block ended: `key` is present exactly if it was released; `record` is for the auditor."""

    released: bool
    block_id: bytes
    sequence: int
    key: Secret | None
    epsilon: str
    record: record.Record
    cause: str = ""


@dataclass(slots=True)
class Block:
    """State of one block; the party generators drive it from stage to stage."""

    end: Endpoint
    direction: Direction
    channel: Channel = field(init=False)
    sifted: Sifted = field(default_factory=Sifted)
    bits: Bits = field(default_factory=lambda: np.empty(0, np.uint8))
    detections: int = 0
    double_clicks: int = 0
    record: record.Record = field(default_factory=dict)
    epsilon_auth: float = 0.0
    _counts: Counts | None = None
    _bound: Bound | None = None
    _leak: tuple[int, int] = (0, 0)
    _qber: float | None = None
    _key: Bits = field(default_factory=lambda: np.empty(0, np.uint8))
    _stages: dict[str, float] = field(default_factory=dict)
    _mark: float = 0.0
    _delay: float = math.inf
    _tags: int = 0

    def __post_init__(self) -> None:
        settings = self.end.settings
        self.channel = Channel(settings.names, self.direction)
        self.sifted.kinds = len(settings.source.intensities)
        self._mark = self.end.clock.monotonic()
        self.record = {
            "schema": "qorridor/block-record/1", "link": settings.names.link,
            "simulated": settings.simulated, "started": repr(self.end.clock.now()),
            "mode": record.VARIABLE if settings.l_fixed is None else record.FIXED,
            "l_fixed": settings.l_fixed, "leak_cap": settings.leak_cap, "n_key": settings.n_key,
            "p_key": repr(settings.key_basis), "software_version": self.end.software,
            "violated": _violated(settings),
            **record.security_entries(settings.source, settings.security),
        }  # fmt: skip

    def stage(self, name: str) -> None:
        """Note the seconds since the stage before."""
        now = self.end.clock.monotonic()
        self._stages[name] = now - self._mark
        self._mark = now

    def estimate_message(self) -> bytes:
        """Payload of `estimate`: the receiver's test bits and its counts."""
        numbers = [count.to_bytes(4, "big") for basis in self.sifted.counts() for count in basis]
        return join([pack(self.sifted.test_bits), b"".join(numbers)])

    def estimate(self, message: bytes | None) -> None:
        """Count, compare with the peer's counts (`message`, at the transmitter), give up if hopeless."""
        if message is not None:
            test, _ = split(message, 2)
            self.sifted.disclose(unpack(test, len(self.sifted.test_bits)))
        n_key, n_test = self.sifted.counts()
        if message is not None and split(message, 2)[1] != split(self.estimate_message(), 2)[1]:
            raise BlockAbort(Cause.PROTOCOL, "the ends count different detections")
        self._counts = Counts(n_key, n_test, self.sifted.test_errors())
        self.bits = self.sifted.key_bits
        self.record |= record.count_entries(self._counts, None)
        self.stage("sift")
        self._require_key(self._hoped())

    def expected_qber(self) -> int:
        """Error rate for the layout of reconciliation in millionths: the exact one of the block before or this
        block's test basis, whichever is larger (too large costs little, too small many messages)."""
        before = self.end.qber if self.end.qber is not None else self.end.settings.start_qber
        return int(1e6 * min(0.25, max(0.001, before, self._test_qber())))

    def reconcile_message(self) -> bytes:
        """Payload of `reconcile`: the public seed, the error rate for the layout, the engine."""
        rate, cap = self.expected_qber(), self.end.settings.leak_cap
        room = None if cap is None else cap - TAG_BITS
        name = choose(self.end.delay, len(self.bits), rate / 1e6, room, self.end.settings.engine)
        return start_message(self.end.entropy.draw(16), rate, name)

    def reconcile(self, start: bytes) -> Steps[None]:
        """Reconciliation over the channel as `start` lays it out; corrects the receiver's bits."""
        intensities = self.sifted.key_intensities
        work = Reconciliation(self.channel, self.end.clock, self.bits, intensities, self.sifted.kinds)
        result = yield from work.run(start)
        self._delay = min(self._delay, result.delay)
        self._corrected(result)

    def timed(self, wait: Steps[bytes]) -> Steps[bytes]:
        """Wait for the answer to what was just sent: half of it is how long a message takes, at most."""
        began = self.end.clock.monotonic()
        message = yield from wait
        self._delay = min(self._delay, (self.end.clock.monotonic() - began) / 2)
        return message

    def length(self) -> int:
        """Key length of this block in bits; raises BlockAbort(no-key) for 0."""
        settings = self.end.settings
        charged = record.charge(settings.security, *self._leak, TAG_BITS)
        spare = 0 if settings.leak_cap is None else settings.leak_cap - charged
        self.record |= record.leak_entries(settings.security, *self._leak, TAG_BITS + max(0, spare))
        if spare < 0:
            raise BlockAbort(Cause.NO_KEY, f"{charged} bits of leakage exceed the cap")
        charged += spare
        bound = key_length(settings.source, self._known(), settings.security, charged)
        self._require_key(bound)
        return bound.length if settings.l_fixed is None else settings.l_fixed

    def amplify(self, seed: Bits, length: int) -> None:
        """Hash the block down to `length` bits."""
        result = amplify(seed, self.bits, length)
        self._key = result.bits
        digest = hashlib.sha256(pack(seed)).hexdigest()
        self.record |= {
            "pa_method": result.method, "pa_residual": repr(result.residual), "seed_commitment": digest,
        }  # fmt: skip
        self.stage("amplify")

    def sign(self, copies: int = 1) -> bytes:
        """Tag over everything said so far, with its index, as often as it is sent."""
        said = self.channel.transcript()
        return self.end.auth.sign(self._tagged(self.direction, said, copies), said) * copies

    def verify(self, signed: bytes, copies: int = 1) -> None:
        """Check the peer's tag, of which up to `copies` arrive, over everything before the message with it."""
        said = self.channel.transcript(without_last=True)
        self.end.auth.verify(self._tagged(self.channel.theirs, said, copies), signed, copies, said)

    def released(self) -> Outcome:
        """The end of a good block: refill the authentication pool, then hand over the rest."""
        whole = Secret(np.packbits(self._key[: len(self._key) // 8 * 8]).tobytes())
        taken = self.end.auth.wanted(len(whole))
        with Secret(whole.reveal()[:taken]) as share:
            self.end.auth.refill(share)
        key = Secret(whole.reveal()[taken:])
        whole.wipe()
        self.record |= {"l": len(self._key), "auth_bits_refilled": 8 * taken, "net_bits": 8 * len(key)}
        self.end.qber, outcome = self._qber, self._finish("RELEASED", key, "")
        self.end.sequence += 1
        return outcome

    def aborted(self, abort: BlockAbort) -> Outcome:
        """The end of a bad block: nothing of it remains but the counts."""
        self.record |= {"l": 0, "net_bits": -128 * self._tags, "abort_text": abort.cause}
        return self._finish("ABORTED", None, abort.reason.value)

    def _finish(self, state: str, key: Secret | None, cause: str) -> Outcome:
        security = self.end.settings.security
        epsilon = repr(security.eps_sec + security.eps_cor + self.epsilon_auth)
        if self._bound is not None:
            self.record |= {k: v for k, v in record.bound_entries(self._bound).items() if k != "l"}
        transcript = self.channel.transcript()
        block_id, sequence = self.channel.block
        self.record |= {
            "block_id": block_id.hex(), "sequence": sequence, "state": state, "abort_cause": cause,
            "detections": self.detections, "double_clicks": self.double_clicks,
            "qber_key": None if self._qber is None else repr(self._qber),
            "eps_auth": repr(self.epsilon_auth), "epsilon": epsilon,
            "auth_bits_spent": 128 * self._tags, "auth_tags_left": self.end.auth.left,
            "messages": self.channel.messages, "bytes_classical": len(transcript),
            "transcript_hash": hashlib.sha256(transcript).hexdigest(), "verify_tag_bits": TAG_BITS,
            "stage_seconds": {name: repr(round(value, 6)) for name, value in self._stages.items()},
            "ended": repr(self.end.clock.now()),
        }  # fmt: skip
        self.end.delay = self._delay if self._delay < math.inf else self.end.delay
        self._forget()
        return Outcome(key is not None, block_id, sequence, key, epsilon, self.record, cause)

    def _forget(self) -> None:
        self.sifted.wipe()
        self.bits[:] = 0
        self._key[:] = 0

    def _corrected(self, result: Agreement) -> None:
        if self.direction == Direction.TO_TRANSMITTER:
            self.bits[result.errors] ^= 1
        self._leak, wrong, size = (result.alice, result.bob), sum(result.wrong), len(self.bits)
        self._qber = wrong / size
        self._counts = replace(self._known(), m_key=result.wrong)
        self.record |= record.count_entries(self._known(), result.wrong)
        self.record |= {
            **result.entries,
            "f_ec": repr(round(record.efficiency(result.alice, wrong, size), 6)),
        }
        if collision_bound(len(self.bits)) > self.end.settings.security.eps_cor:
            raise BlockAbort(Cause.VERIFICATION, "the block is too long for its verification tag")
        self.stage("reconcile")

    def _hoped(self) -> Bound:
        """The bound before reconciliation, as good as it can still become: little disclosed, and where the proof
        counts errors of the key basis, none of them."""
        settings, counts = self.end.settings, self._known()
        ways = 1 if settings.engine == LDPC else 2
        least = int(_HOPELESS * ways * settings.n_key * entropy(self._test_qber()))
        hoped = replace(counts, m_key=(0,) * self.sifted.kinds)
        return key_length(settings.source, hoped, settings.security, least)

    def _require_key(self, bound: Bound) -> None:
        self._bound = bound
        if bound.length <= 0:
            raise BlockAbort(Cause.NO_KEY, bound.cause)
        wanted = self.end.settings.l_fixed
        if wanted is not None and bound.length < wanted:
            raise BlockAbort(Cause.NO_KEY, f"{bound.length} bits are proven, {wanted} are due")

    def _test_qber(self) -> float:
        counts = self._known()
        return sum(counts.m_test) / max(1.0, sum(counts.n_test))

    def _known(self) -> Counts:
        if self._counts is None:
            raise BlockAbort(Cause.PROTOCOL, "the block has no counts yet")
        return self._counts

    def _tagged(self, direction: Direction, transcript: memoryview, copies: int) -> bytes:
        """What a tag covers before the transcript itself: which block of which link, and who says it."""
        sender, receiver = self.end.settings.names.pair(direction)
        block_id, sequence = self.channel.block
        head = b"".join([
            sequence.to_bytes(8, "big"), block_id, bytes([direction]),
            join([sender.encode(), receiver.encode()]), len(transcript).to_bytes(8, "big"),
        ])  # fmt: skip
        self._tags += 1
        self.epsilon_auth += copies * forgery_bound(len(head) + len(transcript))
        return head


def _violated(settings: Settings) -> list[record.Json]:
    """What the proof assumes and this block does not meet."""
    if settings.l_fixed is not None:
        return []
    return ["fixed length: l is computed from the observed counts (variable-length)"]
