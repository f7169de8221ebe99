"""The responder's side of a roll-over: it refuses what its own view does not allow, and never decides alone.

idle --PREPARE--> derived (keeps running N-1) --COMMIT--> committed (accepts N and N-1) --DONE--> done
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from qorridor.base import names
from qorridor.base.canonical import Json
from qorridor.base.errors import KeySupplyError, OutsideError, PolicyRefusal, QorridorError
from qorridor.combine.context import NONCE_BYTES, Mode
from qorridor.ports.encryptor import Encryptor
from qorridor.ports.rolls import LOOK_BACK, KeyExchange, RollRow, RollStore, Row
from qorridor.ports.world import Entropy
from qorridor.records.events import Event
from qorridor.records.keys import DeliveredKey
from qorridor.run.roll_frames import Frame, frame
from qorridor.run.roll_initiator import PREPARE_FIELDS
from qorridor.run.roll_terms import USAGE, Half, Outputs, RollTerms, any_simulated, derive_epoch

Collect = Callable[[list[str], list[Row]], Awaitable[Sequence[DeliveredKey]]]
"""The QKD keys by key_ID, burnt together with the given rows."""

ModeNow = Callable[[], tuple[Mode | None, int]]
"""The mode that this end's corridor state allows, and the sequence number of its last record."""


