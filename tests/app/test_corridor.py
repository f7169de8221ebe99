"""Both ends of a corridor over real stores, real mutual TLS and a trusted node; only the encryptors are played."""

import contextlib
import json
import sqlite3
from dataclasses import replace

import pytest

from qorridor.adapters.wire.key_exchange import HybridKeyExchange
from qorridor.adapters.wire.signing import NodeSigner
from qorridor.app.corridor import CorridorEnd
from qorridor.base import cbor
from qorridor.base.errors import KeySupplyError, OutsideError, QorridorError
from qorridor.combine.components import Suite
from qorridor.run.corridor_state import Limits, Proposal, State
from qorridor.run.registry import Registry, SaeEntry
from qorridor.run.roll_frames import frame, read_frame
from qorridor.run.roll_terms import RollTerms
from qorridor.run.transition import read_transition
from tests.support.encryptors import Driver, Wire
from tests.support.loop import run
from tests.support.nodes import Net
from tests.support.world import Entropy

ENDS = ("london", "slough")
TERMS = RollTerms(
    "thames", "core", ("london", "hayes", "slough"), ("core-london", "core-slough"),
    Suite("MLKEM768-X25519-HKDF-SHA384"), "policy", bytes(48),
)  # fmt: skip
LIMITS = Limits(
    interval=2, floor=4, reserve=10, fallback="pqc", fallback_limit=600, no_fresh_key=12, window=24,
    down_factor=0.8, up_factor=1.2, return_after=4, dwell=2, max_transitions_per_hour=600,
)  # fmt: skip


class Corridor(Net):
    """`thames` from London over Hayes to Slough; time passes when `second` says so."""

    window = 24.0
    registry = Registry({
        "core-london": SaeEntry("core-london", "london", frozenset({"core-slough"}), tunnel=True),
        "core-slough": SaeEntry("core-slough", "slough", frozenset({"core-london"}), tunnel=True),
    })  # fmt: skip

    def __init__(self, organisation, folder, limits=LIMITS, **alarms):
        super().__init__(organisation, folder)
        self.limits, self.alarms = limits, alarms
        self.wire, self.ends, self.sequence, self.troubles = Wire(), {}, 0, []
        self.tampered, self.simulated = None, True

    async def __aenter__(self):
        await super().__aenter__()
        for site in ENDS:
            self.build(site)
        return self

    def build(self, site):
        """The end at `site` as a fresh process finds it."""
        other = ENDS[1 - ENDS.index(site)]
        peer = self._client(site, other)
        self.clients[site][other] = peer

        async def control(data):
            return await peer.control("thames", data)

        self.ends[site] = CorridorEnd(
            site, TERMS, self.limits, self.managers[site], self.stores[site],
            Driver(self.wire, "i" if site == "london" else "r"), HybridKeyExchange(),
            NodeSigner(self.folder / site / "state.key"), self.clock, Entropy(f"corridor-{site}"),
            control=control, group=peer.control_group, policy_alarm=self.alarms.get(site, ""),
        )  # fmt: skip
        return self.ends[site]

    async def control(self, corridor, sender, data, group):
        """What the node at the other end answers."""
        site = ENDS[1 - ENDS.index(sender)]
        if self.tampered is not None:
            data = self.tampered(data)
        return await self.ends[site].on_control(data, group)

    async def second(self, *, supply=True):
        """One second later: new blocks or none, one look of each end."""
        self.clock.time += 1
        if supply:
            await self.fill(atoms=8, sequences=(self.sequence, self.sequence + 1), simulated=self.simulated)
            self.sequence += 2
        for end in self.ends.values():
            try:
                await end.tick()
            except QorridorError as error:
                self.troubles.append(error)

    async def until(self, state, *, supply=True, seconds=120):
        """Seconds until both ends are in `state`."""
        for passed in range(seconds):
            if all(end.machine.state is state for end in self.ends.values()):
                return passed
            await self.second(supply=supply)
        told = [end.status() for end in self.ends.values()]
        pytest.fail(f"not both {state} after {seconds} s: {told} {self.troubles[-3:]}")

    async def records(self, site):
        """The transition records that a site keeps."""
        return [read_transition(row.record) for row in await self.stores[site].states("thames")]


def played(organisation, folder, body, limits=LIMITS, **alarms):
    async def main():
        async with Corridor(organisation, folder, limits, **alarms) as corridor:
            return await body(corridor)

    return run(main())


