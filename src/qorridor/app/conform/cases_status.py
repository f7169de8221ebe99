"""Get status: C1, C2, C3, C60."""

from __future__ import annotations

from urllib.parse import quote

from qorridor.app.conform.bench import Bench
from qorridor.app.conform.checks import brief
from qorridor.prove.conformance import judgement
from qorridor.prove.conformance.verdicts import expect, inconclusive, skip


def _path(bench: Bench) -> str:
    return f"{quote(bench.parties.b.sae_id, safe='')}/status"


async def c1_status_is_whole(bench: Bench) -> None:
    """Eleven members, right types, JSON."""
    answer = await bench.ask(bench.parties.a, "GET", _path(bench))
    expect(answer.status == 200, f"{brief(answer)} instead of 200")
    kind = answer.header("content-type").partition(";")[0].strip().lower()
    expect(kind == "application/json", f"the Content-Type is {kind or 'missing'}")
    told = judgement.json_object(answer.body)
    expect(told is not None, "the body is no JSON object")
    faults = judgement.status_faults(told or {})
    expect(not faults, "; ".join(faults))


async def c2_status_values_fit(bench: Bench) -> None:
    """The caller is the master, the path's SAE the slave, the sizes are in order."""
    told = await bench.status()
    if judgement.status_faults(told):
        inconclusive("needs a whole status, see C1")
    faults = judgement.value_faults(told, bench.parties.a.sae_id, bench.parties.b.sae_id)
    expect(not faults, "; ".join(faults))


async def c3_post_to_status(bench: Bench) -> None:
    """Get status is a GET."""
    answer = await bench.ask(bench.parties.a, "POST", _path(bench), {})
    expect(answer.status != 200, "POST is answered with 200")


async def c60_stock_falls(bench: Bench) -> None:
    """stored_key_count counts what can be had now."""
    before, number = await bench.stock(), 5
    most = int((await bench.bounds())["max_key_per_request"])
    number = min(number, most)
    await bench.given(number)
    after = await bench.stock()
    if after == before and before == (await bench.bounds())["max_key_count"]:
        skip(f"the stock stands at max_key_count {before}: what lies behind it does not show")
    if after > before - number and after != before:
        inconclusive(f"the stock was refilled during the case: {before}, {number} taken, {after}")
    expect(after == before - number, f"{number} keys were taken and the stock went from {before} to {after}")
