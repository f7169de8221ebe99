"""Extensions, multicast and the form of a body: C44 to C53."""

from __future__ import annotations

from urllib.parse import quote

from qorridor.app.conform import checks
from qorridor.app.conform.bench import Bench
from qorridor.app.conform.checks import brief
from qorridor.prove.conformance.judgement import (
    MANDATORY_NOT_MET,
    MANDATORY_UNSUPPORTED,
    OPTIONAL_NOT_HANDLED,
    Key,
)
from qorridor.prove.conformance.verdicts import expect, fail, inconclusive, skip

_UNKNOWN = {"conform_unknown": "x"}


async def c44_unknown_mandatory(bench: Bench) -> None:
    """The exact text, and the stock as it was."""
    before = await bench.stock()
    answer = await bench.enc(bench.parties.a, bench.parties.b, {"extension_mandatory": [_UNKNOWN]})
    checks.refused(answer, "an unknown mandatory extension", text=MANDATORY_UNSUPPORTED)
    await checks.stock_unchanged(bench, before, "an unknown mandatory extension")


async def c45_unsatisfiable(bench: Bench) -> None:
    """A name that the KME knows and a value that it cannot meet."""
    known = bench.settings.unsatisfiable
    if known is None:
        skip("needs --unsatisfiable")
    answer = await bench.enc(bench.parties.a, bench.parties.b, {"extension_mandatory": [dict(known)]})
    checks.refused(answer, "a mandatory extension that cannot be met", text=MANDATORY_NOT_MET)


async def c46_unknown_optional(bench: Bench) -> None:
    """Ignored, or refused with the text for it."""
    answer = await bench.enc(bench.parties.a, bench.parties.b, {"extension_optional": [_UNKNOWN]})
    if answer.status != 200:
        checks.refused(answer, "an unknown optional extension", text=OPTIONAL_NOT_HANDLED)
        return
    checks.keys(answer, 1, None, "an unknown optional extension")


async def c47_both_extensions(bench: Bench) -> None:
    """Mandatory wins; an empty list is none; one object is as good as a list of one."""
    a, b = bench.parties.a, bench.parties.b
    both = {"extension_mandatory": [_UNKNOWN], "extension_optional": [_UNKNOWN]}
    checks.refused(await bench.enc(a, b, both), "both kinds", text=MANDATORY_UNSUPPORTED)
    checks.keys(await bench.enc(a, b, {"extension_mandatory": []}), 1, None, "an empty list")
    one = {"extension_mandatory": _UNKNOWN}
    checks.refused(await bench.enc(a, b, one), "an object instead of a list", text=MANDATORY_UNSUPPORTED)


async def _multicast(bench: Bench) -> int:
    count = (await bench.status()).get("max_SAE_ID_count")
    if type(count) is not int:
        inconclusive("status gives no max_SAE_ID_count, see C1")
    return count


async def c48_no_multicast(bench: Bench) -> None:
    """A further slave where none is offered."""
    if await _multicast(bench):
        skip("the KME offers multicast, see C49")
    third = bench.parties.c.sae_id if bench.parties.c is not None else "conform-nobody"
    before = await bench.stock()
    answer = await bench.enc(bench.parties.a, bench.parties.b, {"additional_slave_SAE_IDs": [third]})
    checks.refused(answer, "a further slave with max_SAE_ID_count 0")
    await checks.stock_unchanged(bench, before, "a further slave")


async def c49_multicast(bench: Bench) -> None:
    """Two keys, fetched in either order; C gets what B gets, each once."""
    if not await _multicast(bench):
        skip("the KME offers no multicast: max_SAE_ID_count is 0")
    third, a, b = bench.third(), bench.parties.a, bench.parties.b
    for order in ((b, third), (third, b)):
        answer = await bench.enc(a, b, {"additional_slave_SAE_IDs": [third.sae_id]})
        given: list[Key] = checks.keys(answer, 1, None, "multicast")
        for slave in order:
            await checks.fetches(bench, slave, a, given, f"{slave.role} of a multicast")
        for slave in order:
            again = await bench.dec(slave, a, [given[0].key_id])
            checks.not_found(again, f"the second fetch of {slave.role}")


