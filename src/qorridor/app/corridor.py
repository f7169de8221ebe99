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
from typing import Literal

from qorridor.base.canonical import Json
from qorridor.base.errors import KeySupplyError, OutsideError, PolicyRefusal, QorridorError
from qorridor.combine.context import Mode
from qorridor.ports.encryptor import Encryptor
from qorridor.ports.peer_node import PathSupply
from qorridor.ports.rolls import LOOK_BACK, KeyExchange, RollRow, RollStore, Row, StateRow
from qorridor.ports.world import Clock, Entropy
from qorridor.records.events import Event
from qorridor.records.keys import DeliveredKey
from qorridor.run.corridor_state import CorridorState, Limits, Observation, Proposal, State
from qorridor.run.history import History, StateSigner
from qorridor.run.key_manager import KeyManager
from qorridor.run.roll_frames import Frame, frame, read_frame
from qorridor.run.roll_initiator import RollAborted, RollInitiator
from qorridor.run.roll_responder import RollResponder
from qorridor.run.roll_terms import RollTerms
from qorridor.run.transition import Transition, read_transition, times_in

TICK_SECONDS = 0.25
RETRY_SECONDS = 1.0
CLOCKS_APART_SECONDS = 60.0
"""How far the two ends' wall clocks may differ before a deadline is doubted."""
QUIET_SECONDS = 5.0
"""The same trouble is journalled once in this span."""
KEY_BITS = 256
_EVERY_EPOCH = 1 << 62


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
        self._history = History(terms.corridor, self.role, site, self._other, terms.policy_digest, signer)
        self._control_bytes = control
        self._alarm = policy_alarm
        self._lock = asyncio.Lock()
        self._to_kill = ""
        self._entering = asyncio.Lock()
        self._epoch, self._rolled_at = 0, -math.inf
        self._mismatches = self._empty = 0
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
        return self.machine.state.mode, self._history.seq

    # -- life ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Observe, move, roll until cancelled; an error of the world is journalled and tried again."""
        await self.restore()
        while True:
            try:
                await self.tick()
            except QorridorError as error:
                await self._note_trouble(error)
            except ValueError as error:
                await self._note_trouble(OutsideError(
                    "Q-KME-044", f"a message or a stored record of the corridor cannot be read: {error}",
                    "both ends must run the same version; if they do, report this as a defect", self.terms.corridor,
                ))  # fmt: skip
            await asyncio.sleep(TICK_SECONDS)

    async def restore(self) -> None:
        """Go on in the state of the newest record; nothing that was decided is decided anew."""
        row = await self._store.last_state(self.terms.corridor)
        if row is not None:
            last = self._history.last = read_transition(row.record)
            kept = [read_transition(row.record) for row in await self._store.states(self.terms.corridor)]
            offset = self._clock.monotonic() - self._clock.now()
            spent = times_in(State.PQC_ONLY, kept, self._clock.now())
            self.machine.episodes = [(begin + offset, end + offset) for begin, end in spent]
            self.machine.enter(last.to, self._clock.monotonic(), last.cause)
            if last.deadline:  # never later than this end's own bound, whatever the record says
                left = self._clock.monotonic() + last.deadline - self._clock.now()
                self.machine.episode_deadline = min(self.machine.episode_deadline, left)
        try:
            if self.machine.state is State.FAIL_CLOSED:
                await self._kill(self.machine.closed_by)
                return
            recover = self._initiator.recover if self.role == "i" else self._responder.reinstall
            epoch = await recover()
            if epoch is not None:
                self._note_roll(epoch)
                self._rolled_at -= await self._age_of(epoch)
        except QorridorError as error:
            await self._note_trouble(error)

    async def _age_of(self, epoch: int) -> float:
        """Seconds since an epoch was installed, over a restart."""
        rows = await self._store.rolls(self.terms.corridor, LOOK_BACK)
        return max(0.0, *(self._clock.now() - row.at for row in rows if row.epoch == epoch), 0.0)

    async def tick(self) -> None:
        """One observation and what follows from it: a transition, a roll, or nothing."""
        now = self._clock.monotonic()
        if self._to_kill:
            await self._kill(self._to_kill)
        if self.role == "r":  # it sees no supply: alone it only closes
            if (closing := self.machine.must_close(self._observation(now))) is not None:
                await self._move(closing)
            return
        await self._measure(now)
        proposal = self.machine.observe(self._observation(now))
        if proposal is not None:
            await self._move(proposal)
        if self.machine.state.mode is not None and now >= self._next_roll:
            await self._roll(self.machine.state.mode)

    def _observation(self, now: float) -> Observation:
        supply = self.supply
        silence = supply.silence + (now - self._supply_at if math.isfinite(self._supply_at) else 0.0)
        age = now - (self._rolled_at if self._epoch else self.machine.since)
        return Observation(now, supply.left, supply.fresh, silence, age, self._alarm_now(), self._empty)

    def _alarm_now(self) -> str:
        return self._alarm or ("mac-mismatch" if self._mismatches >= 2 else "")

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
                await self._initiator.roll(epoch, mode, self._history.seq, supply)
            except RollAborted as aborted:
                self._mismatches = self._mismatches + 1 if aborted.abort_cause == "mac-mismatch" else 0
                self._empty = self._empty + 1 if aborted.abort_cause == "kme-empty" else 0
                raise
            except OutsideError:
                self._next_roll = self._clock.monotonic() + RETRY_SECONDS  # decided: finish it soon
                raise
            self._mismatches = self._empty = 0
            self._note_roll(epoch)

    def _note_roll(self, epoch: int) -> None:
        if epoch == self._epoch:
            return  # a repeated message makes no key younger
        self._epoch, self._rolled_at = epoch, self._clock.monotonic()
        self.rolls_done += 1

    def _plan_next_roll(self) -> None:
        """Rolls of many corridors do not fall together: +-10 % (no secret depends on it)."""
        interval = self.machine.limits.interval * random.uniform(0.9, 1.1)
        self._next_roll = self._clock.monotonic() + interval

    # -- state --------------------------------------------------------------------------------

    async def _move(self, proposal: Proposal) -> None:
        if proposal.to is State.FAIL_CLOSED:
            if (closing := await self._close(proposal)) is not None:
                await self._send_state(closing)
            return
        answer = await self._send_state(self._proposed(proposal))
        last = self._history.last
        if not await self._adopt(answer) and last is not None and self._history.has_signed(last):
            await self._send_state(last)  # it is behind: both go on from what this end holds

    async def _close(self, proposal: Proposal) -> Transition | None:
        """Alone and at once; the other end is told afterwards. None when it was closed meanwhile."""
        async with self._entering:
            if self.machine.state is State.FAIL_CLOSED:
                return None
            record = self._proposed(proposal)
            await self._enter(record)
            return record

    async def _adopt(self, told: Transition) -> bool:
        """Enter a record that the other end shows, if it may be the next one still."""
        record = self._history.trusted(told)
        async with self._entering:
            entered = record.is_complete and self._history.is_from_other(record) and self._may_enter(record)
            if entered:
                await self._enter(record)
            return entered

    def _proposed(self, proposal: Proposal) -> Transition:
        return self._history.propose(
            self.machine.state, proposal, self._epoch, self._supply_told(), self._deadline(proposal.to),
            int(self._clock.now()),
        )  # fmt: skip

    def _supply_told(self) -> tuple[int, int, int, int]:
        limits = self.machine.limits
        return max(self.supply.left, 0), limits.floor, limits.keys_per_roll, int(limits.interval * 1000)

    def _deadline(self, to: State) -> int:
        if to is not State.PQC_ONLY:
            return 0
        left = self.machine.fallback_left(self._clock.monotonic())
        return int(self._clock.now() + min(self.machine.limits.fallback_limit, left))

    async def _send_state(self, record: Transition) -> Transition:
        answer = await self._control(frame("STATE", record=record.encode(), public=self._signer.public))
        told, public = answer.fields("record", "public")
        self._signer.learn(self._other, public)
        return read_transition(told)

    async def _on_state(self, message: Frame) -> Frame:
        told, public = message.fields("record", "public")
        self._signer.learn(self._other, public)
        record = read_transition(told)
        if not self._history.is_from_other(record):
            raise ValueError("the transition record is not signed by the other end")
        record = self._history.trusted(record)
        if self._history.is_fork(record):
            self._alarm = "state-fork"
        elif self._may_enter(record) and await self._agrees(record):
            await self._adopt(record if record.is_complete else self._history.signed(record))
        last = self._history.last if self._history.last is not None else record
        return frame("STATE", record=last.encode(), public=self._signer.public)

    def _may_enter(self, record: Transition) -> bool:
        """Whether this end goes where the other one says: its own alarms and its own policy come first."""
        if not self.machine.opens_by_itself:
            return False  # people release it; nothing that the other end says changes why it is closed
        if record.to is not State.FAIL_CLOSED and (
            self._alarm_now() or not self.machine.allows(record.to, self._clock.monotonic())
        ):
            return False
        return self._history.may_be_next(record, self.machine.state)

    async def _agrees(self, record: Transition) -> bool:
        """Whether nothing that this end sees for itself contradicts what it is asked to sign."""
        if record.is_complete:  # closing, or signed here before
            return True
        now = self._clock.monotonic()
        cause = "it comes before the dwell of the last one is over" if self.machine.is_early(now) else ""
        if record.to is State.PQC_ONLY and not cause:
            cause = await self._against_fallback(record.deadline)
        if cause:
            await self._note_trouble(PolicyRefusal(
                "Q-POLICY-032", f"the transition to {record.to} was not signed: {cause}",
                "look at the supply and the clock of both ends", self._other,
            ))  # fmt: skip
        return not cause

    async def _against_fallback(self, deadline: int) -> str:
        """Why this end does not give up QKD now; empty when it does. The supply is measured from here: the
        same links, the blocks that this side owns."""
        if deadline > self._deadline(State.PQC_ONLY) + CLOCKS_APART_SECONDS:
            return "its end lies beyond what this end's policy allows"
        path = tuple(reversed(self.terms.path))
        try:
            seen = await self._manager.path_supply(path, KEY_BITS, relayed=len(path) > 2)
        except (OutsideError, KeySupplyError):
            return ""  # nothing is seen from here: no contradiction
        return "keys arrive here" if self.machine.is_supplied(seen.fresh, seen.silence) else ""

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
        try:
            await self._store.write([StateRow(record.corridor, record.seq, record.encode()), event])
        except OutsideError:
            if closing:  # traffic stops also where it cannot be noted; the record is tried again
                await self._kill(record.cause)
            raise
        self._history.last = record
        self.machine.enter(record.to, self._clock.monotonic(), record.cause)
        self._next_roll = -math.inf
        if closing:
            await self._kill(record.cause)

    async def _kill(self, cause: str) -> None:
        """Stop the traffic and forget the keys that it used: what opens again, opens on a fresh one.

        Tried again at each look until the encryptor has shown that it stopped.
        """
        self._to_kill = cause
        await self._encryptor.kill(cause)
        self._epoch = 0
        await self._store.forget_outputs(self.terms.corridor, _EVERY_EPOCH)
        self._to_kill = ""

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
