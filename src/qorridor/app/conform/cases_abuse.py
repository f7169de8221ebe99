"""Odd framing, slow and vanishing clients, restarts, lost peers, what all answers share: C54, C55, C61 to C67."""

from __future__ import annotations

import asyncio
import contextlib
import json
from urllib.parse import quote

from qorridor.adapters.peers import raw_http
from qorridor.adapters.peers.raw_http import RawAnswer, RawConnection
from qorridor.app.conform import checks
from qorridor.app.conform.bench import Bench
from qorridor.app.conform.checks import brief
from qorridor.base.errors import OutsideError
from qorridor.prove.conformance import judgement
from qorridor.prove.conformance.judgement import ENOUGH_BITS, SIGMAS, Key
from qorridor.prove.conformance.verdicts import Finding, Verdict, expect, fail, inconclusive, skip

_MEBI = 1024 * 1024


def _odd_requests(bench: Bench) -> dict[str, bytes]:
    a, host = bench.parties.a, bench.parties.a.kme.authority
    target = f"/api/v1/keys/{bench.enc_path(bench.parties.b)}"
    head = f"POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n".encode()
    padding = json.dumps({"x": "y" * _MEBI}).encode()
    return {
        "a body of 1 MiB": bench.request(a, "POST", target, padding),
        "a header of 64 KiB": bench.request(a, "POST", target, b"{}", ["X-Padding: " + "y" * 65536]),
        "a chunked body": head + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        "Expect: 100-continue": head + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n{}",
        "Content-Length with chunks": head
        + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "two Content-Lengths": head + b"Content-Length: 2\r\nContent-Length: 4\r\n\r\n{}{}",
        "no Host": head.replace(f"Host: {host}\r\n".encode(), b"") + b"Content-Length: 2\r\n\r\n{}",
        "a line that is no header": head + b"nonsense\r\nContent-Length: 2\r\n\r\n{}",
        "no request at all": b"\x00\x01\x02\r\n\r\n",
    }


async def c54_odd_framing(bench: Bench) -> None:
    """Each on a connection of its own; after each a proper request is served."""
    for what, data in _odd_requests(bench).items():
        bench.afford(1)
        answer = await _bounded(bench, data, what)
        if answer is not None:
            bench.note(f"{what}: {answer.status}")
            expect(answer.status < 500 or answer.status in {501, 503}, f"{what}: {brief(answer)}")
            expect(
                what != "two Content-Lengths" or answer.status != 200,
                f"{what} that differ are served (RFC 7230 3.3.3)",
            )
        bench.drop()
        await _still_serves(bench, what)


async def _bounded(bench: Bench, data: bytes, what: str) -> RawAnswer | None:
    """An answer or an end in time; silence is the finding."""
    bench.drop(bench.parties.a)
    try:
        return await bench.send(bench.parties.a, data)
    except TimeoutError:
        fail(f"{what}: neither an answer nor an end in {bench.settings.seconds:g} s")
    except (OutsideError, ConnectionError, ValueError):
        bench.note(f"{what}: the connection ends")
    return None


async def _still_serves(bench: Bench, what: str) -> None:
    try:
        path = f"{quote(bench.parties.b.sae_id, safe='')}/status"
        answer = await bench.ask(bench.parties.a, "GET", path)
    except (OutsideError, ConnectionError, TimeoutError, ValueError) as error:
        fail(f"after {what} a proper request gets no answer: {error}")
    expect(answer.status == 200, f"after {what} a proper request gets {brief(answer)}")