@pytest.mark.requirement("A-27")
def test_a_corridor_goes_through_every_state_and_back_with_two_signatures_each_time(organisation, folder):
    async def body(corridor):
        await corridor.until(State.HYBRID)
        for _ in range(6):
            await corridor.second()
        live = corridor.wire.live()
        assert live >= 3
        await corridor.until(State.CACHED, supply=False)
        await corridor.until(State.PQC_ONLY, supply=False)
        left = corridor.ends["london"].status()["left"]
        for _ in range(6):
            await corridor.second(supply=False)
        assert corridor.ends["london"].status()["left"] == left <= LIMITS.floor, "the floor is not spent"
        assert corridor.wire.live() > live, "it re-keys without QKD"
        await corridor.until(State.HYBRID)
        return [await corridor.records(site) for site in ENDS], corridor.wire

    (near, far), wire = played(organisation, folder, body)
    assert [record.digest for record in near] == [record.digest for record in far]
    assert [str(record.to) for record in near] == ["HYBRID", "CACHED", "PQC_ONLY", "HYBRID"]
    assert all(record.signature_i and record.signature_r for record in near)
    assert wire.killed == []


@pytest.mark.requirement("A-27")
def test_a_policy_that_says_stop_ends_the_traffic_at_both_ends_and_opens_again_by_itself(
    organisation, folder
):
    async def body(corridor):
        await corridor.until(State.HYBRID)
        await corridor.until(State.FAIL_CLOSED, supply=False)
        killed = list(corridor.wire.killed)
        for _ in range(4):
            await corridor.second(supply=False)
        assert corridor.wire.live() is None
        await corridor.until(State.HYBRID)
        await corridor.second()
        await corridor.second()
        return killed, corridor.wire.live()

    killed, live = played(organisation, folder, body, replace(LIMITS, fallback="stop"))
    assert {role for role, _ in killed} == {"i", "r"}
    assert live is not None


@pytest.mark.parametrize("site", ENDS)
def test_a_policy_that_is_not_signed_keeps_both_ends_closed(organisation, folder, site):
    async def body(corridor):
        for _ in range(20):
            await corridor.second()
        return [str(end.machine.state) for end in corridor.ends.values()], corridor.wire.live()

    states, live = played(organisation, folder, body, **{site: "policy-invalid"})
    assert (states, live) == (["FAIL_CLOSED"] * 2, None)


@pytest.mark.parametrize("state", [State.HYBRID, State.CACHED, State.PQC_ONLY, State.FAIL_CLOSED])
def test_a_restarted_end_goes_on_in_the_state_and_epoch_that_it_had(organisation, folder, state):
    limits = replace(LIMITS, fallback="stop") if state is State.FAIL_CLOSED else LIMITS

    async def body(corridor):
        await corridor.until(State.HYBRID)
        await corridor.until(state, supply=state is State.HYBRID)
        if state is not State.CACHED:  # its reserve is short: it would not stay
            for _ in range(5):
                await corridor.second(supply=state is State.HYBRID)
        before = corridor.wire.live()
        for site in ENDS:
            end = corridor.build(site)
            await end.restore()
            assert end.machine.state is state
        after = [end.status()["epoch"] for end in corridor.ends.values()]
        assert corridor.wire.live() == before
        await corridor.until(State.HYBRID)
        return before, after

    before, after = played(organisation, folder, body, limits)
    assert after == ([0, 0] if before is None else [before, before])


def test_the_time_without_qkd_within_thirty_days_is_bounded_across_restarts(organisation, folder):
    limits = replace(LIMITS, fallback_limit=20.0)

    async def body(corridor):
        spent = 0
        await corridor.until(State.HYBRID)
        for _ in range(6):
            await corridor.until(State.CACHED, supply=False)
            while corridor.ends["london"].machine.state is State.CACHED:
                await corridor.second(supply=False)
            while corridor.ends["london"].machine.state is State.PQC_ONLY:
                spent += 1
                await corridor.second(supply=False)
            for site in ENDS:
                await corridor.build(site).restore()
            await corridor.until(State.HYBRID)
        causes = [
            record.cause for record in await corridor.records("london") if record.to is State.FAIL_CLOSED
        ]
        left = corridor.ends["london"].machine.fallback_left(corridor.clock.monotonic())
        corridor.clock.time += 31 * 86400
        return spent, causes, left, corridor.ends["london"].machine.fallback_left(corridor.clock.monotonic())

    spent, causes, left, later = played(organisation, folder, body, limits)
    assert spent <= 60 + 6
    assert left < 2
    assert causes == ["fallback-limit"] * 6
    assert later == 60


