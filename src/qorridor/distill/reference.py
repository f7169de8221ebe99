"""What the fast code must equal, written plainly: the symmetric Cascade exchange with lists and sets, for both
ends at once, and the Toeplitz product by whole rows of bits.

Oracles of the compiled loops and yardsticks of their bench; nothing in production calls them.
"""

from __future__ import annotations

import numpy as np

from qorridor.distill.bits import Bits
from qorridor.distill.cascade import MASKS, Plan


def reconcile_plainly(alice: Bits, bob: Bits, plan: Plan) -> tuple[list[int], list[list[int]]]:
    """Error positions of one exchange, and what each pair of messages said: the differences of the parities."""
    return _Exchange([int(x) ^ int(y) for x, y in zip(alice, bob, strict=True)], plan).run()


def layout(plan: Plan) -> tuple[list[list[int]], list[list[int]]]:
    """Order and block edges of both passes, spelled out from the public permutation of a frame."""
    orders: list[list[int]] = [list(range(plan.size)), []]
    edges: list[list[int]] = [[], []]
    for start in range(0, plan.size, plan.frame):
        size = min(plan.frame, plan.size - start)
        orders[1] += [start + at for at in plan.order[0].tolist() if at < size]
        for which in (0, 1):
            edges[which] += range(start, start + size, plan.lengths[which])
    return orders, [[*one, plan.size] for one in edges]


class _Exchange:
    """What both ends know of the differences: `diff` between the keys, `fixed` what was corrected."""

    def __init__(self, diff: list[int], plan: Plan) -> None:
        self.diff, self.plan = diff, plan
        self.orders, self.edges = layout(plan)
        self.masks = [[int(word) >> mask & 1 for word in plan.words] for mask in range(MASKS)]
        self.fixed: set[int] = set()
        self.known: set[tuple[int, ...]] = set()
        self.told: list[list[int]] = []

    def run(self) -> tuple[list[int], list[list[int]]]:
        """Waves while a block is odd, masks while one differs."""
        self.told.append(self._open())
        while True:
            which, odd = self._odd()
            if odd:
                found = self._bisect([(which, self.orders[which], low, high) for low, high in odd])
            else:
                tasks = [task for frame in range(self.plan.frames) for task in self._wrong_mask(frame)]
                if not tasks:
                    return sorted(self.fixed), self.told
                found = self._bisect(tasks)
            self.fixed ^= found

    def _open(self) -> list[int]:
        """Blocks of pass 1, of pass 2 without the last of each frame, and every mask of every frame."""
        said = []
        for which in (0, 1):
            for low, high in zip(self.edges[which], self.edges[which][1:], strict=False):
                if which == 0 or (high % self.plan.frame and high < self.plan.size):
                    said.append(self._raw(self.orders[which][low:high]))
        for frame in range(self.plan.frames):
            said += [self._raw(self._masked(frame, mask)) for mask in range(MASKS)]
        return said

    def _raw(self, places: list[int]) -> int:
        return sum(self.diff[at] for at in places) & 1

    def _masked(self, frame: int, mask: int) -> list[int]:
        start = frame * self.plan.frame
        size = min(self.plan.frame, self.plan.size - start)
        return [start + at for at in range(size) if self.masks[mask][at]]

    def _differs(self, places: list[int], low: int, high: int) -> bool:
        return bool(sum(self.diff[at] + (at in self.fixed) for at in places[low:high]) & 1)

    def _odd(self) -> tuple[int, list[tuple[int, int]]]:
        for which in (0, 1):
            blocks = zip(self.edges[which], self.edges[which][1:], strict=False)
            odd = [(low, high) for low, high in blocks if self._differs(self.orders[which], low, high)]
            if odd:
                return which, odd
        return 0, []

    def _wrong_mask(self, frame: int) -> list[tuple[int, list[int], int, int]]:
        """The first mask of a frame that differs, as a set to bisect."""
        for mask in range(MASKS):
            places = self._masked(frame, mask)
            if self._differs(places, 0, len(places)):
                return [(2 + frame * MASKS + mask, places, 0, len(places))]
        return []

    def _bisect(self, tasks: list[tuple[int, list[int], int, int]]) -> set[int]:
        """Halve every set down to one place; a half seen before is not asked again."""
        in_pass = tasks[0][0] < 2
        longest = self.plan.lengths[tasks[0][0]] if in_pass else max(len(task[1]) for task in tasks)
        depth = self.plan.profile.depth(len(tasks), (longest - 1).bit_length(), self.plan.size)
        while any(high - low > 1 for _, _, low, high in tasks):
            said = []
            for name, places, low, high in tasks:
                if high - low > 1 and (name, (low + high) // 2) not in self.known:
                    said += self._ask(name, places, (low, high), depth)
            for index, (name, places, low, high) in enumerate(tasks):
                if high - low > 1:
                    middle = (low + high) // 2
                    half = (low, middle) if self._differs(places, low, middle) else (middle, high)
                    tasks[index] = (name, places, *half)
            self.told += [said] if said else []
        return {places[low] for _, places, low, _ in tasks}

    def _ask(self, name: int, places: list[int], span: tuple[int, int], depth: int) -> list[int]:
        """The lower halves of a set and of its halves, `depth` levels deep, level by level: none was known."""
        said, level = [], [span]
        for _ in range(depth):
            level = [(low, high) for low, high in level if high - low > 1]
            for low, high in level:
                middle = (low + high) // 2
                said.append(self._raw(places[low:middle]))
                self.known.add((name, middle))
            level = [half for low, high in level for half in _halved(low, high)]
        return said


def _halved(low: int, high: int) -> tuple[tuple[int, int], tuple[int, int]]:
    middle = (low + high) // 2
    return (low, middle), (middle, high)


def toeplitz_plainly(seed: Bits, bits: Bits, length: int) -> Bits:
    """T x by XOR of seed windows, in whole bytes of eight shifted copies: exact, seconds at 10^6."""
    size = -(-length // 8)
    padded = np.concatenate([seed, np.zeros(16, np.uint8)])
    shifted = [np.packbits(padded[shift:]) for shift in range(8)]
    total = np.zeros(size, np.uint8)
    for column in np.flatnonzero(bits).tolist():
        start = len(bits) - 1 - column
        total ^= shifted[start % 8][start // 8 : start // 8 + size]
    return np.unpackbits(total)[:length]