class RollResponder:
    """Answers the initiator of one corridor; calls are made one at a time."""

    def __init__(
        self, terms: RollTerms, store: RollStore, encryptor: Encryptor, exchange: KeyExchange,
        collect: Collect, mode: ModeNow, entropy: Entropy,
    ) -> None:  # fmt: skip
        self._terms = terms
        self._store = store
        self._encryptor = encryptor
        self._exchange = exchange
        self._collect = collect
        self._mode = mode
        self._entropy = entropy
        self._answered: tuple[Frame, Frame] | None = None

    async def answer(self, message: Frame, group: str) -> Frame:
        """The answer to one message; `group` is the TLS group as this end reads it. Raises ValueError
        for a malformed message."""
        match message.kind:
            case "STATUS":
                rows = await self._store.rolls(self._terms.corridor, 1)
                return frame("STATUS", journal=rows[0].epoch if rows else 0)
            case "PREPARE":
                return await self._prepare(message, group)
            case "COMMIT":
                return await self._commit(message)
            case "DONE":
                return await self._done(message)
            case "ABORT":
                return await self._aborted(message)
        raise ValueError(f"{message.kind} is not for a responder")

    async def reinstall(self) -> int | None:
        """After a restart: the newest epoch that was committed here goes back into the encryptor."""
        for row in await self._store.rolls(self._terms.corridor, LOOK_BACK):
            if row.phase in {"committed", "done"} and row.outputs is not None:
                if await self._encryptor.running() != row.epoch:
                    outputs = Outputs.unpack(row.outputs)
                    await self._encryptor.prepare(row.epoch, outputs.key, "restart")
                    await self._encryptor.commit(row.epoch, "accept")
                return row.epoch
        return None

    async def _prepare(self, message: Frame, group: str) -> Frame:
        if self._answered is not None and self._answered[0] == message:
            return self._answered[1]
        fields = dict(zip(PREPARE_FIELDS, message.fields(*PREPARE_FIELDS), strict=True))
        epoch = int(fields["epoch"])
        cause = await self._refusal(fields)
        if cause:
            return await (self._refuse if cause == "stale-epoch" else self._abort)(epoch, cause)
        try:
            confirm = await self._derive(message, fields, group)
        except (PolicyRefusal, KeySupplyError) as error:
            return await self._abort(epoch, "key-unknown", error)
        except OutsideError as error:
            return await self._abort(epoch, "kme-error", error)
        self._answered = (message, confirm)
        return confirm

    async def _refusal(self, fields: dict[str, Any]) -> str:
        """Why this end does not go along; empty when it does. Never adapts to the peer's view."""
        terms = self._terms
        rows = await self._store.rolls(terms.corridor, 1)
        mode, state_seq = self._mode()
        checks = (
            (fields["epoch"] > (rows[0].epoch if rows else 0), "stale-epoch"),
            (fields["suite"] == terms.suite and fields["suite"] in fields["suites"], "suite-unknown"),
            (fields["policy_id"] == terms.policy_id and fields["policy_digest"] == terms.policy_digest,
             "policy-mismatch"),
            (tuple(fields["path"]) == terms.path and fields["tunnel"] == [terms.tunnel, USAGE], "policy-mismatch"),
            (mode is not None and fields["mode"] == mode and fields["state_seq"] == state_seq, "mode-refused"),
            (bool(fields["key_ids"]) == (fields["mode"] != Mode.PQC_ONLY), "mode-refused"),
        )  # fmt: skip
        return next((cause for holds, cause in checks if not holds), "")

    async def _derive(self, message: Frame, fields: dict[str, Any], group: str) -> Frame:
        epoch, mode = int(fields["epoch"]), Mode(fields["mode"])
        ciphertext, public, shared = self._exchange.answer(self._terms.suite, fields["ek"], fields["dh"])
        nonce = self._entropy.draw(NONCE_BYTES)
        derived_row = RollRow(self._terms.corridor, epoch, "r", "derived")
        key_ids = [names.key_id_text(key_id) for key_id in fields["key_ids"]]
        keys = await self._collect(key_ids, [derived_row])
        confirm = frame("CONFIRM", epoch=epoch, nonce=nonce, ct=ciphertext, dh=public)
        half = Half(message, confirm, fields["nonce"], nonce, fields["ek"], ciphertext, group)
        derived = derive_epoch(self._terms, epoch, mode, shared, keys, half)
        expected = derived.mac("i")
        outputs = Outputs.of(derived, self._terms.tunnel, "r", simulated=any_simulated(keys))
        stored = replace(outputs, mac=expected)
        await self._store.write([RollRow(self._terms.corridor, epoch, "r", "derived", stored.pack())])
        return Frame("CONFIRM", confirm.body, outputs.mac)

    async def _row(self, epoch: int) -> RollRow | None:
        rows = await self._store.rolls(self._terms.corridor, LOOK_BACK)
        return next((row for row in rows if row.epoch == epoch), None)

    async def _commit(self, message: Frame) -> Frame:
        (epoch,) = message.fields("epoch")
        row = await self._row(epoch)
        if row is None or row.outputs is None or row.phase == "aborted":
            return await self._refuse(epoch, "restart")
        outputs = Outputs.unpack(row.outputs)
        if not hmac.compare_digest(outputs.mac, message.mac):
            if row.phase == "derived":
                return await self._abort(epoch, "mac-mismatch")
            return await self._refuse(epoch, "roll-conflict")
        if row.phase == "derived":
            await self._store.write([
                RollRow(self._terms.corridor, row.epoch, "r", "committed", row.outputs),
                self._event("roll.committed", row.epoch, {"audit_commit": outputs.commitment.hex()},
                            simulated=outputs.simulated),
            ])  # fmt: skip
        await self._encryptor.prepare(row.epoch, outputs.key, "fresh")
        await self._encryptor.commit(row.epoch, "accept")
        return frame("INSTALLED", epoch=row.epoch)

    async def _done(self, message: Frame) -> Frame:
        (epoch,) = message.fields("epoch")
        row = await self._row(epoch)
        if row is None or row.phase not in {"committed", "done"}:
            return await self._refuse(epoch, "restart")
        if row.phase == "committed":
            simulated = row.outputs is not None and Outputs.unpack(row.outputs).simulated
            used = await self._encryptor.probe(epoch)
            if used.epoch != epoch:
                await self._encryptor.rollback(epoch, "probe-failed")
                return await self._abort(epoch, "probe-failed")
            await self._store.write([
                RollRow(self._terms.corridor, epoch, "r", "done", row.outputs),
                self._event("roll.done", epoch, {"evidence": used.evidence}, simulated=simulated),
            ])  # fmt: skip
        await self._encryptor.retire(epoch - 1)
        await self._store.forget_outputs(self._terms.corridor, epoch)
        return frame("ACK", epoch=epoch)

    async def _aborted(self, message: Frame) -> Frame:
        epoch, cause = message.fields("epoch", "cause")
        row = await self._row(epoch)
        if row is not None and row.phase == "done":  # both ends have proved it: nobody gives it up any more
            return await self._refuse(epoch, "roll-conflict")
        if row is not None and row.phase == "committed":
            await self._encryptor.rollback(epoch, str(cause))
        if row is not None and row.phase != "aborted":
            await self._abort(epoch, str(cause)[:32])
        return frame("ACK", epoch=epoch)

    async def _abort(self, epoch: int, cause: str, error: QorridorError | None = None) -> Frame:
        """Give the epoch up at this end, durably."""
        body: dict[str, Json] = {"cause": cause}
        if error is not None:
            body["code"] = error.code
        await self._store.write([
            RollRow(self._terms.corridor, epoch, "r", "aborted"),
            self._event("roll.aborted", epoch, body),
        ])  # fmt: skip
        return frame("ABORT", epoch=epoch, cause=cause)

    async def _refuse(self, epoch: int, cause: str) -> Frame:
        """Say no and leave the epoch as it is: a late or forged message undoes nothing."""
        await self._store.write([self._event("roll.refused", epoch, {"cause": cause})])
        return frame("ABORT", epoch=epoch, cause=cause)

    def _event(self, kind: str, epoch: int, body: dict[str, Json], *, simulated: bool = False) -> Event:
        return Event(
            kind, self._terms.tunnel, {"epoch": epoch, **body}, corridor=self._terms.corridor, simulated=simulated
        )  # fmt: skip
