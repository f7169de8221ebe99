"""The walk of the sampler as one would write it down: plain Python, a heap of the library, one slot after the
other. It takes the generator's numbers in the order of the compiled one, so both must agree entirely."""

import heapq
import math

NEVER = 1 << 61


def walk(rng, stop, chances, cells, settings, masks, dead_time, echo, decay, vetoes, dead, heap):
    """Rows (slot, code, mask); `dead` and `heap` of (slot, detector) are changed in place."""
    top, rows = max(chances), []

    def gap(first):
        rate = math.inf if top == 1 else -math.log1p(-top)
        return first + int(min(rng.standard_exponential() / rate, NEVER - first))

    def drawn(tables, node):
        keep, other = (table[node] for table in tables)
        whole, part = divmod(rng.random() * len(keep), 1)
        return int(whole) if part < keep[int(whole)] else int(other[int(whole)])

    def mixture(weights, total):
        u = rng.random() * total
        for node, weight in weights:
            if u < weight:
                return node
            u -= weight
        return None

    proposal = gap(0)
    while True:
        slot = min(proposal, heap[0][0] if heap else NEVER)
        if slot >= stop:
            return rows
        x = slot / stop * (len(chances) - 1)
        low = min(int(x), max(0, len(chances) - 2))
        share = x - low
        high = min(low + 1, len(chances) - 1)
        code, mask = None, 0
        if slot == proposal:
            proposal = gap(slot + 1)
            node = 0
            if len(chances) > 1:
                node = mixture([(low, (1 - share) * chances[low]), (high, share * chances[high])], top)
            if node is not None:
                code = drawn(cells, node)
                mask = int(masks[code])
        while heap and heap[0][0] == slot:
            mask |= 1 << heapq.heappop(heap)[1]
        for detector, last in enumerate(dead):
            if last >= slot:
                mask &= ~(1 << detector)
        if not mask:
            continue
        if code is None:
            node = 0
            if len(chances) > 1:
                parts = [(low, (1 - share) * (1 - chances[low])), (high, share * (1 - chances[high]))]
                node = mixture(parts, sum(weight for _, weight in parts))
            code = len(masks) + drawn(settings, node)
        rows.append((slot, code, mask))
        for side in range(len(dead) // 2):
            clicked = [d for d in (2 * side, 2 * side + 1) if mask >> d & 1]
            if not clicked:
                continue
            until = slot + int(dead_time[side])
            for detector in (2 * side, 2 * side + 1) if vetoes else clicked:
                dead[detector] = until
            if echo[side] and rng.random() < echo[side]:
                later = int(rng.standard_exponential() * decay[side])
                heapq.heappush(heap, (until + 1 + later, 2 * side + int(rng.random() < 0.5)))
        if vetoes and len(dead) == 2 and proposal <= dead[0]:
            proposal = gap(dead[0] + 1)
