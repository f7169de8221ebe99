"""Many at once: C56 to C59."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from qorridor.adapters.peers import raw_http
from qorridor.adapters.peers.raw_http import RawAnswer, RawConnection
from qorridor.app.conform import checks
from qorridor.app.conform.bench import Bench
from qorridor.app.conform.checks import brief
from qorridor.app.conform.parties import Party
from qorridor.prove.conformance import judgement
from qorridor.prove.conformance.judgement import Key
from qorridor.prove.conformance.verdicts import expect, inconclusive

T = TypeVar("T")
_LANES = 8
"""Connections per SAE that ask without a pause (C57)."""


async def _together(calls: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    """All calls at once; the first that fails ends the others and is the finding."""
    tasks = [asyncio.create_task(_coroutine(call)) for call in calls]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _coroutine(call: Callable[[], Awaitable[T]]) -> T:
    return await call()


def _given(answer: RawAnswer, what: str) -> list[Key]:
    """One key; a KME that limits what it gives proves nothing."""
    if answer.status == 503:
        inconclusive(f"{what}: {brief(answer)}: the KME gives no more just now")
    return checks.keys(answer, 1, None, what)


def _distinct(keys: Sequence[Key]) -> None:
    """No key_ID and no value twice."""
    ids = [key.key_id.lower() for key in keys]
    expect(len(set(ids)) == len(ids), f"{len(ids) - len(set(ids))} key_IDs were given twice")
    values = {bytes(key.key.reveal()) for key in keys}
    expect(len(values) == len(keys), f"{len(keys) - len(values)} key values were given twice")


async def c56_parallel_get_key(bench: Bench) -> None:
    """As many connections as calls; then everything is fetched."""
    a, b, count = bench.parties.a, bench.parties.b, bench.settings.parallel
    bench.afford(count)
    stock = await bench.stock()
    if stock < count:
        inconclusive(f"needs {count} keys, {stock} are stocked")

    async def one() -> RawAnswer:
        async with bench.connection(a) as connection:
            return await bench.enc(a, b, {"number": 1}, connection=connection)

    answers = await _together([one] * count)
    given = [key for answer in answers for key in _given(answer, f"one of {count} parallel calls")]
    _distinct(given)
    most = int((await bench.bounds())["max_key_per_request"])
    for start in range(0, count, most):
        await checks.fetches(bench, b, a, given[start : start + most], "what the parallel calls gave")


async def c57_both_ways(bench: Bench) -> None:
    """A for B and B for A; each answer in time, every key equal at both ends."""
    a, b, count = bench.parties.a, bench.parties.b, bench.settings.both_ways
    bench.afford(2 * count)
    lanes = min(_LANES, count)
    stock = await bench.stock()
    if stock < 2 * count:
        inconclusive(f"needs {2 * count} keys, {stock} are stocked")

    def lane(master: Party, slave: Party, number: int) -> Callable[[], Awaitable[list[Key]]]:
        async def body() -> list[Key]:
            async with bench.connection(master) as asks, bench.connection(slave) as gets:
                return [await _pair(bench, master, slave, asks, gets) for _ in range(number)]

        return body

    shares = [count // lanes + (index < count % lanes) for index in range(lanes)]
    calls = [lane(*ends, number) for number in shares for ends in ((a, b), (b, a))]
    _distinct([key for keys in await _together(calls) for key in keys])


async def _pair(bench: Bench, master: Party, slave: Party, asks: RawConnection, gets: RawConnection) -> Key:
    answer = await bench.enc(master, slave, {"number": 1}, connection=asks)
    (key,) = _given(answer, f"{master.role} for {slave.role}")
    fetched = await bench.dec(slave, master, [key.key_id], connection=gets)
    (same,) = checks.keys(fetched, 1, None, f"{slave.role} fetches what {master.role} got")
    fault = judgement.same_keys([key], [same])
    expect(not fault, fault)
    return key


async def c58_one_key_many_fetches(bench: Bench) -> None:
    """Four keys, each fetched by many connections at the same moment."""
    b, a, count = bench.parties.b, bench.parties.a, bench.settings.fetches
    for _ in range(4):
        (key,) = await bench.given()
        connections = [await _opened(b) for _ in range(count)]
        try:
            calls = [_fetch(bench, b, a, key, connection) for connection in connections]
            answers = await _together(calls)
        finally:
            for connection in connections:
                connection.close()
        served = sum(answer.status == 200 for answer in answers)
        expect(served == 1, f"{served} of {count} parallel fetches of one key got it")
        odd = [answer for answer in answers if answer.status not in {200, 400, 503}]
        expect(not odd, f"a fetch that came too late: {brief(odd[0]) if odd else ''}")


async def _opened(party: Party) -> RawConnection:
    return await raw_http.dial(party.kme.host, party.kme.port, party.context())


def _fetch(
    bench: Bench, caller: Party, master: Party, key: Key, connection: RawConnection
) -> Callable[[], Awaitable[RawAnswer]]:
    return lambda: bench.dec(caller, master, [key.key_id], connection=connection)


async def c59_at_once(bench: Bench) -> None:
    """B asks in the moment in which A's answer has arrived."""
    a, b, count = bench.parties.a, bench.parties.b, bench.settings.at_once
    bench.afford(count)
    stock = await bench.stock()
    if stock < count:
        inconclusive(f"needs {count} keys, {stock} are stocked")
    async with bench.connection(a) as asks, bench.connection(b) as gets:
        for number in range(1, count + 1):
            answer = await bench.enc(a, b, {"number": 1}, connection=asks)
            (key,) = _given(answer, f"key {number}")
            fetched = await bench.dec(b, a, [key.key_id], connection=gets)
            expect(
                fetched.status == 200, f"key {number} of {count}: {brief(fetched)} right after it was given"
            )
