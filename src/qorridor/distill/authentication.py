"""Wegman-Carter authentication of the classical channel: Poly1305 with kept r and one-time s.

    tag_i = h_r(message) + s_i     r per direction, every s_i used once

The index of an s is handed to `persist` before the s is used, so that a crash can skip values and never
repeat one; it is burnt when sent, when verified and when a verification fails. A pool begins with an
exporter secret of TLS (computational until the first block) or a preshared one, and is refilled from
new key before any key is sold. It may be kept over a restart (`dump`, `load`); a refill that the other end
did not make is taken back (`undo`), for the values that both still have are good.
"""

from __future__ import annotations

import hmac
from collections import deque
from collections.abc import Callable, Mapping
from typing import Literal

from cryptography.hazmat.primitives.poly1305 import Poly1305

from qorridor.base import cbor
from qorridor.base.secret import Secret
from qorridor.distill.aborts import BlockAbort, Cause

TAG_BYTES = 16
SIGNED = 8 + TAG_BYTES
R_BYTES = 32  # both directions
RENEW_AFTER = 1 << 20
WINDOW = 64  # an aborted block may have burnt some indices at one end only
Role = Literal["transmitter", "receiver"]
Persist = Callable[[str, int], None]


def bootstrap_size(tags: int) -> int:
    """Bytes of the secret that starts a pool of `tags` tags in each direction."""
    return R_BYTES + 2 * TAG_BYTES * tags


class _Lane:
    """One direction: r, the unused s values, and the index of the next."""

    def __init__(self, name: str, persist: Persist) -> None:
        self.name, self._persist = name, persist
        self.r = Secret(bytes(16))
        self.values: deque[Secret] = deque()
        self.index = self.tags = 0

    def take(self, index: int) -> Secret:
        """The one-time value `index`; everything before it is burnt with it."""
        if not self.index <= index < self.index + WINDOW:
            raise BlockAbort(Cause.AUTHENTICATION, f"one-time value {index} instead of {self.index}")
        if index - self.index >= len(self.values):
            raise BlockAbort(Cause.POOL, f"the authentication pool of direction {self.name} is empty")
        self._persist(self.name, index + 1)
        self.drop_to(index)
        self.index += 1
        self.tags += 1
        return self.values.popleft()

    def skip(self, index: int) -> None:
        """Burn everything before `index`."""
        if index - self.index > len(self.values):
            raise BlockAbort(Cause.POOL, f"the authentication pool of direction {self.name} is empty")
        if index > self.index:
            self._persist(self.name, index)
        self.drop_to(index)

    def drop_to(self, index: int) -> None:
        """Forget the values before `index`, whose use is noted already."""
        while self.index < index:
            self.values.popleft().wipe()
            self.index += 1

    def tag(self, one_time: Secret, message: bytes, rest: bytes | memoryview) -> bytes:
        digest = Poly1305(bytes(self.r.reveal()) + bytes(one_time.reveal()))
        one_time.wipe()
        digest.update(message)
        digest.update(rest)
        return digest.finalize()


