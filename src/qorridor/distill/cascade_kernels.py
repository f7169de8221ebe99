"""Compiled inner loops of the symmetric Cascade exchange (numba; the plain oracle is `reference`).

Both passes of a block lie frame by frame in arrays of the block's length. The length of a frame is that of the
tables: of a row of `order` and `ranks`, of `words`; only the last frame of a block may be shorter. In pass 1 a
bit stands at its own place; in pass 2 at `rank[row, place in frame]`, row 1 for a last frame that is shorter.
`known[middle]` is the parity of the errors that are still in [low, middle) of the bisection tree of its block:
bisection always halves alike, so a middle has one low. It is 2 while unknown, and follows every correction.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from qorridor.distill.bits import Bits, Places

Table = NDArray[np.int32]
Words = NDArray[np.uint32]
UNKNOWN = 2
compiled = numba.njit(cache=True, nogil=True)


@compiled
def _row(number: int, frame: int, size: int) -> int:
    return 1 if (number + 1) * frame > size else 0


@compiled
def _bounds(block: int, length: int, size: int, frame: int) -> tuple[int, int]:
    """First and last-but-one place of a block; blocks do not cross frames."""
    per_frame = (frame + length - 1) // length
    number = block // per_frame
    start = number * frame + (block % per_frame) * length
    return start, min(start + length, (number + 1) * frame, size)


@compiled
def _block_of(rank: int, length: int, frame: int) -> int:
    per_frame = (frame + length - 1) // length
    return (rank // frame) * per_frame + (rank % frame) // length


@compiled
def prefix(bits: Bits, order: Table, which: int) -> Bits:
    """Parity of everything before each place of a pass, 0 first."""
    out, parity = np.empty(bits.size + 1, np.uint8), np.uint8(0)
    out[0] = 0
    frame = order.shape[1]
    for number in range((bits.size + frame - 1) // frame):
        start, row = number * frame, _row(number, frame, bits.size)
        for at in range(min(frame, bits.size - start)):
            parity ^= bits[start + (order[row, at] if which else at)]
            out[start + at + 1] = parity
    return out


@compiled
def block_parities(before: Bits, length: int, frame: int) -> Bits:
    """Parity of each block of a pass, from its prefix parities."""
    size = before.size - 1
    out = np.empty(_block_of(size - 1, length, frame) + 1, np.uint8)
    for block in range(out.size):
        start, end = _bounds(block, length, size, frame)
        out[block] = before[start] ^ before[end]
    return out


@compiled
def mask_parities(bits: Bits, words: Words) -> Words:
    """Bit j of each frame's word: parity of its bits under mask j."""
    frame = words.size
    out = np.zeros((bits.size + frame - 1) // frame, np.uint32)
    for number in range(out.size):
        start, word = number * frame, np.uint32(0)
        for at in range(min(frame, bits.size - start)):
            word ^= words[at] * np.uint32(bits[start + at])
        out[number] = word
    return out


@compiled
def bounds(blocks: Places, length: int, size: int, frame: int) -> tuple[Places, Places]:
    """First and last-but-one places of some blocks."""
    low, high = np.empty(blocks.size, np.int64), np.empty(blocks.size, np.int64)
    for at in range(blocks.size):
        low[at], high[at] = _bounds(blocks[at], length, size, frame)
    return low, high


@compiled
def places(ranks: Places, order: Table, which: int, size: int) -> Places:
    """Where bits of a pass stand in the block."""
    out, frame = ranks.copy(), order.shape[1]
    if which:
        for at in range(ranks.size):
            number = ranks[at] // frame
            out[at] = number * frame + order[_row(number, frame, size), ranks[at] - number * frame]
    return out


@compiled
def _step(low: Places, high: Places, known: Bits) -> int:
    """One level down where every live interval has its answer; returns how many have none, -1 with none live."""
    asking, live = 0, 0
    for at in range(low.size):
        if high[at] - low[at] > 1:
            live += 1
            asking += known[(low[at] + high[at]) >> 1] == UNKNOWN
    if asking or not live:
        return asking if live else -1
    for at in range(low.size):
        if high[at] - low[at] > 1:
            middle = (low[at] + high[at]) >> 1
            if known[middle]:
                high[at] = middle
            else:
                low[at] = middle
    return 0


@compiled
def descend(low: Places, high: Places, known: Bits) -> Places:
    """Halve every interval whose answer is known until some are not; returns which ask now."""
    asking = _step(low, high, known)
    while asking == 0:
        asking = _step(low, high, known)
    out, count = np.empty(max(asking, 0), np.int64), 0
    for at in range(low.size if asking > 0 else 0):
        if high[at] - low[at] > 1 and known[(low[at] + high[at]) >> 1] == UNKNOWN:
            out[count] = at
            count += 1
    return out


@compiled
def halves(asking: Places, low: Places, high: Places, depth: int) -> tuple[Places, Places]:
    """Of each interval that asks, the intervals of `depth` levels: below an unanswered half all are unanswered."""
    most = asking.size << (depth - 1) if depth == 1 else asking.size * ((1 << depth) - 1)
    lows, highs, count = np.empty(most, np.int64), np.empty(most, np.int64), 0
    level_low, level_high = np.empty(1 << depth, np.int64), np.empty(1 << depth, np.int64)
    next_low, next_high = np.empty(1 << depth, np.int64), np.empty(1 << depth, np.int64)
    for at in range(asking.size):
        level_low[0], level_high[0], width = low[asking[at]], high[asking[at]], 1
        for _ in range(depth):
            wider = 0
            for one in range(width):
                a, b = level_low[one], level_high[one]
                if b - a < 2:
                    continue
                middle = (a + b) >> 1
                lows[count], highs[count] = a, b
                count += 1
                next_low[wider], next_high[wider] = a, middle
                next_low[wider + 1], next_high[wider + 1] = middle, b
                wider += 2
            level_low[:wider], level_high[:wider], width = next_low[:wider], next_high[:wider], wider
    return lows[:count], highs[:count]


@compiled
def questions(lows: Places, highs: Places, before: Bits) -> Bits:
    """Own parity of the lower half of each interval."""
    out = np.empty(lows.size, np.uint8)
    for at in range(lows.size):
        out[at] = before[lows[at]] ^ before[(lows[at] + highs[at]) >> 1]
    return out


@compiled
def answers(
    difference: Bits, lows: Places, highs: Places, known: Bits, errors: Bits, order: Table, which: int
) -> None:  # fmt: skip
    """Note the answers, less the errors that were corrected in these intervals meanwhile."""
    frame = order.shape[1]
    for at in range(lows.size):
        a = lows[at]
        middle, parity = (a + highs[at]) >> 1, difference[at]
        start = (a // frame) * frame
        row = _row(a // frame, frame, errors.size)
        for place in range(a, middle):
            parity ^= errors[start + order[row, place - start] if which else place]
        known[middle] = parity


@compiled
def _flip_in_pass(rank: int, length: int, size: int, frame: int, parities: Bits, known: Bits) -> None:
    """A bit changed: its block's parity and every known half above it change too."""
    block = _block_of(rank, length, frame)
    parities[block] ^= 1
    low, high = _bounds(block, length, size, frame)
    while high - low > 1:
        middle = (low + high) >> 1
        if known[middle] == UNKNOWN:  # nothing below an unanswered half was ever asked
            return
        if rank < middle:
            known[middle] ^= 1
            high = middle
        else:
            low = middle


@compiled
def correct(
    places: Places, lengths: tuple[int, int], errors: Bits, ranks: Table, words: Words,
    parities: tuple[Bits, Bits], known: tuple[Bits, Bits], masks: Words,
) -> None:  # fmt: skip
    """Flip bits of the block, and everything that depends on them."""
    frame = words.size
    for at in range(places.size):
        place = places[at]
        number = place // frame
        inside = place - number * frame
        errors[place] ^= 1
        masks[number] ^= words[inside]
        rank = number * frame + ranks[_row(number, frame, errors.size), inside]
        _flip_in_pass(place, lengths[0], errors.size, frame, parities[0], known[0])
        _flip_in_pass(rank, lengths[1], errors.size, frame, parities[1], known[1])


@compiled
def selected(words: Words, mask: int, size: int) -> Places:
    """Places of a frame of `size` bits that a mask takes."""
    out, count = np.empty(size, np.int64), 0
    for at in range(size):
        out[count] = at
        count += (words[at] >> np.uint32(mask)) & np.uint32(1)
    return out[:count].copy()


@compiled
def parity_of(values: Bits, places: Places, low: int, high: int) -> np.uint8:
    """Parity of `values` at places[low:high]."""
    parity = np.uint8(0)
    for at in range(low, high):
        parity ^= values[places[at]]
    return parity
