"""The same exchange written plainly, with lists and sets, for both ends at once: the oracle."""


def slow_reconcile(alice, bob, plan):
    """Returns (error positions, bits each way, rounds, messages) of the symmetric exchange."""
    n, frame = plan.size, 65536
    diff = [int(x) ^ int(y) for x, y in zip(alice, bob, strict=True)]
    orders, edges = layout(plan)
    masks = [[int(word) >> j & 1 for word in plan.words] for j in range(18)]
    known, fixed, bits, rounds = [{}, {}], set(), 0, 0

    def raw(which, low, high):
        return sum(diff[orders[which][at]] for at in range(low, high)) & 1

    def current(which, low, high):
        return (raw(which, low, high) + sum(orders[which][at] in fixed for at in range(low, high))) & 1

    def selected(f, j):
        return [at for at in range(f * frame, min(n, (f + 1) * frame)) if masks[j][at - f * frame]]

    frames = -(-n // frame)
    bits += len(edges[0]) - 1 + len(edges[1]) - 1 - frames + 18 * frames
    rounds += 1
    mask_known = {}
    while True:
        odd = []
        for which in (0, 1):
            blocks = zip(edges[which], edges[which][1:], strict=False)
            odd = [(low, high) for low, high in blocks if current(which, low, high)]
            if odd:
                break
        if odd:
            while any(high - low > 1 for low, high in odd):
                new = 0
                for index, (low, high) in enumerate(odd):
                    if high - low == 1:
                        continue
                    middle = (low + high) // 2
                    if middle not in known[which]:
                        known[which][middle] = True
                        new += 1
                    odd[index] = (low, middle) if current(which, low, middle) else (middle, high)
                bits, rounds = bits + new, rounds + bool(new)
            fixed ^= {orders[which][low] for low, _ in odd}
            continue
        tasks = []
        for f in range(frames):
            for j in range(18):
                chosen = selected(f, j)
                if (sum(diff[at] for at in chosen) + sum(at in fixed for at in chosen)) & 1:
                    tasks.append([f, j, chosen, 0, len(chosen)])
                    break
        if not tasks:
            return sorted(fixed), bits, rounds
        while any(task[4] - task[3] > 1 for task in tasks):
            new = 0
            for task in tasks:
                f, j, chosen, low, high = task
                if high - low == 1:
                    continue
                middle = (low + high) // 2
                if (f, j, middle) not in mask_known:
                    mask_known[f, j, middle] = True
                    new += 1
                left = sum(diff[at] + (at in fixed) for at in chosen[low:middle]) & 1
                task[3:] = [low, middle] if left else [middle, high]
            bits, rounds = bits + new, rounds + bool(new)
        fixed ^= {task[2][task[3]] for task in tasks}


def layout(plan):
    """Order and block edges of both passes, spelled out from the public permutation of a frame."""
    n, frame = plan.size, 65536
    orders, edges = [list(range(n)), []], [[], []]
    for start in range(0, n, frame):
        size = min(frame, n - start)
        orders[1] += [start + at for at in plan.order[0].tolist() if at < size]
        for which in (0, 1):
            edges[which] += range(start, start + size, plan.lengths[which])
    return orders, [[*one, n] for one in edges]
