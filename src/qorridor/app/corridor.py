"""One corridor at one of its ends: observes supply, moves the state with the other end, rolls keys.

The initiator's end (first site of the path) proposes and rolls; the responder's end answers, and
either may close the corridor alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, Protocol

from qorridor.base.canonical import Json
from qorridor.base.errors import KeySupplyError, OutsideError, QorridorError
from qorridor.combine.context import Mode
from qorridor.ports.encryptor import Encryptor
from qorridor.ports.peer_node import PathSupply
from qorridor.ports.rolls import KeyExchange, RollRow, RollStore, Row, Signer, StateRow
from qorridor.ports.world import Clock, Entropy
from qorridor.records.events import Event
from qorridor.records.keys import DeliveredKey
from qorridor.run.corridor_state import CorridorState, Limits, Observation, Proposal, State
from qorridor.run.key_manager import KeyManager
from qorridor.run.roll_frames import Frame, frame, read_frame
from qorridor.run.roll_initiator import RollAborted, RollInitiator
from qorridor.run.roll_responder import RollResponder
from qorridor.run.roll_terms import RollTerms
from qorridor.run.transition import CONTEXT, GENESIS, Transition, follows, read_transition

TICK_SECONDS = 0.25
RETRY_SECONDS = 1.0
QUIET_SECONDS = 5.0
"""The same trouble is journalled once in this span."""
KEY_BITS = 256


class StateSigner(Signer, Protocol):
    """A signer that also learns the other end's key."""

    public: bytes

    def learn(self, site: str, public: bytes) -> None:
        """Remember the state key of a site."""
        ...


