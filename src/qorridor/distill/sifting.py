"""Sifting and parameter estimation: which detections count, for what, and how many were wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from qorridor.distill.aborts import BlockAbort, Cause
from qorridor.distill.bits import Bits, Places, pack, random_bits, unpack
from qorridor.distill.channel import Recalled, Received
from qorridor.distill.codec import join, split
from qorridor.distill.gaps import decode_slots, encode_slots

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
    def decode(cls, payload: bytes, after: int) -> Announcement:
        """Slots must follow slot `after`: each is announced once."""
        slots, bases = split(payload, 2)
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


@dataclass(slots=True)
class Sifted:
    """Kept detections of one end in slot order; `peer_test` is what the other end disclosed, `kinds` how many
    intensities the source has."""

    bases: Bits = field(default_factory=lambda: np.empty(0, np.uint8))
    intensities: Bits = field(default_factory=lambda: np.empty(0, np.uint8))
    bits: Bits = field(default_factory=lambda: np.empty(0, np.uint8))
    peer_test: Bits = field(default_factory=lambda: np.empty(0, np.uint8))
    kinds: int = INTENSITIES

    @property
    def key_count(self) -> int:
        """Sifted detections of the key basis."""
        return int((self.bases == KEY).sum())

    def add(self, bases: Bits, intensities: Bits, bits: Bits) -> None:
        """Append one batch."""
        self.bases = np.concatenate([self.bases, bases])
        self.intensities = np.concatenate([self.intensities, intensities])
        self.bits = np.concatenate([self.bits, bits])

    def disclose(self, test_bits: Bits) -> None:
        """Append test bits of the peer."""
        self.peer_test = np.concatenate([self.peer_test, test_bits])

    def cut(self, n_key: int) -> None:
        """Keep everything up to the `n_key`-th key detection: the stopping rule knows no result."""
        end = int(np.flatnonzero(self.bases == KEY)[n_key - 1]) + 1
        self.bases, self.intensities, self.bits = self.bases[:end], self.intensities[:end], self.bits[:end]
        self.peer_test = self.peer_test[: int((self.bases == TEST).sum())]

    def key_bits(self) -> Bits:
        """Bits of the key basis."""
        return np.asarray(self.bits[self.bases == KEY], np.uint8)

    def test_bits(self) -> Bits:
        """Own bits of the test basis."""
        return np.asarray(self.bits[self.bases == TEST], np.uint8)

    def counts(self) -> tuple[PerIntensity, PerIntensity]:
        """Detections per intensity in the key and in the test basis."""
        key, test = (
            per_intensity(self.intensities[self.bases == basis], self.kinds) for basis in (KEY, TEST)
        )
        return key, test

    def test_errors(self) -> PerIntensity:
        """Errors per intensity in the test basis, from both ends' disclosed bits."""
        wrong = self.test_bits() != self.peer_test
        return per_intensity(self.intensities[self.bases == TEST][wrong], self.kinds)

    def key_intensities(self) -> Bits:
        """Intensity of each bit of the key basis."""
        return np.asarray(self.intensities[self.bases == KEY], np.uint8)

    def wipe(self) -> None:
        """Overwrite the bits."""
        self.bits[:] = 0


def transmitter_sift(sifted: Sifted, said: Announcement, sent: Recalled) -> SiftReply:
    """Take in what matches and form the reply."""
    kept = (sent.bases == said.bases).view(np.uint8)
    index = np.flatnonzero(kept)
    bases, bits = said.bases[index], sent.bits[index]
    sifted.add(bases, sent.intensities[index], bits)
    return SiftReply(kept, sent.intensities[index], bits[bases == TEST])


def receiver_sift(sifted: Sifted, mine: Received, bits: Bits, reply: SiftReply) -> None:
    """Take in what the transmitter kept."""
    index = np.flatnonzero(reply.kept)
    sifted.add(mine.bases[index], reply.intensities, bits[index])
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
