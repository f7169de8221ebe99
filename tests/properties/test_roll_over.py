"""Both ends of a roll-over in one process under crashes, lost and repeated messages: they converge, on equal
keys, with no key_ID used twice. Each schedule is reproducible from its number."""

import asyncio
import os
import random
import uuid

import pytest

from qorridor.adapters.wire.key_exchange import HybridKeyExchange
from qorridor.adapters.wire.system import SystemEntropy
from qorridor.base.errors import KeySupplyError, OutsideError
from qorridor.base.secret import Secret
from qorridor.combine.components import Suite
from qorridor.combine.context import Mode
from qorridor.ports.rolls import RollRow
from qorridor.records.keys import DeliveredKey
from qorridor.run.roll_frames import frame, read_frame
from qorridor.run.roll_initiator import RollAborted, RollInitiator
from qorridor.run.roll_responder import RollResponder
from qorridor.run.roll_terms import RollTerms
from tests.support.encryptors import Driver, Wire

TERMS = RollTerms(
    "thames", "core", ("london", "hayes", "slough"), ("core-london", "core-slough"),
    Suite("MLKEM768-X25519-HKDF-SHA384"), "policy", bytes(48),
)  # fmt: skip
LOST = OutsideError("Q-KME-044", "no answer", "repeat it")


class Crash(BaseException):
    """The process is gone; what it had made durable stays."""


class Fate:
    """Says at each step of an end whether it dies there."""

    def __init__(self, rng, probability):
        self.rng, self.probability = rng, probability

    async def step(self):
        if self.rng.random() < self.probability:
            raise Crash


class Rows:
    """A durable RollStore; `fate` may kill its owner before or after a write."""

    def __init__(self, fate):
        self.fate, self.kept = fate, {}

    async def write(self, rows):
        await self.fate.step()
        for row in rows:
            if isinstance(row, RollRow):
                packed = None if row.outputs is None else bytes(row.outputs.reveal())
                self.kept[row.epoch] = (row.role, row.phase, packed)
        await self.fate.step()

    async def rolls(self, corridor, most=3):
        return [
            RollRow(corridor, epoch, role, phase, None if packed is None else Secret(packed))
            for epoch, (role, phase, packed) in sorted(self.kept.items(), reverse=True)[:most]
        ]

    async def forget_outputs(self, corridor, below):
        for epoch in [epoch for epoch in self.kept if epoch < below]:
            role, phase, _ = self.kept[epoch]
            self.kept[epoch] = (role, phase, None)


class World:
    """Two ends, their stores and drivers, a key supply and a channel that loses and repeats."""

    def __init__(self, seed, probability, *, mode=Mode.HYBRID):
        self.rng = random.Random(seed)
        self.fate = Fate(self.rng, probability)
        self.rows = {"i": Rows(self.fate), "r": Rows(self.fate)}
        self.wire = Wire()
        self.mode = mode
        self.keys, self.used = {}, {"i": set(), "r": set()}
        self.build("i")
        self.build("r")

    def build(self, role):
        store, driver = self.rows[role], Driver(self.wire, role, self.fate)
        if role == "i":
            self.initiator = RollInitiator(
                TERMS,
                store,
                driver,
                HybridKeyExchange(),
                self.control,
                lambda: "X25519MLKEM768",
                SystemEntropy(),
            )
        else:
            self.responder = RollResponder(
                TERMS,
                store,
                driver,
                HybridKeyExchange(),
                self.collect,
                lambda: (self.mode, 7),
                SystemEntropy(),
            )

    async def supply(self, epoch):
        await self.rows["i"].write([RollRow("thames", epoch, "i", "prepared")])
        if self.mode is Mode.PQC_ONLY:
            return []
        key_id = str(uuid.UUID(bytes=self.rng.randbytes(16), version=4))
        self.keys[key_id] = os.urandom(32)
        self.used["i"].add(key_id)
        return [DeliveredKey(key_id, Secret(self.keys[key_id]), simulated=True)]

    async def collect(self, key_ids, rows):
        for key_id in key_ids:
            if key_id in self.used["r"] or key_id not in self.keys:
                raise KeySupplyError(
                    "Q-KEY-024", "one or more keys specified are not found on KME", "begin anew"
                )
        await self.rows["r"].write(rows)
        self.used["r"].update(key_ids)
        return [DeliveredKey(key_id, Secret(self.keys[key_id]), simulated=True) for key_id in key_ids]

    def loses(self):
        return self.rng.random() < self.fate.probability * 3

    async def control(self, message):
        if self.loses():
            raise LOST
        for _ in range(2 if self.loses() else 1):  # a repeated message gets the same treatment
            try:
                answer = await self.responder.answer(read_frame(message.encode()), "X25519MLKEM768")
            except Crash:
                self.build("r")
                raise LOST from None
        if self.loses():
            raise LOST
        return read_frame(answer.encode())

    async def attempt(self):
        """One roll as the corridor's loop makes it."""
        try:
            await self.initiator.recover()
            epoch = await self.initiator.next_epoch()
            await self.initiator.roll(epoch, self.mode, 7, lambda: self.supply(epoch))
        except (RollAborted, OutsideError):
            return False
        except Crash:
            self.build("i")
            return False
        return True

    def check(self):
        both = self.rows["i"].kept.keys() & self.rows["r"].kept.keys()
        for epoch in both:
            ours, theirs = self.rows["i"].kept[epoch], self.rows["r"].kept[epoch]
            if ours[1] == theirs[1] == "done" and ours[2] and theirs[2]:
                assert self.wire.keys["i"].get(epoch) == self.wire.keys["r"].get(epoch)
        assert self.wire.history == sorted(self.wire.history), "an epoch went backwards"