def test_two_epochs_whose_ends_disagree_close_the_corridor(organisation, folder):
    def forged(data):
        message = read_frame(data)
        if message.kind != "PREPARE":
            return data
        fields = cbor.decode(message.body)
        return frame("PREPARE", **(fields | {"nonce": bytes(32)})).encode()

    async def body(corridor):
        await corridor.until(State.HYBRID)
        corridor.tampered = forged
        await corridor.until(State.FAIL_CLOSED, seconds=30)
        corridor.tampered = None
        for _ in range(20):
            await corridor.second()
        return [(str(end.machine.state), end.machine.closed_by) for end in corridor.ends.values()]

    assert played(organisation, folder, body) == [("FAIL_CLOSED", "mac-mismatch")] * 2


def test_a_cut_control_channel_moves_nothing_until_the_key_is_too_old(organisation, folder):
    async def body(corridor):
        await corridor.until(State.HYBRID)
        await corridor.second()
        corridor.break_wire("london", "slough")
        for _ in range(int(LIMITS.key_age_cap) - 4):
            await corridor.second()
            assert corridor.ends["slough"].machine.state is State.HYBRID
        for _ in range(40):
            await corridor.second()
        closed = [str(end.machine.state) for end in corridor.ends.values()]
        corridor.cut.clear()
        await corridor.until(State.HYBRID)
        return closed, {role for role, _ in corridor.wire.killed}

    assert played(organisation, folder, body) == (["FAIL_CLOSED"] * 2, {"i", "r"})


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\x00" * 40,
        frame("PREPARE", epoch=1).encode(),
        frame("STATE", record=b"", public=b"").encode(),
        frame("CONFIRM", epoch=1).encode(),
    ],
)
def test_garbage_on_the_control_channel_is_refused_and_moves_nothing(organisation, folder, message):
    async def body(corridor):
        await corridor.until(State.HYBRID)
        before = [end.status() for end in corridor.ends.values()]
        with pytest.raises(OutsideError):
            await corridor.clients["london"]["slough"].control("thames", message)
        assert [end.status() for end in corridor.ends.values()] == before
        await corridor.second()

    played(organisation, folder, body)


def test_a_record_that_the_other_end_has_not_signed_moves_nothing(organisation, folder):
    async def body(corridor):
        await corridor.until(State.HYBRID)
        for _ in range(5):
            await corridor.second(supply=False)
        (record,) = await corridor.records("london")
        forged = replace(record, seq=2, origin=State.HYBRID, to=State.CACHED, previous=record.digest)
        stranger = NodeSigner(corridor.folder / "stranger.key")
        for signed in (forged, forged.signed("i", stranger.sign(forged.payload(), b"qorridor/state/1"))):
            message = frame("STATE", record=signed.encode(), public=stranger.public)
            with contextlib.suppress(OutsideError):
                await corridor.clients["london"]["slough"].control("thames", message.encode())
                pytest.fail("an unsigned record was answered")
        return corridor.ends["slough"].machine.state

    assert played(organisation, folder, body) is State.HYBRID


@pytest.mark.requirement("A-27")
@pytest.mark.parametrize("supply", [True, False])
def test_an_end_gives_up_qkd_only_when_it_sees_no_key_itself(organisation, folder, supply):
    """An initiator that lies about its supply, and asks for a deadline in the year 4500."""

    async def ask(corridor, to, deadline=0):
        end = corridor.ends["london"]
        record = end._history.propose(
            corridor.ends["slough"].machine.state, Proposal(to, "exhausted"), 1, (0, 4, 1, 2000), deadline,
            int(corridor.clock.now()),
        )  # fmt: skip
        answer = await end._send_state(record)
        if answer.is_complete and answer.seq == record.seq:
            end._history.last = answer
        return corridor.ends["slough"].machine.state

    async def body(corridor):
        await corridor.until(State.HYBRID)
        for _ in range(8):
            await corridor.second(supply=True)
        corridor.ends["slough"].machine.since = corridor.clock.monotonic()
        assert await ask(corridor, State.CACHED) is State.HYBRID, "the dwell is not over"
        for _ in range(8):
            corridor.clock.time += 1
            if supply:
                await corridor.fill(atoms=8, sequences=(corridor.sequence, corridor.sequence + 1))
                corridor.sequence += 2
        assert await ask(corridor, State.CACHED) is State.CACHED
        corridor.clock.time += 2
        now = int(corridor.clock.now())
        assert await ask(corridor, State.PQC_ONLY, 80_000_000_000) is State.CACHED
        return await ask(corridor, State.PQC_ONLY, now + int(LIMITS.fallback_limit))

    assert played(organisation, folder, body) is (State.CACHED if supply else State.PQC_ONLY)