class Authenticator:
    """The pool of one end. `target` tags in both directions together are kept in reserve.

    `persist(direction, next_index)` must have reached the disk when it returns.
    """

    def __init__(self, secret: Secret, role: Role, persist: Persist, *, target: int = 1000) -> None:
        data = secret.reveal()
        if len(data) <= R_BYTES or (len(data) - R_BYTES) % (2 * TAG_BYTES):
            raise ValueError("a pool starts with 32 + 32 k bytes")
        down, up = _Lane("transmitter-receiver", persist), _Lane("receiver-transmitter", persist)
        self._lanes = (down, up)
        self._out, self._in = (down, up) if role == "transmitter" else (up, down)
        self._target, self.generation, self.broken = target, 0, False
        self._added = 0
        self._renew(data[:R_BYTES])
        self._fill(data[R_BYTES:])

    def sign(self, message: bytes, rest: bytes | memoryview = b"") -> bytes:
        """`u64 index || tag` of an outgoing message and what follows it, which is not copied."""
        index = self._out.index
        return index.to_bytes(8, "big") + self._out.tag(self._out.take(index), message, rest)

    def verify(
        self, message: bytes, signed: bytes, copies_most: int = 1, rest: bytes | memoryview = b""
    ) -> None:
        """Check `signed`, one or up to `copies_most` copies of `u64 index || tag`; one intact copy is enough.

        Raises BlockAbort(auth-failure) otherwise; the one-time value is burnt either way. Each copy is an
        attempt at a forgery: who allows more of them must count the bound as often.
        """
        if not 0 < len(signed) <= copies_most * SIGNED or len(signed) % SIGNED:
            raise BlockAbort(Cause.AUTHENTICATION, "a tag of the wrong size")
        copies = [signed[at : at + SIGNED] for at in range(0, len(signed), SIGNED)]
        stated = [int.from_bytes(copy[:8], "big") for copy in copies]
        expected = self._in.tag(self._in.take(max(stated, key=stated.count)), message, rest)
        if not sum(hmac.compare_digest(expected, copy[8:]) for copy in copies):
            self.broken = True
            raise BlockAbort(Cause.AUTHENTICATION, "the authentication tag of the peer is wrong")

    @property
    def left(self) -> int:
        """Tags left in the emptier direction."""
        return min(len(lane.values) for lane in self._lanes)

    @property
    def state(self) -> tuple[int, int, int]:
        """(refills, next index down, next index up): the ends compare it when they meet."""
        return self.generation, self._lanes[0].index, self._lanes[1].index

    def skip_to(self, down: int, up: int) -> None:
        """Burn values up to the peer's next indices, where those are larger; BlockAbort(pool-empty) if
        the pool does not reach so far."""
        for lane, index in zip(self._lanes, (down, up), strict=True):
            lane.skip(index)

    def wanted(self, key_bytes: int) -> int:
        """Bytes of a new key that the pool takes: what the reserve lacks, at most an eighth of the key,
        at least what a block spends, plus 32 for a new r after 2^20 tags; whole values, never more than the
        key has."""
        lacking = self._target // 2 - self.left
        pairs = max(0, min(lacking, key_bytes // 8 // (2 * TAG_BYTES)))
        if lacking > 0:
            pairs = max(pairs, min(lacking, 4))
        renewal = R_BYTES if self._renews(key_bytes) else 0
        return 2 * TAG_BYTES * min(pairs, (key_bytes - renewal) // (2 * TAG_BYTES)) + renewal

    def refill(self, key: Secret) -> None:
        """Add new key of the size that `wanted` named; both ends do so with the same bytes."""
        data = key.reveal()
        renews = self._renews(len(data))
        self._added = 0 if renews else len(data) // (2 * TAG_BYTES)
        if renews:
            self._renew(data[:R_BYTES])
            data = data[R_BYTES:]
        self._fill(data)
        self.generation += 1

    @property
    def can_undo(self) -> bool:
        """Whether the values of the last refill can be taken back: r was not renewed, none of them was used."""
        return self._added > 0 and self.left >= self._added

    def undo(self) -> None:
        """Take the last refill back, which the other end did not make."""
        if not self.can_undo:
            raise ValueError("there is no refill that could be taken back")
        for lane in self._lanes:
            for _ in range(self._added):
                lane.values.pop().wipe()
        self.generation, self._added = self.generation - 1, 0

    def dump(self) -> Secret:
        """Everything of the pool, for a file that nobody else may read."""
        lanes = [
            [lane.index, lane.tags, bytes(lane.r.reveal()), b"".join(bytes(s.reveal()) for s in lane.values)]
            for lane in self._lanes
        ]
        return Secret(cbor.encode([self.generation, self._added, lanes]))

    @classmethod
    def load(
        cls, dumped: Secret, role: Role, persist: Persist, used: Mapping[str, int], *, target: int = 1000
    ) -> Authenticator:
        """The pool that `dump` gave, less the values below the indices that were used since (per direction).

        Raises ValueError for anything that is no such pool.
        """
        pool = cls(Secret(bytes(bootstrap_size(1))), role, persist, target=target)
        pool.generation, pool._added, lanes = _read_pool(dumped)
        for lane, (index, tags, r, values) in zip(pool._lanes, lanes, strict=True):
            lane.r.wipe()
            lane.r, lane.tags, lane.index = Secret(r), tags, index
            lane.values.clear()
            lane.values.extend(Secret(values[at : at + TAG_BYTES]) for at in range(0, len(values), TAG_BYTES))
            lane.drop_to(min(used.get(lane.name, index), index + len(lane.values)))
        return pool

    def wipe(self) -> None:
        """Forget the pool."""
        for lane in self._lanes:
            lane.r.wipe()
            while lane.values:
                lane.values.popleft().wipe()

    def _renews(self, key_bytes: int) -> bool:
        """Whether r has made its tags and a key is long enough for a new one."""
        return key_bytes >= R_BYTES and any(lane.tags >= RENEW_AFTER for lane in self._lanes)

    def _renew(self, data: memoryview) -> None:
        for number, lane in enumerate(self._lanes):
            lane.r.wipe()
            lane.r, lane.tags = Secret(data[16 * number : 16 * number + 16]), 0

    def _fill(self, data: memoryview) -> None:
        for at in range(0, len(data), 2 * TAG_BYTES):
            for number, lane in enumerate(self._lanes):
                start = at + TAG_BYTES * number
                lane.values.append(Secret(data[start : start + TAG_BYTES]))


_Lanes = tuple[tuple[int, int, bytes, bytes], tuple[int, int, bytes, bytes]]


def _read_pool(dumped: Secret) -> tuple[int, int, _Lanes]:
    match cbor.decode(bytes(dumped.reveal())):
        case [int(generation), int(added), [
            [int(index_0), int(tags_0), bytes(r_0), bytes(values_0)],
            [int(index_1), int(tags_1), bytes(r_1), bytes(values_1)],
        ]]:  # fmt: skip
            lanes = ((index_0, tags_0, r_0, values_0), (index_1, tags_1, r_1, values_1))
        case _:
            raise ValueError("this is no authentication pool")
    whole = all(len(r) == TAG_BYTES and len(values) % TAG_BYTES == 0 for _, _, r, values in lanes)
    if not whole or min(generation, added, index_0, index_1, tags_0, tags_1) < 0:
        raise ValueError("this is no authentication pool")
    return generation, added, lanes


def forgery_bound(length: int) -> float:
    """Eps <= 8 ceil(L/16) / 2^106 for one forgery attempt on a message of L bytes (Bernstein 2005)."""
    return 8 * -(-length // 16) / 2.0**106