@pytest.mark.requirement("A-27")
@pytest.mark.parametrize("mode", [Mode.HYBRID, Mode.PQC_ONLY])
def test_without_faults_every_roll_ends_done_at_both_ends(mode):
    async def body():
        world = World(1, 0.0, mode=mode)
        for _ in range(5):
            assert await world.attempt()
        return world

    world = asyncio.run(body())
    assert world.wire.live() == 5
    assert world.rows["i"].kept[5][1] == world.rows["r"].kept[5][1] == "done"
    assert set(world.wire.keys["i"]) == set(world.wire.keys["r"]) == {5}, "old keys are retired"


@pytest.mark.parametrize("hundred", range(5))
def test_random_schedules_of_crashes_and_losses_converge(hundred):
    async def schedule(seed):
        world = World(seed, 0.04)
        for _ in range(8):
            await world.attempt()
            world.check()
        world.fate.probability = 0.0
        for _ in range(4):
            if await world.attempt():
                break
        else:
            pytest.fail(f"schedule {seed} did not converge")
        world.check()
        assert world.wire.live() is not None
        assert len(world.used["i"]) == len(world.keys)

    for seed in range(hundred * 100, hundred * 100 + 100):
        asyncio.run(schedule(seed))


def refusal(changes, *, mode=Mode.HYBRID):
    """The cause with which a responder refuses a PREPARE that differs from its own view."""

    async def body():
        world = World(3, 0.0, mode=mode)
        seen = {}

        async def tamper(message):
            if message.kind == "PREPARE":
                fields = dict(zip(NAMES, message.fields(*NAMES), strict=True))
                message = frame("PREPARE", **(fields | changes))
            answer = await world.responder.answer(message, "X25519MLKEM768")
            if message.kind == "PREPARE":
                seen["answer"] = answer
            return answer

        world.control = tamper
        world.build("i")
        assert not await world.attempt()
        return seen["answer"], world

    answer, world = asyncio.run(body())
    assert world.wire.switched is None
    if answer.kind == "ABORT":
        return answer.fields("epoch", "cause")[1]
    return answer.kind


