"""Get key with key IDs: C17 to C31."""

from __future__ import annotations

import uuid
from urllib.parse import quote

from qorridor.adapters.peers.raw_http import RawAnswer
from qorridor.app.conform import checks
from qorridor.app.conform.bench import Bench
from qorridor.app.conform.checks import brief
from qorridor.app.conform.parties import Party
from qorridor.prove.conformance import judgement
from qorridor.prove.conformance.judgement import Key
from qorridor.prove.conformance.verdicts import expect, inconclusive


def _unknown() -> str:
    return str(uuid.uuid4())


def _path(master: Party) -> str:
    return f"{quote(master.sae_id, safe='')}/dec_keys"


async def c17_same_keys_at_both_ends(bench: Bench) -> None:
    """All IDs of one Get key."""
    most = int((await bench.bounds())["max_key_per_request"])
    given = await bench.given(min(3, most))
    await checks.fetches(bench, bench.parties.b, bench.parties.a, given)


async def c18_fetch_by_get(bench: Bench) -> None:
    """?key_ID= for exactly one."""
    given = await bench.given()
    path = f"{_path(bench.parties.a)}?key_ID={given[0].key_id}"
    answer = await bench.ask(bench.parties.b, "GET", path)
    found = checks.keys(answer, 1, None, "GET dec_keys")
    fault = judgement.same_keys(given, found)
    expect(not fault, f"GET dec_keys: {fault}")


async def c19_gone_after_fetch(bench: Bench) -> None:
    """No second delivery."""
    (key,) = await bench.given()
    await _must_fetch(bench, [key])
    checks.not_found(await bench.dec(bench.parties.b, bench.parties.a, [key.key_id]), "the second fetch")


async def _must_fetch(bench: Bench, given: list[Key]) -> None:
    """A fetch that another case judges."""
    answer = await bench.dec(bench.parties.b, bench.parties.a, [key.key_id for key in given])
    if answer.status != 200:
        inconclusive(f"the key that this case needs could not be fetched: {brief(answer)}")


async def c20_second_does_not_discard_first(bench: Bench) -> None:
    """Fetched in reverse order."""
    first, second = await bench.given(), await bench.given()
    await checks.fetches(bench, bench.parties.b, bench.parties.a, second, "the second key")
    await checks.fetches(bench, bench.parties.b, bench.parties.a, first, "the first key")


async def c21_unknown_key_id(bench: Bench) -> None:
    """A random UUID."""
    checks.not_found(await bench.dec(bench.parties.b, bench.parties.a, [_unknown()]), "an unknown key_ID")


async def c22_all_or_nothing(bench: Bench) -> None:
    """One good, one unknown, in both orders."""
    (key,) = await bench.given()
    for key_ids in ([key.key_id, _unknown()], [_unknown(), key.key_id]):
        answer = await bench.dec(bench.parties.b, bench.parties.a, key_ids)
        checks.not_found(answer, "one good and one unknown ID")
    await checks.fetches(bench, bench.parties.b, bench.parties.a, [key], "the good ID alone, afterwards")


async def c23_ids_as_strings(bench: Bench) -> None:
    """Clause 6.4 has objects."""
    (key,) = await bench.given()
    answer = await bench.ask(bench.parties.b, "POST", _path(bench.parties.a), {"key_IDs": [key.key_id]})
    checks.refused(answer, "key_IDs as an array of strings")


async def c24_odd_key_ids(bench: Bench) -> None:
    """Empty, missing, repeated, too many; the key is still there."""
    (key,) = await bench.given()
    most = int((await bench.bounds())["max_key_per_request"])
    entry = {"key_ID": key.key_id}
    bodies = {
        "an empty list": {"key_IDs": []}, "no key_IDs": {}, "an entry without key_ID": {"key_IDs": [{}]},
        "the same ID twice": {"key_IDs": [entry, entry]},
        f"{most + 1} IDs": {"key_IDs": [entry, *({"key_ID": _unknown()} for _ in range(most))]},
    }  # fmt: skip
    for what, body in bodies.items():
        answer = await bench.ask(bench.parties.b, "POST", _path(bench.parties.a), body)
        checks.refused(answer, what)
    await checks.fetches(bench, bench.parties.b, bench.parties.a, [key], "the key, afterwards")