def test_three_supplies_refused_in_a_row_are_a_dry_corridor(organisation, folder):
    async def body(corridor):
        await corridor.until(State.HYBRID)
        for _ in range(6):
            await corridor.second()

        async def empty(*_, **__):
            raise KeySupplyError("Q-KEY-020", "insufficient keys", "wait")

        corridor.managers["london"].supply = empty
        for _ in range(12):  # a roll comes every two to three seconds
            await corridor.second()
        return [(str(end.machine.state), end.machine.closed_by) for end in corridor.ends.values()]

    assert played(organisation, folder, body) == [("CACHED", "no-fresh-key")] * 2


@pytest.mark.parametrize("simulated", [True, False])
def test_a_roll_over_is_recorded_as_simulated_exactly_when_a_qkd_key_of_it_was(
    organisation, folder, simulated
):
    """The whole journals of a played run, hybrid, from stock and without QKD."""

    async def body(corridor):
        corridor.simulated = simulated
        await corridor.until(State.HYBRID)
        for _ in range(4):
            await corridor.second()
        corridor.build("london"), corridor.build("slough")  # what is read back from disk says it too
        for end in corridor.ends.values():
            await end.restore()
        await corridor.until(State.PQC_ONLY, supply=False)
        for _ in range(6):
            await corridor.second(supply=False)
        return [
            json.loads(leaf)
            for store in corridor.stores.values()
            for _, leaf in await store.events_after(0, 10**6)
        ]

    records = played(organisation, folder, body)
    keys = [record["simulated"] for record in records if record["family"] == "key"]
    assert set(keys) == {simulated}
    committed = {r["body"]["epoch"]: r["body"]["mode"] for r in records if "mode" in r["body"]}
    assert {"hybrid", "pqc-only"} <= set(committed.values())
    rolls = [record for record in records if record["type"] in {"roll.committed", "roll.done"}]
    wrong = [
        r for r in rolls if r["simulated"] != (simulated and committed[r["body"]["epoch"]] != "pqc-only")
    ]
    assert wrong == []
    assert {record["source"] for record in rolls} == set(ENDS)


@contextlib.contextmanager
def full_disk(store):
    """Nothing more fits into the database of one end."""
    real, store._writer.record = store._writer.record, lambda *_: _raise_full()
    yield
    store._writer.record = real


def _raise_full():
    raise sqlite3.OperationalError("database or disk is full")


def test_a_full_disk_freezes_the_epoch_in_use_burns_nothing_and_rolls_go_on_afterwards(organisation, folder):
    async def body(corridor):
        await corridor.until(State.HYBRID)
        for _ in range(4):
            await corridor.second()
        live, before = corridor.wire.live(), await corridor.counts()
        with full_disk(corridor.stores["london"]):
            for _ in range(8):
                await corridor.second(supply=False)
            assert corridor.wire.live() == live
            assert corridor.wire.killed == []
            after = await corridor.counts()
            assert {site: counts.void for site, counts in after.items()} == {
                site: counts.void for site, counts in before.items()
            }
        for _ in range(6):
            await corridor.second()
        assert corridor.wire.live() > live

    played(organisation, folder, body)


def test_a_full_disk_does_not_keep_an_old_key_in_traffic(organisation, folder):
    async def body(corridor):
        await corridor.until(State.HYBRID)
        for _ in range(4):
            await corridor.second()
        with full_disk(corridor.stores["london"]), full_disk(corridor.stores["slough"]):
            for _ in range(int(LIMITS.key_age_cap) + 6):
                await corridor.second(supply=False)
            assert {role for role, _ in corridor.wire.killed} == {"i", "r"}
            assert corridor.wire.live() is None
        last = max(corridor.wire.history)
        await corridor.until(State.HYBRID)
        for _ in range(4):
            await corridor.second()
        return last, corridor.wire.live()

    last, live = played(organisation, folder, body)
    assert live > last, "it opens on a fresh key"


async def say(corridor, record, sender="london"):
    """Send one record as it is."""
    end, other = corridor.ends[sender], ENDS[1 - ENDS.index(sender)]
    data = frame("STATE", record=record.encode(), public=end._signer.public).encode()
    return await corridor.clients[sender][other].control("thames", data)


def proposed(corridor, to, cause, deadline=0, sender="london"):
    end = corridor.ends[sender]
    return end._history.propose(
        end.machine.state, Proposal(to, cause), 1, (0, 4, 1, 2000), deadline, int(corridor.clock.now())
    )