NAMES = ("epoch", "suites", "suite", "mode", "policy_id", "policy_digest", "key_ids", "path", "nonce", "ek", "dh",
         "tunnel", "state_seq")  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"mode": "cached"}, "mode-refused"),
        ({"mode": "pqc-only", "key_ids": []}, "mode-refused"),
        ({"state_seq": 6}, "mode-refused"),
        ({"policy_digest": bytes(47) + b"1"}, "policy-mismatch"),
        ({"path": ["london", "slough"]}, "policy-mismatch"),
        ({"tunnel": ["other", "tls-psk"]}, "policy-mismatch"),
        ({"suite": "TLSEXP-HKDF-SHA384"}, "suite-unknown"),
        ({"epoch": 0}, "stale-epoch"),
        ({"key_ids": [bytes(16)]}, "key-unknown"),
    ],
)
def test_a_responder_refuses_what_its_own_view_does_not_allow(changes, cause):
    assert refusal(changes) == cause


@pytest.mark.parametrize(
    "changes", [{"suites": ["MLKEM768-X25519-HKDF-SHA384", "other"]}, {"nonce": bytes(32)}]
)
def test_a_change_that_the_responder_cannot_see_breaks_the_confirmation(changes):
    assert refusal(changes) == "CONFIRM"


def test_an_epoch_that_the_responder_lost_is_given_up_at_both_ends():
    async def body():
        world = World(4, 0.0)
        assert await world.attempt()
        answer = world.control

        async def lose_installed(message):
            if message.kind == "COMMIT":
                raise LOST
            return await answer(message)

        world.control = lose_installed
        world.build("i")
        assert not await world.attempt()
        world.control = answer
        world.rows["r"].kept.clear()  # restored from nothing
        world.build("i")
        world.build("r")
        assert not await world.attempt()
        assert await world.attempt()
        return world

    world = asyncio.run(body())
    assert world.wire.live() == 3


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (lambda epoch: frame("COMMIT", bytes(48), epoch=epoch), ("ABORT", "roll-conflict")),
        (lambda epoch: frame("ABORT", epoch=epoch, cause="operator"), ("ABORT", "roll-conflict")),
        (lambda epoch: frame("DONE", epoch=epoch), ("ACK", None)),
        (lambda epoch: frame("COMMIT", bytes(48), epoch=epoch - 1), ("ABORT", "restart")),
        (lambda epoch: frame("DONE", epoch=epoch - 1), ("ACK", None)),
        (lambda epoch: frame("DONE", epoch=epoch + 9), ("ABORT", "restart")),
        (lambda epoch: frame("COMMIT", bytes(48), epoch=epoch + 9), ("ABORT", "restart")),
    ],
)
def test_no_late_or_forged_message_undoes_an_epoch_that_is_done(message, answer):
    async def body():
        world = World(5, 0.0)
        assert await world.attempt()
        assert await world.attempt()
        before = dict(world.rows["r"].kept)
        told = await world.responder.answer(message(2), "X25519MLKEM768")
        assert world.rows["r"].kept == before
        assert world.wire.live() == 2
        assert await world.attempt()
        return told

    told = asyncio.run(body())
    assert told.kind == answer[0]
    if answer[1]:
        assert told.fields("epoch", "cause")[1] == answer[1]


def test_an_initiator_that_died_before_its_done_was_acknowledged_says_it_again():
    async def body():
        world = World(6, 0.0)
        assert await world.attempt()
        answer = world.control

        async def lose_done(message):
            if message.kind == "DONE":
                raise LOST
            return await answer(message)

        world.control = lose_done
        world.build("i")
        assert not await world.attempt()
        assert set(world.wire.keys["r"]) == {1, 2}, "nothing is retired before the other end has said so"
        world.control = answer
        world.build("i")
        await world.initiator.recover()
        return world

    world = asyncio.run(body())
    assert world.rows["r"].kept[2][1] == "done"
    assert set(world.wire.keys["i"]) == set(world.wire.keys["r"]) == {2}


def test_a_row_of_aborted_epochs_does_not_hide_the_one_in_use():
    async def body():
        world = World(7, 0.0)
        assert await world.attempt()
        answer = world.control

        async def refuse(message):
            if message.kind == "PREPARE":
                (epoch, *_) = message.fields(*NAMES)
                return frame("ABORT", epoch=epoch, cause="kme-error")
            return await answer(message)

        world.control = refuse
        world.build("i")
        for _ in range(6):
            assert not await world.attempt()
        assert await world.initiator.recover() == 1

    asyncio.run(body())
