"""Compiled inner loops of the LDPC decoder (numba; the plain oracle is `reference_ldpc`).

A layer is one row of the base matrix: `lift` checks whose bits lie side by side, so that each loop below runs over
a whole layer and becomes vector instructions of 16-bit integers. A log-likelihood ratio has 64 steps a unit.

No sum can overflow: a message is at most LIMIT, a posterior at most DEGREE_MOST messages and the channel's
value, and two posteriors still add up to less than 2^15.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from qorridor.distill.bits import Bits
from qorridor.distill.ldpc_code import Indices

Values = NDArray[np.int16]
i16 = np.int16
compiled = numba.njit(cache=True, nogil=True)
SCALE = 64
LIMIT = 800
"""Largest message, 12.5 units."""
_HALF, _QUARTER, _EIGHTH = i16(44), i16(37), i16(25)
_0, _1, _2, _3, _SIGN = i16(0), i16(1), i16(2), i16(3), i16(15)


@compiled
def half_parities(bits: Bits, start: Indices, column: Indices, shift: Indices, lift: int) -> Bits:
    """Parities of all checks of each half row, (2 rows, lift), of one frame."""
    out = np.zeros((start.size - 1, lift), np.uint8)
    for half in range(start.size - 1):
        for entry in range(start[half], start[half + 1]):
            first, by = column[entry] * lift, shift[entry]
            _toggle(out[half, : lift - by], bits[first + by : first + lift])
            _toggle(out[half, lift - by :], bits[first : first + by])
    return out


@compiled
def _toggle(out: Bits, bits: Bits) -> None:
    for at in range(out.size):
        out[at] ^= bits[at]


@compiled
def tag(bits: Bits, words: NDArray[np.uint32]) -> np.uint32:
    """Sum (exclusive or) of the words of all places whose bit is set."""
    out = np.uint32(0)
    for at in range(bits.size):
        out ^= words[at] * np.uint32(bits[at])
    return out


@compiled
def _copy(out: Values, values: Values) -> None:
    for at in range(out.size):
        out[at] = values[at]


@compiled
def softening(x: np.int16) -> np.int16:
    """ln(1 + e^-x) for x >= 0 in three straight pieces that touch it where its slope is 1/2, 1/4 and 1/8."""
    return max(i16(_HALF - i16(x >> _1)), i16(_QUARTER - i16(x >> _2)), i16(_EIGHTH - i16(x >> _3)), _0)


@compiled
def combine(out: Values, left: Values, right: Values) -> None:
    """Magnitude of the sum of two bits from their magnitudes a and b: min(a, b) + g(a + b) - g(|a - b|),
    g the softening."""
    for at in range(out.size):
        a, b = left[at], right[at]
        apart = i16(a - b)
        apart = max(apart, i16(-apart))
        out[at] = i16(i16(min(a, b) + softening(i16(a + b))) - softening(apart))


@compiled
def _take(value: Values, message: Values, sign: Values, size: Values, parity: Values, total: Values) -> None:
    """Bit to check: the posterior less the check's own message, split into sign and magnitude; `parity`
    follows the posteriors, `total` the messages."""
    for at in range(value.size):
        posterior = value[at]
        parity[at] = i16(parity[at] ^ posterior)
        own = i16(posterior - message[at])
        value[at] = own
        total[at] = i16(total[at] ^ own)
        negative = i16(own >> _SIGN)
        sign[at] = negative
        size[at] = i16(i16(own ^ negative) - negative)


@compiled
def _give(value: Values, size: Values, message: Values, total: Values, sign: Values, limit: Values) -> None:
    """Check to bit: the new message, and the posterior with it."""
    for at in range(value.size):
        negative = i16(i16(total[at] >> _SIGN) ^ sign[at])
        new = i16(i16(min(size[at], limit[at]) ^ negative) - negative)
        message[at] = new
        value[at] = i16(value[at] + new)


@compiled
def _unsatisfied(parity: Values, limit: Values) -> int:
    count = 0
    for at in range(parity.size):
        count += (parity[at] < 0) & (limit[at] > 0)
    return count


@compiled
def _layer(
    column: Indices, shift: Indices, syndrome: Values, limit: Values, posterior: Values, message: Values,
    work: Values,
) -> int:  # fmt: skip
    """One layer: messages from its bits, then messages to them; returns how many of its checks failed before."""
    lift, count = posterior.shape[1], column.size
    value, sign, size, spare = (
        work[:count],
        work[count : 2 * count],
        work[2 * count : 3 * count],
        work[3 * count :],
    )
    parity, total, behind, swap = spare[0], spare[1], spare[2], spare[3]
    _copy(parity, syndrome)
    _copy(total, syndrome)
    for at in range(count):
        bits, by = posterior[column[at]], shift[at]
        _copy(value[at, : lift - by], bits[by:])
        _copy(value[at, lift - by :], bits[:by])
        _take(value[at], message[at], sign[at], size[at], parity, total)
    _copy(message[0], size[0])  # message[at] holds all magnitudes up to `at` until its own is due
    for at in range(1, count - 1):
        combine(message[at], message[at - 1], size[at])
    _copy(behind, size[count - 1])
    for at in range(count - 1, -1, -1):
        if at == count - 1:
            _copy(size[at], message[at - 1])
        elif at == 0:
            _copy(size[at], behind)
        else:
            combine(swap, size[at], behind)
            combine(size[at], message[at - 1], behind)
            _copy(behind, swap)
        _give(value[at], size[at], message[at], total, sign[at], limit)
        bits, by = posterior[column[at]], shift[at]
        _copy(bits[by:], value[at, : lift - by])
        _copy(bits[:by], value[at, lift - by :])
    return _unsatisfied(parity, limit)


@compiled
def _explains(
    begin: Indices, end: Indices, column: Indices, shift: Indices, syndromes: Values, limits: Values,
    posterior: Values,
) -> bool:  # fmt: skip
    """Whether every known check holds as the posteriors are now."""
    lift = posterior.shape[1]
    parity = np.empty(lift, np.int16)
    for layer in range(begin.size):
        _copy(parity, syndromes[layer])
        for entry in range(begin[layer], end[layer]):
            bits, by = posterior[column[entry]], shift[entry]
            _follow(parity[: lift - by], bits[by:])
            _follow(parity[lift - by :], bits[:by])
        if _unsatisfied(parity, limits[layer]):
            return False
    return True


@compiled
def _follow(parity: Values, values: Values) -> None:
    for at in range(parity.size):
        parity[at] = i16(parity[at] ^ values[at])


@compiled
def decode(
    begin: Indices, end: Indices, column: Indices, shift: Indices, syndromes: Values, limits: Values,
    posterior: Values, most: int,
) -> int:  # fmt: skip
    """Layered decoding of one frame until every check holds; returns the rounds taken, -1 after `most` in vain.

    Layer l has entries begin[l] .. end[l], at least two. `syndromes` (layers, lift) is -1 where a check
    is odd and 0 elsewhere; `limits` (layers, lift) the largest message, 0 for a check that nobody disclosed.
    `posterior` (columns, lift) starts as the channel's ratios and ends negative where a bit differs.
    """
    lift, widest = posterior.shape[1], 0
    for layer in range(begin.size):
        widest = max(widest, end[layer] - begin[layer])
    message = np.zeros((column.size, lift), np.int16)
    work = np.zeros((3 * widest + 4, lift), np.int16)
    for done in range(most):
        wrong = 0  # checks that failed when their turn came; a bit may have turned since
        for layer in range(begin.size):
            a, b = begin[layer], end[layer]
            wrong += _layer(
                column[a:b], shift[a:b], syndromes[layer], limits[layer], posterior, message[a:b], work
            )
        if wrong == 0 and _explains(begin, end, column, shift, syndromes, limits, posterior):
            return done
    return -1