def test_a_signature_in_its_name_that_an_end_has_not_made_counts_for_nothing(organisation, folder):
    async def body(corridor):
        await corridor.until(State.HYBRID)
        for _ in range(8):
            await corridor.second()
        corridor.ends["slough"].machine.since = corridor.clock.monotonic()
        await say(corridor, proposed(corridor, State.CACHED, "no-fresh-key").signed("r", b"x"))
        return corridor.ends["slough"].machine.state, len(await corridor.records("slough"))

    assert played(organisation, folder, body) == (State.HYBRID, 1)


def test_a_closing_while_a_proposal_is_judged_stands(organisation, folder):
    async def body(corridor):
        await corridor.until(State.HYBRID)
        await corridor.until(State.CACHED, supply=False)
        far = corridor.ends["slough"]
        corridor.clock.time += 8
        measure = far._manager.path_supply

        async def slow(*given, **more):
            far._manager.path_supply = measure
            seen = await measure(*given, **more)
            await far._move(Proposal(State.FAIL_CLOSED, "key-age"))
            return seen

        far._manager.path_supply = slow
        record = proposed(
            corridor, State.PQC_ONLY, "exhausted", corridor.ends["london"]._deadline(State.PQC_ONLY)
        )
        await say(corridor, record)
        return far.machine.state, [str(kept.to) for kept in await corridor.records("slough")]

    assert played(organisation, folder, body) == (State.FAIL_CLOSED, ["HYBRID", "CACHED", "FAIL_CLOSED"])


def test_a_closing_that_overtakes_an_answer_stands(organisation, folder):
    async def body(corridor):
        await corridor.until(State.HYBRID)
        near, far = corridor.ends.values()
        corridor.clock.time += 3
        send = near._control_bytes

        async def overtaken(data):
            near._control_bytes = send
            answer = await send(data)
            await far._move(Proposal(State.FAIL_CLOSED, "kill-switch"))
            return answer

        near._control_bytes = overtaken
        await near._move(Proposal(State.CACHED, "no-fresh-key"))
        for _ in range(30):
            await corridor.second()
        return [(end.machine.state, end.machine.closed_by) for end in corridor.ends.values()]

    assert played(organisation, folder, body) == [(State.FAIL_CLOSED, "kill-switch")] * 2


def test_no_later_closing_replaces_a_cause_that_people_must_release(organisation, folder):
    async def body(corridor):
        await corridor.until(State.HYBRID)
        near, far = corridor.ends.values()
        await near._move(Proposal(State.FAIL_CLOSED, "mac-mismatch"))
        record = proposed(corridor, State.FAIL_CLOSED, "restart", sender="slough")
        await say(corridor, record, "slough")
        far._history.last, far.machine.closed_by = record, "restart"
        for _ in range(20):
            await corridor.second()
        for site in ENDS:
            await corridor.build(site).restore()
        for _ in range(5):
            await corridor.second()
        return corridor.ends["london"].machine.state, corridor.ends["london"].machine.closed_by

    assert played(organisation, folder, body) == (State.FAIL_CLOSED, "mac-mismatch")


@pytest.mark.parametrize("seq", [2**53, 2**63, 2**64 - 1])
def test_numbers_that_nothing_can_hold_are_refused(organisation, folder, seq):
    async def body(corridor):
        await corridor.until(State.HYBRID)
        end = corridor.ends["london"]
        record = replace(proposed(corridor, State.FAIL_CLOSED, "restart"), seq=seq, signature_i=b"")
        with pytest.raises(OutsideError):
            await say(corridor, end._history.signed(record))
        await corridor.second()
        return corridor.ends["slough"].machine.state

    assert played(organisation, folder, body) is State.HYBRID


def test_neither_a_transition_nor_a_restart_makes_a_key_younger(organisation, folder):
    async def body(corridor):
        await corridor.until(State.HYBRID)
        await corridor.second()
        installed = corridor.clock.time
        for end in corridor.ends.values():
            end._initiator.roll = _never
        while corridor.clock.time < installed + LIMITS.key_age_cap - 2:
            await corridor.second(supply=int(corridor.clock.time) % 20 < 2)
        for site in ENDS:
            await corridor.build(site).restore()
            corridor.ends[site]._initiator.roll = _never
        assert corridor.wire.live() is not None
        passed = 0
        while corridor.wire.live() is not None:
            passed += 1
            await corridor.second()
        return passed

    assert played(organisation, folder, body) <= 6


async def _never(*_):
    raise OutsideError("Q-KME-044", "no answer", "repeat it")