async def c25_upper_case(bench: Bench) -> None:
    """RFC 9562: hexadecimal digits in any case."""
    (key,) = await bench.given()
    answer = await bench.dec(bench.parties.b, bench.parties.a, [key.key_id.upper()])
    found = checks.keys(answer, 1, None, "the key_ID in upper case")
    expect(found[0].key == key.key, "another key came")


async def c26_no_uuid(bench: Bench) -> None:
    """What lenient parsers, file systems and databases stumble over."""
    some = _unknown()
    odd = (
        f"{{{some}}}", f"urn:uuid:{some}", some.replace("-", ""), f"../../{some}", "a" * 10_000, "\0", "' OR '1'='1",
        "", f" {some}", "%00", "../../../../etc/passwd",
    )  # fmt: skip
    for key_id in odd:
        answer = await bench.dec(bench.parties.b, bench.parties.a, [key_id])
        checks.refused(answer, f"key_ID {key_id[:32]!r}")
    path = f"{_path(bench.parties.a)}?key_ID=%27%20OR%20%271%27=%271"
    checks.refused(await bench.ask(bench.parties.b, "GET", path), "key_ID ' OR '1'='1 in a query")


async def c27_outsider(bench: Bench) -> None:
    """C asks for a key of A and B."""
    outsider, (key,) = bench.third(), await bench.given()
    answer = await bench.dec(outsider, bench.parties.a, [key.key_id])
    checks.unauthorised(answer, "an SAE that the key is not for")
    await checks.fetches(bench, bench.parties.b, bench.parties.a, [key], "the slave, afterwards")


async def c28_master_fetches(bench: Bench) -> None:
    """A asks for its own key, as if B had made it and as if itself had."""
    (key,) = await bench.given()
    answer = await bench.dec(bench.parties.a, bench.parties.b, [key.key_id])
    refused_by = answer if answer.status != 400 else await _as_own(bench, key)
    checks.unauthorised(refused_by, "the master of the key")
    await checks.fetches(bench, bench.parties.b, bench.parties.a, [key], "the slave, afterwards")


async def _as_own(bench: Bench, key: Key) -> RawAnswer:
    bench.note("with the slave in the path the master gets 400: there the KME looks at the path first")
    return await bench.dec(bench.parties.a, bench.parties.a, [key.key_id])


async def c29_one_foreign_key(bench: Bench) -> None:
    """A gave one key to B and one to C; B asks for both."""
    third = bench.third()
    (mine,), (theirs,) = await bench.given(), await bench.given(slave=third)
    for key_ids in ([mine.key_id, theirs.key_id], [theirs.key_id, mine.key_id]):
        answer = await bench.dec(bench.parties.b, bench.parties.a, key_ids)
        checks.unauthorised(answer, "own and foreign ID together")
    await checks.fetches(bench, bench.parties.b, bench.parties.a, [mine], "B's own key, afterwards")
    await checks.fetches(bench, third, bench.parties.a, [theirs], "C's key, afterwards")


async def c30_wrong_master(bench: Bench) -> None:
    """The right caller names another master."""
    (key,) = await bench.given()
    wrong = bench.parties.c.sae_id if bench.parties.c is not None else "conform-nobody"
    body = {"key_IDs": [{"key_ID": key.key_id}]}
    answer = await bench.ask(bench.parties.b, "POST", f"{quote(wrong, safe='')}/dec_keys", body)
    checks.refused(answer, "another master in the path", (400, 401))
    await checks.fetches(bench, bench.parties.b, bench.parties.a, [key], "the right path, afterwards")


async def c31_two_masters(bench: Bench) -> None:
    """A's key is for B, C's key is for A; B asks for both."""
    third, (mine,) = bench.third(), await bench.given()
    (theirs,) = await bench.given(master=third, slave=bench.parties.a)
    answer = await bench.dec(bench.parties.b, bench.parties.a, [mine.key_id, theirs.key_id])
    checks.unauthorised(answer, "keys of two masters, one of them foreign")
    await checks.fetches(bench, bench.parties.b, bench.parties.a, [mine], "B's own key, afterwards")