async def c55_pipelining(bench: Bench) -> None:
    """Status for B and for A itself in one packet: the answers must not be swapped."""
    a, b = bench.parties.a, bench.parties.b
    first = bench.request(a, "GET", f"/api/v1/keys/{quote(b.sae_id, safe='')}/status")
    second = bench.request(a, "GET", f"/api/v1/keys/{quote(a.sae_id, safe='')}/status")
    for requests, order in (((first, second), (True, False)), ((second, first), (False, True))):
        answers = await _pipelined(bench, b"".join(requests))
        bench.note(
            f"two requests in one packet: {', '.join(str(answer.status) for answer in answers) or 'closed'}"
        )
        for answer, is_for_b in zip(answers, order, strict=False):
            told = judgement.json_object(answer.body) or {}
            crossed = answer.status == 200 and (not is_for_b or told.get("slave_SAE_ID") != b.sae_id)
            expect(not crossed, "an answer came for the other request")
        expect(len(answers) <= 2, f"{len(answers)} answers came to two requests")


async def _pipelined(bench: Bench, data: bytes) -> list[RawAnswer]:
    answers: list[RawAnswer] = []
    async with bench.connection(bench.parties.a) as connection:
        with contextlib.suppress(ConnectionError, TimeoutError, ValueError):
            answers.append(await bench.send(bench.parties.a, data, connection=connection))
            for seconds in (2.0, 0.2):  # the second answer, and one too many
                async with asyncio.timeout(seconds):
                    answers.append(await connection.receive())
    return answers


async def c61a_form_of_keys(bench: Bench) -> None:
    """All keys of the run."""
    if not bench.ledger.keys:
        inconclusive("no key was given in this run")
    bench.note(f"{bench.ledger.keys} keys were looked at")
    expect(not bench.ledger.faults, "; ".join(bench.ledger.faults[:3]))


