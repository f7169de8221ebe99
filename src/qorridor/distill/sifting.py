"""Sifting and parameter estimation: which detections count, for what, and how many were wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from qorridor.distill.aborts import BlockAbort, Cause
from qorridor.distill.bits import Bits, Places, pack, random_bits, unpack
from qorridor.distill.channel import Recalled
from qorridor.distill.codec import join, split
from qorridor.distill.gaps import decode_slots, encode_slots, stated_count

KEY, TEST = 0, 1
INTENSITIES = 3
"""Most intensities that a source of a proof has."""
PerIntensity = tuple[int, ...]
"""A count for each intensity of the source, brightest first."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """What the receiver says of its detections: slots and bases, never results."""

    slots: Places
    bases: Bits

    def encode(self) -> bytes:
        """Payload of `detections`."""
        return join([encode_slots(self.slots), pack(self.bases)])

    @classmethod
    def decode(cls, payload: bytes, after: int, due: int) -> Announcement:
        """`due` slots that follow slot `after`: each is announced once. No more than are due are decoded."""
        slots, bases = split(payload, 2)
        if stated_count(slots) != due:
            raise BlockAbort(Cause.PROTOCOL, "another number of detections was announced than is due")
        places = decode_slots(slots)
        if len(places) and int(places[0]) <= after:
            raise BlockAbort(Cause.PROTOCOL, "a slot was announced twice")
        return cls(places, unpack(bases, len(places)))


@dataclass(frozen=True, slots=True)
class SiftReply:
    """What the transmitter answers: which announced slots it sent in the same basis, with which
    intensity, and its bits of the test basis."""

    kept: Bits
    intensities: Bits
    test_bits: Bits

    def encode(self) -> bytes:
        """Payload of `sift`: two bit planes carry the intensities."""
        low, high = self.intensities & np.uint8(1), self.intensities >> np.uint8(1)
        return join([pack(self.kept), pack(low), pack(high), pack(self.test_bits)])

    @classmethod
    def decode(cls, payload: bytes, bases: Bits, kinds: int = INTENSITIES) -> SiftReply:
        """The reply to an announcement with these bases, of a source with so many intensities."""
        kept_data, low, high, test = split(payload, 4)
        kept = unpack(kept_data, len(bases))
        count = int(kept.sum())
        intensities = unpack(low, count) | unpack(high, count) << np.uint8(1)
        if (intensities >= kinds).any():
            raise BlockAbort(
                Cause.PROTOCOL, f"more than the {kinds} intensities of the source were announced"
            )
        tests = int((bases[kept == 1] == TEST).sum())
        return cls(kept, intensities, unpack(test, tests))


def _none() -> Bits:
    return np.empty(0, np.uint8)


@dataclass(slots=True)
class Sifted:
    """Kept detections of one end in slot order, bits and intensities of either basis; `peer_test` is what the
    other end disclosed, `kinds` how many intensities the source has."""

    key_bits: Bits = field(default_factory=_none)
    key_intensities: Bits = field(default_factory=_none)
    test_bits: Bits = field(default_factory=_none)
    test_intensities: Bits = field(default_factory=_none)
    peer_test: Bits = field(default_factory=_none)
    kinds: int = INTENSITIES
    _bases: list[Bits] = field(default_factory=list)  # of each part

    @property
    def key_count(self) -> int:
        """Sifted detections of the key basis."""
        return len(self.key_bits)

    def add(self, bases: Bits, intensities: Bits, bits: Bits) -> None:
        """Append one part."""
        key, test = (np.flatnonzero(bases == basis) for basis in (KEY, TEST))
        self.key_bits = np.concatenate([self.key_bits, bits[key]])
        self.key_intensities = np.concatenate([self.key_intensities, intensities[key]])
        self.test_bits = np.concatenate([self.test_bits, bits[test]])
        self.test_intensities = np.concatenate([self.test_intensities, intensities[test]])
        self._bases.append(bases)

    def disclose(self, test_bits: Bits) -> None:
        """Append test bits of the peer."""
        self.peer_test = np.concatenate([self.peer_test, test_bits])

    def cut(self, n_key: int) -> None:
        """Keep everything up to the `n_key`-th key detection: the rule knows no result."""
        bases = np.concatenate(self._bases)
        behind = bases[int(np.flatnonzero(bases == KEY)[n_key - 1]) + 1 :]
        tests = len(self.test_bits) - int(np.count_nonzero(behind == TEST))
        self.key_bits, self.key_intensities = self.key_bits[:n_key], self.key_intensities[:n_key]
        self.test_bits, self.test_intensities = self.test_bits[:tests], self.test_intensities[:tests]
        self.peer_test = self.peer_test[:tests]

    def counts(self) -> tuple[PerIntensity, PerIntensity]:
        """Detections per intensity in the key and in the test basis."""
        return per_intensity(self.key_intensities, self.kinds), per_intensity(
            self.test_intensities, self.kinds
        )

    def test_errors(self) -> PerIntensity:
        """Errors per intensity in the test basis, from both ends' disclosed bits."""
        return per_intensity(self.test_intensities[self.test_bits != self.peer_test], self.kinds)

    def wipe(self) -> None:
        """Overwrite the bits."""
        self.key_bits[:] = 0
        self.test_bits[:] = 0


def transmitter_sift(sifted: Sifted, announced: Bits, sent: Recalled) -> SiftReply:
    """Take in what matches the announced bases and form the reply."""
    kept = (sent.bases == announced).view(np.uint8)
    index = np.flatnonzero(kept)
    bases, bits = announced[index], sent.bits[index]
    sifted.add(bases, sent.intensities[index], bits)
    return SiftReply(kept, sent.intensities[index], bits[bases == TEST])


def receiver_sift(sifted: Sifted, bases: Bits, bits: Bits, reply: SiftReply) -> None:
    """Take in what the transmitter kept of the detections with these bases and bits."""
    index = np.flatnonzero(reply.kept)
    sifted.add(bases[index], reply.intensities, bits[index])
    sifted.disclose(reply.test_bits)


def click_bits(clicks: Bits, draw: Callable[[int], bytes]) -> tuple[Bits, int]:
    """Bit of each detection and the number of double clicks; each of those takes a bit of entropy, for
    dropping them would break the proof (Lim 2014, step 2)."""
    bits = (clicks == 2).astype(np.uint8)
    double = np.flatnonzero(clicks == 3)
    bits[double] = random_bits(draw, len(double))
    return bits, len(double)


def per_intensity(intensities: Bits, kinds: int) -> PerIntensity:
    """How often each of so many intensities occurs."""
    return tuple(np.bincount(intensities, minlength=kinds).tolist())