class CorridorEnd:
    """Everything that one end of a corridor does; `control` sends one message to the other end."""

    def __init__(
        self, site: str, terms: RollTerms, limits: Limits, manager: KeyManager, store: RollStore,
        encryptor: Encryptor, exchange: KeyExchange, signer: StateSigner, clock: Clock, entropy: Entropy, *,
        control: Callable[[bytes], Awaitable[bytes]], group: Callable[[], str], policy_alarm: str = "",
    ) -> None:  # fmt: skip
        self.terms = terms
        self.role: Literal["i", "r"] = "i" if site == terms.initiator else "r"
        self._other = terms.other(site)
        self.machine = CorridorState(limits)
        self._manager, self._store, self._encryptor = manager, store, encryptor
        self._signer, self._clock = signer, clock
        self._control_bytes = control
        self._alarm = policy_alarm
        self._lock = asyncio.Lock()
        self._last: Transition | None = None
        self._epoch, self._rolled_at = 0, -math.inf
        self._mismatches = 0
        self._told: dict[str, float] = {}
        self._next_roll = -math.inf
        self.supply = PathSupply(0, 0.0, math.inf)
        self._supply_at = -math.inf
        self.rolls_done = 0
        self._initiator = RollInitiator(terms, store, encryptor, exchange, self._control, group, entropy)
        self._responder = RollResponder(
            terms, store, encryptor, exchange, self._collect, self._mode_now, entropy
        )

    # -- status -------------------------------------------------------------------------------

    def status(self) -> dict[str, str | int | float]:
        """What a person watches."""
        now = self._clock.monotonic()
        return {
            "corridor": self.terms.corridor, "flow": self.terms.tunnel, "role": self.role,
            "state": str(self.machine.state), "cause": self.machine.closed_by, "epoch": self._epoch,
            "epoch_age": round(now - self._rolled_at, 1) if self._epoch else -1, "rolls": self.rolls_done,
            "left": self.supply.left, "floor": self.machine.limits.floor,
            "fresh_per_second": round(self.supply.fresh, 3),
            "silence": round(self.supply.silence, 1) if self.supply.silence < 1e9 else -1,
        }  # fmt: skip

    # -- the other end ------------------------------------------------------------------------

    async def on_control(self, data: bytes, group: str) -> bytes:
        """Answer one message of the other end; raises ValueError for malformed ones."""
        message = read_frame(data)
        if message.kind == "STATE":
            return (await self._on_state(message)).encode()
        async with self._lock:
            answer = await self._responder.answer(message, group)
        if answer.kind == "ACK" and message.kind == "DONE":
            self._note_roll(int(message.fields("epoch")[0]))
        return answer.encode()

    async def _control(self, message: Frame) -> Frame:
        answer = await self._control_bytes(message.encode())
        try:
            return read_frame(answer)
        except ValueError as error:
            raise OutsideError("Q-KME-044", f"the other end's answer is malformed: {error}",
                               "both ends must run the same version", self._other) from error  # fmt: skip

    async def _collect(self, key_ids: list[str], rows: list[Row]) -> Sequence[DeliveredKey]:
        initiator, responder = self.terms.saes
        if not key_ids:
            await self._store.write(rows)
            return []
        return await self._manager.collect(responder, initiator, key_ids, also=rows)

    def _mode_now(self) -> tuple[Mode | None, int]:
        return self.machine.state.mode, self._last.seq if self._last else 0

    # -- life ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Observe, move, roll until cancelled; an error of the world is journalled and tried again."""
        await self._restore()
        while True:
            try:
                await self._tick()
            except QorridorError as error:
                await self._note_trouble(error)
            except ValueError as error:
                await self._note_trouble(OutsideError(
                    "Q-KME-044", f"a message or a stored record of the corridor cannot be read: {error}",
                    "both ends must run the same version; if they do, report this as a defect", self.terms.corridor,
                ))  # fmt: skip
            await asyncio.sleep(TICK_SECONDS)

    async def _restore(self) -> None:
        row = await self._store.last_state(self.terms.corridor)
        if row is not None:
            self._last = read_transition(row.record)
            self.machine.enter(self._last.to, self._clock.monotonic(), self._last.cause)
            if self._last.deadline:
                left = self._last.deadline - self._clock.now()
                self.machine.episode_deadline = self._clock.monotonic() + left
        try:
            recover = self._initiator.recover if self.role == "i" else self._responder.reinstall
            epoch = await recover() if self.machine.state is not State.FAIL_CLOSED else None
            if epoch is not None:
                self._note_roll(epoch)
        except QorridorError as error:
            await self._note_trouble(error)

    async def _tick(self) -> None:
        now = self._clock.monotonic()
        if self.role == "i":
            await self._measure(now)
        seen = self._observation(now)
        proposal = self.machine.observe(seen)
        if proposal is not None and (self.role == "i" or proposal.to is State.FAIL_CLOSED):
            await self._move(proposal)
        if self.role == "i" and self.machine.state.mode is not None and now >= self._next_roll:
            await self._roll(self.machine.state.mode)

    def _observation(self, now: float) -> Observation:
        alarm = self._alarm or ("mac-mismatch" if self._mismatches >= 2 else "")
        supply = self.supply
        silence = supply.silence + (now - self._supply_at if math.isfinite(self._supply_at) else 0.0)
        age = now - self._rolled_at if self._epoch else math.inf
        return Observation(now, supply.left, supply.fresh, silence, age, alarm)

    async def _measure(self, now: float) -> None:
        if now - self._supply_at < 1.0 and math.isfinite(self._supply_at):
            return
        path = self.terms.path
        try:
            self.supply = await self._manager.path_supply(path, KEY_BITS, relayed=len(path) > 2)
            self._supply_at = now
        except (OutsideError, KeySupplyError):
            if not math.isfinite(self._supply_at):
                self._supply_at = now  # nothing was ever seen: silence stays infinite

    # -- roll-over ----------------------------------------------------------------------------

    async def _roll(self, mode: Mode) -> None:
        async with self._lock:
            self._plan_next_roll()
            await self._initiator.recover()
            epoch = await self._initiator.next_epoch()

            async def supply() -> Sequence[DeliveredKey]:
                prepared = RollRow(self.terms.corridor, epoch, "i", "prepared")
                if mode is Mode.PQC_ONLY:
                    await self._store.write([prepared])
                    return []
                initiator, responder = self.terms.saes
                return await self._manager.supply(
                    initiator,
                    responder,
                    self.terms.responder,
                    1,
                    KEY_BITS,
                    also=[prepared],
                    path=self.terms.path,
                )

            try:
                await self._initiator.roll(epoch, mode, self._last.seq if self._last else 0, supply)
            except RollAborted as aborted:
                self._mismatches = self._mismatches + 1 if aborted.abort_cause == "mac-mismatch" else 0
                raise
            except OutsideError:
                self._next_roll = self._clock.monotonic() + RETRY_SECONDS  # decided: finish it soon
                raise
            self._mismatches = 0
            self._note_roll(epoch)

    def _note_roll(self, epoch: int) -> None:
        self._epoch, self._rolled_at = epoch, self._clock.monotonic()
        self.rolls_done += 1

    def _plan_next_roll(self) -> None:
        """Rolls of many corridors do not fall together: +-10 % (no secret depends on it)."""
        interval = self.machine.limits.interval * random.uniform(0.9, 1.1)
        self._next_roll = self._clock.monotonic() + interval

    # -- state --------------------------------------------------------------------------------

    async def _move(self, proposal: Proposal) -> None:
        record = self._record(proposal)
        record = record.signed(self.role, self._signer.sign(record.payload(), CONTEXT))
        if record.to is State.FAIL_CLOSED:
            await self._enter(record)  # alone and at once; the other end is told afterwards
            await self._send_state(record)
            return
        answer = await self._send_state(record)
        if answer.seq == record.seq and answer.payload() == record.payload() and answer.is_complete:
            await self._enter(answer)
        elif not follows(answer, self._last, self.machine.state) and self._is_valid(answer):
            await self._enter(answer)  # the other end was ahead: an earlier answer was lost

    def _record(self, proposal: Proposal) -> Transition:
        limits, last = self.machine.limits, self._last
        deadline = 0
        if proposal.to is State.PQC_ONLY:
            deadline = int(self._clock.now() + limits.fallback_limit)
        return Transition(
            self.terms.corridor, 1 if last is None else last.seq + 1, self.machine.state, proposal.to,
            proposal.cause, self._epoch, self.terms.policy_digest,
            (max(self.supply.left, 0), limits.floor, limits.keys_per_roll, int(limits.interval * 1000)),
            self.role, GENESIS if last is None else last.digest, deadline, int(self._clock.now()),
        )  # fmt: skip

    async def _send_state(self, record: Transition) -> Transition:
        answer = await self._control(frame("STATE", record=record.encode(), public=self._signer.public))
        told, public = answer.fields("record", "public")
        self._signer.learn(self._other, public)
        return read_transition(told)

    async def _on_state(self, message: Frame) -> Frame:
        told, public = message.fields("record", "public")
        self._signer.learn(self._other, public)
        record = read_transition(told)
        if not self._is_signed_by_other(record):
            raise ValueError("the transition record is not signed by the other end")
        if self._may_enter(record):
            if record.to is not State.FAIL_CLOSED:
                record = record.signed(self.role, self._signer.sign(record.payload(), CONTEXT))
            await self._enter(record)
        last = self._last if self._last is not None else record
        return frame("STATE", record=last.encode(), public=self._signer.public)

    def _may_enter(self, record: Transition) -> bool:
        if record.policy_digest != self.terms.policy_digest or not self.machine.allows(record.to):
            return False
        if not follows(record, self._last, self.machine.state):
            return True
        # Two records with one number: closing is the stricter and wins.
        last = self._last
        return (
            record.to is State.FAIL_CLOSED
            and last is not None
            and record.seq == last.seq
            and last.to is not State.FAIL_CLOSED
        )

    def _is_signed_by_other(self, record: Transition) -> bool:
        signature = record.signature_r if self.role == "i" else record.signature_i
        return bool(signature) and self._signer.verify(self._other, record.payload(), signature, CONTEXT)

    def _is_valid(self, record: Transition) -> bool:
        return record.is_complete and self._is_signed_by_other(record) and self.machine.allows(record.to)

    async def _enter(self, record: Transition) -> None:
        closing = record.to is State.FAIL_CLOSED
        event = Event(
            "corridor.state", self.terms.corridor,
            {"seq": record.seq, "from": str(record.origin), "to": str(record.to), "cause": record.cause,
             "epoch": record.epoch, "left": record.supply[0], "floor": record.supply[1],
             "deadline": record.deadline, "signatures": bool(record.signature_i) + bool(record.signature_r),
             "record": record.digest.hex()},
            severity="P2" if closing or record.to is State.PQC_ONLY else "P4", corridor=self.terms.corridor,
        )  # fmt: skip
        await self._store.write([StateRow(record.corridor, record.seq, record.encode()), event])
        self._last = record
        self.machine.enter(record.to, self._clock.monotonic(), record.cause)
        self._next_roll = -math.inf
        if closing:
            await self._encryptor.kill(record.cause)

    async def _note_trouble(self, error: QorridorError) -> None:
        now = self._clock.monotonic()
        if now - self._told.get(error.code, -math.inf) < QUIET_SECONDS:
            return
        self._told[error.code] = now
        body: dict[str, Json] = {"code": error.code, "cause": error.cause[:300]}
        with contextlib.suppress(OutsideError):  # a store that cannot be written is the trouble itself
            await self._store.write([
                Event("corridor.trouble", self.terms.corridor, body, severity="P4", corridor=self.terms.corridor)
            ])  # fmt: skip