async def c61b_values_of_keys(bench: Bench) -> None:
    """All keys of the run, and more until there are enough bits. It shows gross faults only."""
    told = await bench.bounds()
    size, most = told["max_key_size"] // 8 * 8, told["max_key_per_request"]
    while bench.ledger.bits < ENOUGH_BITS and size:
        number = min(most, -(-(ENOUGH_BITS - bench.ledger.bits) // size))
        answer = await bench.enc(bench.parties.a, bench.parties.b, {"number": number, "size": size})
        if answer.status != 200 or not bench.ledger.keys:
            break
    ledger = bench.ledger
    bench.note(f"{ledger.keys} keys, {ledger.bits} bits, {ledger.ones} ones: {ledger.deviation:.1f} sigma")
    expect(not ledger.clashes, "; ".join(ledger.clashes[:3]))
    if ledger.bits < ENOUGH_BITS:
        inconclusive(f"{ledger.bits} bits were given, {ENOUGH_BITS} are needed")
    expect(
        ledger.deviation <= SIGMAS, f"{ledger.ones} ones in {ledger.bits} bits: {ledger.deviation:.1f} sigma"
    )


async def c62_no_store(bench: Bench) -> None:
    """Caches between KME and SAE must not keep keys."""
    faults = [f"{what} ({count} times)" for what, count in bench.cacheable.most_common(4)]
    if not bench.answers:
        inconclusive("no answer was seen in this run")
    expect(not faults, f"no Cache-Control: no-store on {', '.join(faults)}")


async def c64_half_sent(bench: Bench) -> None:
    """A sends half requests and waits; B works; in the end the KME has closed what hung."""
    a, b, count = bench.parties.a, bench.parties.b, bench.settings.half_sent
    half = bench.request(a, "POST", f"/api/v1/keys/{bench.enc_path(b)}", b"{}")[:-1]
    stuck: list[RawConnection] = []
    try:
        for _ in range(count):
            with contextlib.suppress(OutsideError):  # a KME may bound the connections of one SAE
                stuck.append(await raw_http.dial(a.kme.host, a.kme.port, a.context()))
        expect(stuck, "no connection could be opened")
        for connection in stuck:
            with contextlib.suppress(ConnectionError):
                await connection.send(half)
        path = f"{quote(a.sae_id, safe='')}/status"
        for _ in range(3):
            bench.drop(b)
            answer = await bench.ask(b, "GET", path)
            expect(answer.status == 200, f"another SAE gets {brief(answer)} meanwhile")
        closed = await asyncio.gather(*(connection.ended(bench.settings.hold) for connection in stuck))
    finally:
        for connection in stuck:
            connection.abort()
    bench.note(f"{len(stuck)} of {count} connections were opened, {sum(closed)} were closed by the KME")
    expect(
        all(closed),
        f"{closed.count(False)} half-sent requests are still open after {bench.settings.hold:g} s",
    )


async def c65_slave_leaves(bench: Bench) -> None:
    """B sends dec_keys and is gone; then it asks again, and again."""
    a, b = bench.parties.a, bench.parties.b
    again = 0
    for number in range(1, bench.settings.leaving + 1):
        (key,) = await bench.given()
        body = json.dumps({"key_IDs": [{"key_ID": key.key_id}]}).encode()
        data = bench.request(b, "POST", f"/api/v1/keys/{quote(a.sae_id, safe='')}/dec_keys", body)
        gone = await raw_http.dial(b.kme.host, b.kme.port, b.context())
        await gone.send(data)
        if number % 2:
            await asyncio.sleep(0.01)  # once before the KME has answered, once after
        gone.abort()
        answers = [await bench.dec(b, a, [key.key_id]) for _ in range(2)]
        odd = [answer for answer in answers if answer.status not in {200, 400}]
        expect(not odd, f"a fetch after the slave had gone: {brief(odd[0]) if odd else ''}")
        again += answers[0].status == 200
        expect(answers[1].status == 400, f"key {number}: a key was served twice after the slave had gone")
    bench.note(f"{again} of {bench.settings.leaving} keys were served to the second call")


async def _after_restart(bench: Bench, given: list[Key]) -> RawAnswer:
    """The first answer of a KME that has just come back."""
    bench.drop()
    for _ in range(30):
        try:
            answer = await bench.dec(bench.parties.b, bench.parties.a, [key.key_id for key in given])
        except (OutsideError, ConnectionError, TimeoutError, ValueError):
            answer = None
        if answer is not None and answer.status != 503:
            return answer
        await asyncio.sleep(1.0)
    raise Finding(Verdict.INCONCLUSIVE, "the KME does not come back in half a minute")


async def c66_restart(bench: Bench) -> None:
    """One key delivered before, one still waiting."""
    hook = bench.settings.hooks.get("restart")
    if hook is None:
        skip("needs --restart-hook")
    a, b = bench.parties.a, bench.parties.b
    (delivered,), (waiting,) = await bench.given(), await bench.given()
    await checks.fetches(bench, b, a, [delivered], "before the restart")
    await hook()
    again = await _after_restart(bench, [delivered])
    expect(again.status != 200, "a key that was delivered is delivered again after the restart")
    answer = await bench.dec(b, a, [waiting.key_id])
    expect(answer.status in {200, 400}, f"a key that waited: {brief(answer)} after the restart")
    bench.note(
        "a key that waited is " + ("served" if answer.status == 200 else "gone") + " after the restart"
    )
    before = bench.ledger.clashes[:]
    await bench.given(2)
    expect(bench.ledger.clashes == before, "a key that was given is given again after the restart")


async def c67_peer_down(bench: Bench) -> None:
    """A asks while B's KME is away: 503 in time, or a key that B gets later."""
    stop, start = bench.settings.hooks.get("peer-stop"), bench.settings.hooks.get("peer-start")
    if stop is None or start is None:
        skip("needs --peer-stop-hook and --peer-start-hook")
    a, b = bench.parties.a, bench.parties.b
    if a.kme == b.kme:
        skip("needs --peer-kme: both SAEs use one KME")
    await stop()
    bench.drop(b)
    try:
        answer = await bench.enc(a, b, {})
    finally:
        await start()
    if answer.status != 200:
        checks.refused(answer, "Get key without the peer KME", (503,))
        return
    given = checks.keys(answer, 1, None, "Get key without the peer KME")
    fetched = await _after_restart(bench, given)
    expect(fetched.status == 200, f"the peer never learns a key that was given: {brief(fetched)}")
