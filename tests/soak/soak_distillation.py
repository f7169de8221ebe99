"""10^8 sifted bits through real sessions of both link ends, with random faults: equal keys or none, always.

    make soak                          all soaks
    SOAK_SEED=7 SOAK_BITS=1e9 make soak

Sessions, protocol, pool on disk and simulator are those of `run`; the connection is in memory, so that its
faults can be chosen.
"""

import asyncio
import os
from collections import Counter
from dataclasses import dataclass, field

from qorridor.app import link_session
from qorridor.app.link_session import LinkSession
from qorridor.base.errors import LinkError, OutsideError
from qorridor.distill.block import Settings
from qorridor.distill.codec import Names
from qorridor.distill.finite_key import Security, Source
from qorridor.distill.record import recompute_length
from qorridor.plan.finite_blocks import expected, promised
from tests.app.link_bench import LINK, state
from tests.distill.bench import Optics
from tests.soak.faults import Module, Plan, wires

SEED = int(os.environ.get("SOAK_SEED", "1"))
BITS = int(float(os.environ.get("SOAK_BITS", "1e8")))
N_KEY = 1_000_000
SITES = ("london", "hayes")
ENDS = (OSError, TimeoutError, OutsideError, LinkError)


def settings():
    source, security = Source(LINK.intensities, LINK.probabilities), Security()
    seen = expected(LINK, N_KEY)
    length, cap = promised(source, security, seen, N_KEY)
    return Settings(
        Names("london-hayes", *SITES), source, security, n_key=N_KEY, key_basis=LINK.key_basis,
        start_qber=round(seen.qber, 4), l_fixed=length, leak_cap=cap,
    )  # fmt: skip


@dataclass
class Tally:
    bits: int = 0
    key: int = 0
    blocks: int = 0
    calm: int = 0
    calm_lost: list = field(default_factory=list)
    one_sided: int = 0
    causes: Counter = field(default_factory=Counter)
    used: dict = field(default_factory=dict)
    tags: int = 0

    def add(self, plan, outcomes):
        """Both ends' outcomes of one block, None for an end that was killed or never began."""
        self.blocks += 1
        released = [outcome for outcome in outcomes if outcome is not None and outcome.released]
        if all(outcome is not None and "leak_alice" in outcome.record for outcome in outcomes):
            self.bits += N_KEY  # reconciled to the end at both
        for outcome in outcomes:
            self.causes["killed" if outcome is None else outcome.cause or "released"] += 1
            if outcome is not None:
                self._check(outcome)
        if len(released) == 2:
            left, right = released
            assert left.key == right.key
            assert (left.block_id, left.sequence) == (right.block_id, right.sequence)
            self.key += 8 * len(left.key)
        self.one_sided += len(released) == 1
        if plan.is_calm:
            self.calm += 1
            if len(released) < 2:
                self.calm_lost.append([outcome and outcome.record.get("abort_text") for outcome in outcomes])

    @staticmethod
    def _check(outcome):
        record = outcome.record
        assert recompute_length(record) == record["l"]
        assert (outcome.key is not None) == (record["state"] == "RELEASED") == (record["l"] > 0)
        assert record["state"] == "RELEASED" or record["abort_cause"]

    def watch(self, made):
        """Every one-time value of a pool is used once, whatever restarts come between."""
        note = made.files.note

        def checked(direction, index):
            key = (made.site, made.pool_id, direction)
            assert index > self.used.get(key, 0)
            self.used[key] = index
            self.tags += 1
            note(direction, index)

        made.files.note = checked
        if made.endpoint is not None:
            for lane in made.endpoint.auth._lanes:
                lane._persist = checked


def began(folder, tally, site):
    made = state(site, folder, settings())
    made.patience = 5.0
    tally.watch(made)
    return made


async def one_end(session, plan, number):
    """What became of the block at this end; None where it was killed or never met the other."""
    try:
        endpoint = await session.open()
        flow = asyncio.create_task(session.say_flow())
        try:
            block = asyncio.ensure_future(session.block(endpoint))
            if plan.kill == number:
                await asyncio.wait({block}, timeout=plan.moment)
                if not block.done():
                    block.cancel()
                    await asyncio.gather(block, return_exceptions=True)
                    return None
            return await block
        finally:
            flow.cancel()
            await asyncio.gather(flow, return_exceptions=True)
    except ENDS:
        return None
    finally:
        await session.close()


async def soak(folder, tally):
    optics, states = Optics(LINK, SEED), [began(folder, tally, site) for site in SITES]
    while tally.bits < BITS:
        plan = Plan(SEED, tally.blocks)
        optics.conditions = plan.conditions()
        ends = wires(plan, b"connection %d" % tally.blocks)
        modules = [Module(optics), Module(optics)]
        sessions = [LinkSession(*parts) for parts in zip(states, ends, modules, strict=True)]
        outcomes = await asyncio.gather(*(one_end(s, plan, number) for number, s in enumerate(sessions)))
        tally.add(plan, outcomes)
        if tally.blocks % 10 == 0:
            print(f"{tally.blocks} blocks, {tally.bits:.2e} sifted bits, {tally.key:.2e} bits of key")
        if plan.kill is not None:
            states[plan.kill].files.close()
            states[plan.kill] = began(folder, tally, SITES[plan.kill])
        if not all(outcome is not None and outcome.released for outcome in outcomes):
            optics.buffer = [column[:0] for column in optics.buffer]  # what was seen under a fault is gone


def test_equal_keys_or_none_over_a_hundred_million_sifted_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(link_session, "SILENCE_SECONDS", 5.0)
    tally = Tally()
    asyncio.run(soak(tmp_path, tally))
    print(
        f"seed {SEED}: {tally.blocks} blocks, {tally.bits:,} sifted bits, {tally.key:,} bits of key, {tally.tags} tags"
    )
    print(f"ends: {dict(tally.causes)}; released at one end only: {tally.one_sided}; calm: {tally.calm}")
    assert tally.bits >= BITS
    assert tally.calm_lost == []
    assert tally.key > 0