async def c50a_too_many_slaves(bench: Bench) -> None:
    """One more than max_SAE_ID_count."""
    most = await _multicast(bench)
    if not most:
        skip("the KME offers no multicast, see C48")
    before = await bench.stock()
    slaves = [f"conform-nobody-{number}" for number in range(most + 1)]
    answer = await bench.enc(bench.parties.a, bench.parties.b, {"additional_slave_SAE_IDs": slaves})
    checks.refused(answer, f"{most + 1} further slaves", (400, 401))
    await checks.stock_unchanged(bench, before, "too many slaves")


async def c50b_odd_slaves(bench: Bench) -> None:
    """Twice, the caller, the slave itself, somebody unknown."""
    if not await _multicast(bench):
        skip("the KME offers no multicast, see C48")
    third, a, b = bench.third(), bench.parties.a, bench.parties.b
    before = await bench.stock()
    for what, slaves in {
        "a slave twice": [third.sae_id] * 2, "the caller": [a.sae_id], "the slave itself": [b.sae_id],
        "an unknown slave": ["conform-nobody"],
    }.items():  # fmt: skip
        checks.refused(await bench.enc(a, b, {"additional_slave_SAE_IDs": slaves}), what, (400, 401))
    await checks.stock_unchanged(bench, before, "odd lists of slaves")


_DEEP = 100_000
_BROKEN = {
    "no JSON": b"number=1&size=256", "half an object": b'{"number": 1', "an array at the top": b"[]",
    "text at the top": b'"x"', "NaN": b'{"number": NaN}', "bytes that are no UTF-8": b'{"x": "\xff\xfe"}',
    "UTF-16": '{"number": 1}'.encode("utf-16"), "two objects": b"{}{}",
}  # fmt: skip


async def c51a_no_json_object(bench: Bench) -> None:
    """400 with Error in JSON; not 422, not HTML, not 500, and no default request either."""
    a, b = bench.parties.a, bench.parties.b
    for what, body in _BROKEN.items():
        answer = await bench.enc(a, b, body)
        checks.refused(answer, what)
        checks.has_error(answer, what)
    answer = await bench.ask(b, "POST", f"{quote(a.sae_id, safe='')}/dec_keys", b"{")
    checks.refused(answer, "half an object to dec_keys")
    checks.has_error(answer, "half an object to dec_keys")
    deep = await bench.attempt(a, bench.request(a, "POST", f"/api/v1/keys/{bench.enc_path(b)}", b"[" * _DEEP))
    if deep is None:
        bench.note(f"{_DEEP} brackets: the connection ends")
    else:
        checks.refused(deep, f"{_DEEP} brackets", (400, 413))


async def c51b_name_twice(bench: Bench) -> None:
    """Parsers disagree on which one counts."""
    answer = await bench.enc(bench.parties.a, bench.parties.b, b'{"number": 1, "number": 1}')
    checks.refused(answer, "a member name twice")


async def c52_errors(bench: Bench) -> None:
    """Every 400 and 503 of the run."""
    if not bench.errors:
        inconclusive("no refusal was seen in this run")
    faults = [f"{fault} ({count} times)" for fault, count in bench.error_faults.most_common(5)]
    expect(not faults, "; ".join(faults))
    bench.note(f"{bench.errors} refusals were looked at")


async def c53_content_type(bench: Bench) -> None:
    """Clients that never set it send what their library likes."""
    a, b = bench.parties.a, bench.parties.b
    target = f"/api/v1/keys/{bench.enc_path(b)}"
    refused = []
    for kind in ("application/json; charset=utf-8", "application/x-www-form-urlencoded", "text/plain", ""):
        lines = [f"Content-Type: {kind}"] if kind else []
        bench.afford(1)
        data = bench.request(a, "POST", target, None, [*lines, "Content-Length: 2"]) + b"{}"
        answer = await bench.send(a, data)
        bench.note(f"{kind or 'no Content-Type'}: {brief(answer)}")
        if answer.status != 200:
            refused.append(kind or "none")
    if refused:
        fail(f"refused: {', '.join(refused)}")
