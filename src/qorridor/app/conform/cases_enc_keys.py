"""Get key: C4 to C16."""

from __future__ import annotations

from qorridor.app.conform import checks
from qorridor.app.conform.bench import Bench
from qorridor.prove.conformance import judgement
from qorridor.prove.conformance.judgement import SIZE_NOT_BYTES
from qorridor.prove.conformance.verdicts import expect, inconclusive, skip


async def _sizes(bench: Bench) -> tuple[int, int, int]:
    """Smallest, default and largest size in bits, of whole bytes."""
    told = await bench.bounds()
    return -(-told["min_key_size"] // 8) * 8, told["key_size"], told["max_key_size"] // 8 * 8


async def _most(bench: Bench) -> int:
    return int((await bench.bounds())["max_key_per_request"])


async def c4_get_without_query(bench: Bench) -> None:
    """All members of a Key request have defaults."""
    _, default, _ = await _sizes(bench)
    answer = await bench.enc(bench.parties.a, bench.parties.b, method="GET")
    checks.keys(answer, 1, default, "GET enc_keys")


async def c5_get_number_and_size(bench: Bench) -> None:
    """Two sizes where the KME has two."""
    smallest, default, largest = await _sizes(bench)
    number = min(3, await _most(bench))
    for size in sorted({smallest, largest if largest != smallest else default}):
        query = f"?number={number}&size={size}"
        bench.afford(number)
        answer = await bench.enc(bench.parties.a, bench.parties.b, method="GET", query=query)
        checks.keys(answer, number, size, f"GET enc_keys{query}")


async def c6_get_one_of_both(bench: Bench) -> None:
    """One of both at a time."""
    _, default, largest = await _sizes(bench)
    a, b, number = bench.parties.a, bench.parties.b, min(2, await _most(bench))
    checks.keys(
        await bench.enc(a, b, method="GET", query=f"?number={number}"), number, default, f"?number={number}"
    )
    checks.keys(await bench.enc(a, b, method="GET", query=f"?size={largest}"), 1, largest, f"?size={largest}")


async def c7_post_empty_object(bench: Bench) -> None:
    """{} is a whole Key request."""
    _, default, _ = await _sizes(bench)
    checks.keys(await bench.enc(bench.parties.a, bench.parties.b, {}), 1, default, "POST {}")


async def c8_post_without_body(bench: Bench) -> None:
    """Nothing at all: as {} or refused."""
    _, default, _ = await _sizes(bench)
    answer = await bench.enc(bench.parties.a, bench.parties.b, b"")
    if answer.status == 400:
        bench.note("a body of length 0 is refused")
        return
    checks.keys(answer, 1, default, "a body of length 0")


async def c9_post_number_and_size(bench: Bench) -> None:
    """Exact count, exact length, at two sizes."""
    smallest, default, largest = await _sizes(bench)
    number = min(3, await _most(bench))
    for size, count in ((largest, number), (default if default != largest else smallest, min(2, number))):
        answer = await bench.enc(bench.parties.a, bench.parties.b, {"number": count, "size": size})
        checks.keys(answer, count, size, f"number {count}, size {size}")


async def c10_advertised_bounds(bench: Bench) -> None:
    """max_key_per_request at once, and the largest and smallest size."""
    told = await bench.bounds()
    a, b = bench.parties.a, bench.parties.b
    for size in sorted({told["min_key_size"], told["max_key_size"]}):
        answer = await bench.enc(a, b, {"size": size})
        if answer.status == 400 and size % 8 and judgement.message_of(answer.body) == SIZE_NOT_BYTES:
            bench.note(f"the bound {size} itself is no multiple of 8")
            continue
        checks.keys(answer, 1, size if size % 8 == 0 else None, f"size {size}")
    most = told["max_key_per_request"]
    before = await bench.stock()
    if before < most:
        inconclusive(f"the stock of {before} is smaller than max_key_per_request {most}")
    checks.keys(await bench.enc(a, b, {"number": most}), most, told["key_size"], f"number {most}")


async def c11_number_out_of_bounds(bench: Bench) -> None:
    """0, -1 and one too many."""
    before, most = await bench.stock(), await _most(bench)
    for number in (0, -1, most + 1):
        answer = await bench.enc(bench.parties.a, bench.parties.b, {"number": number})
        checks.refused(answer, f"number {number}")
        checks.has_error(answer, f"number {number}")
    await checks.stock_unchanged(bench, before, "refused numbers")


async def c12_size_out_of_bounds(bench: Bench) -> None:
    """0, negative, too small, too large."""
    told = await bench.bounds()
    sizes = {0, -8, told["min_key_size"] - 8, told["max_key_size"] + 8}
    for size in sorted(size for size in sizes if not told["min_key_size"] <= size <= told["max_key_size"]):
        answer = await bench.enc(bench.parties.a, bench.parties.b, {"size": size})
        expect(answer.status != 200, f"size {size}: keys are given")
        checks.refused(answer, f"size {size}")
        checks.has_error(answer, f"size {size}")


async def c13_size_of_no_whole_bytes(bench: Bench) -> None:
    """Odd sizes are allowed, and so is to refuse them, with the text of the standard."""
    told = await bench.bounds()
    low, high = told["min_key_size"], told["max_key_size"]
    size = 100 if low <= 100 <= high else low + 4
    if size > high:
        skip(f"the KME has one size only, {low} bits")
    answer = await bench.enc(bench.parties.a, bench.parties.b, {"size": size})
    if answer.status != 200:
        checks.refused(answer, f"size {size}", text=SIZE_NOT_BYTES)
        return
    (key,) = checks.keys(answer, 1, -(-size // 8) * 8, f"size {size}")
    expect(judgement.tail_is_zero(key.key, size), f"size {size}: the bits behind it are not zero")


_TYPES = (
    b'{"number": "3"}', b'{"number": 3.0}', b'{"number": true}', b'{"size": "256"}', b'{"size": 256.0}',
    b'{"number": ' + b"1" * 5000 + b"}",
)  # fmt: skip


async def c14_numbers_of_another_type(bench: Bench) -> None:
    """Text, floats, booleans and numbers without end."""
    for body in _TYPES:
        answer = await bench.enc(bench.parties.a, bench.parties.b, body)
        checks.refused(answer, body[:40].decode())


_QUERIES = (
    "number=+3", "number=1_0", "number=%203", "number=%EF%BC%93", "number=", "number=1&number=2", "conform_x=1",
    "number=-1",
)  # fmt: skip


async def c15_odd_query_parameters(bench: Bench) -> None:
    """What int() of some language takes, and what hides a lost extension."""
    for query in _QUERIES:
        answer = await bench.enc(bench.parties.a, bench.parties.b, method="GET", query=f"?{query}")
        checks.refused(answer, f"?{query}")


_STANDING = 4
"""Looks at a stock that does not fall before C16 gives up draining it."""


async def c16_more_than_stocked(bench: Bench) -> None:
    """The stock is drained until one request cannot be met."""
    told = await bench.bounds()
    most, stock = told["max_key_per_request"], await bench.stock()
    if most < 2:
        skip("max_key_per_request is 1: no request can ask for more than one key")
    left = bench.settings.budget - bench.burnt
    if stock > left:
        skip(f"needs a budget that drains the stock: {stock} keys are stocked, {left} of the budget are left")
    standing, before = 0, stock
    while bench.settings.budget - bench.burnt >= most and standing < _STANDING:
        last, before = before, await bench.stock()
        standing = standing + 1 if before >= last else 0
        number = most if before >= most else before + 1
        answer = await bench.ask(bench.parties.a, "POST", bench.enc_path(bench.parties.b), {"number": number})
        if answer.status == 200:
            checks.keys(answer, number, told["key_size"], f"number {number} with {before} stocked")
            continue
        checks.refused(answer, f"number {number} with {before} stocked", (503, 400))
        checks.has_error(answer, f"number {number} with {before} stocked")
        await checks.stock_unchanged(bench, before, "a request that could not be met")
        return
    skip("the stock cannot be drained: it is refilled, larger than status says, or than the budget")
