r"""The initiator's side of a roll-over; its journal decides (presumed abort).

    IDLE -> prepared --CONFIRM verified--> committed --INSTALLED--> installed --probe--> done
                 \-- anything fails --> aborted (key_IDs stay burnt, traffic stays on N-1)

Source: contract of roll-over, sections 3 to 5.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from qorridor.base import names
from qorridor.base.canonical import Json
from qorridor.base.errors import KeySupplyError, OutsideError, QorridorError
from qorridor.combine.context import NONCE_BYTES, Mode
from qorridor.ports.encryptor import Encryptor
from qorridor.ports.rolls import LOOK_BACK, KeyExchange, Offer, RollRow, RollStore
from qorridor.ports.world import Entropy
from qorridor.records.events import Event
from qorridor.records.keys import DeliveredKey
from qorridor.run.roll_frames import Frame, frame
from qorridor.run.roll_terms import USAGE, Half, Outputs, RollTerms, any_simulated, derive_epoch

Control = Callable[[Frame], Awaitable[Frame]]
"""Sends a message to the responder and returns its answer; raises OutsideError without one."""

Supply = Callable[[], Awaitable[Sequence[DeliveredKey]]]
"""The QKD keys of the epoch, burnt with the journal's `prepared`; empty in mode pqc-only."""


class RollAborted(KeySupplyError):  # noqa: N818 - an abort is the protocol's word for it
    """The epoch is given up at both ends; `abort_cause` is one of the protocol's cause codes."""

    def __init__(self, epoch: int, abort_cause: str, detail: str = "") -> None:
        super().__init__(
            "Q-KEY-050", f"roll-over to epoch {epoch} was aborted: {abort_cause}{f' ({detail})' if detail else ''}",
            "traffic stays on the previous epoch; the next roll is tried by itself",
        )  # fmt: skip
        self.abort_cause = abort_cause


class RollInitiator:
    """Rolls one corridor from its first site; one roll at a time."""

    def __init__(
        self, terms: RollTerms, store: RollStore, encryptor: Encryptor, exchange: KeyExchange,
        control: Control, group: Callable[[], str], entropy: Entropy,
    ) -> None:  # fmt: skip
        self._terms = terms
        self._store = store
        self._encryptor = encryptor
        self._exchange = exchange
        self._control = control
        self._group = group
        self._entropy = entropy

    async def next_epoch(self) -> int:
        """One more than either end's journal knows."""
        rows = await self._store.rolls(self._terms.corridor, 1)
        own = rows[0].epoch if rows else 0
        answer = await self._control(frame("STATUS"))
        (peer,) = answer.fields("journal")
        return max(own, int(peer)) + 1

    async def recover(self) -> int | None:
        """Finish what a crash or a dead channel left; returns the epoch in use, None when there is none."""
        rows = await self._store.rolls(self._terms.corridor, LOOK_BACK)
        for row in rows:
            if row.phase == "prepared":
                await self._abort(row.epoch, "restart")
            elif row.phase in {"committed", "installed"} and row.outputs is not None:
                await self._install(row.epoch, Outputs.unpack(row.outputs))
                return row.epoch
            elif row.phase == "done" and row.outputs is not None:
                await self._reinstall(row.epoch, Outputs.unpack(row.outputs))
                if any(older.outputs is not None for older in rows if older.epoch < row.epoch):
                    await self._close(
                        row.epoch
                    )  # its ACK never came: the old key is still there at both ends
                return row.epoch
        return None

    async def roll(self, epoch: int, mode: Mode, state_seq: int, supply: Supply) -> None:
        """Bring both ends to `epoch`; raises RollAborted when it was given up, OutsideError when it is
        decided but not finished (then `recover` goes on)."""
        outputs = await self._agree(epoch, mode, state_seq, supply)
        await self._install(epoch, outputs)

    async def _agree(self, epoch: int, mode: Mode, state_seq: int, supply: Supply) -> Outputs:
        try:
            keys = await supply()
        except KeySupplyError as error:
            raise RollAborted(epoch, "kme-empty", error.cause) from error
        except OutsideError as error:
            raise RollAborted(epoch, "kme-error", error.cause) from error
        offer = self._exchange.offer(self._terms.suite)
        nonce = self._entropy.draw(NONCE_BYTES)
        prepare = self._prepare(epoch, mode, state_seq, keys, offer, nonce)
        try:
            confirm = await self._control(prepare)
            outputs = self._confirmed(epoch, mode, keys, offer, prepare, confirm)
            await self._encryptor.prepare(epoch, outputs.key, "fresh")
        except RollAborted as aborted:
            await self._abort(epoch, aborted.abort_cause, tell=False)
            raise
        except QorridorError as error:
            cause = _cause_of(error)
            await self._abort(epoch, cause)
            raise RollAborted(epoch, cause, error.cause) from error
        except ValueError as error:
            await self._abort(epoch, "roll-conflict")
            raise RollAborted(epoch, "roll-conflict", str(error)) from error
        await self._store.write([
            RollRow(self._terms.corridor, epoch, "i", "committed", outputs.pack()),
            _event("roll.committed", self._terms, epoch, {"mode": str(mode), "audit_commit": outputs.commitment.hex()},
                   simulated=outputs.simulated),
        ])  # fmt: skip
        return outputs

    def _prepare(
        self, epoch: int, mode: Mode, state_seq: int, keys: Sequence[DeliveredKey], offer: Offer, nonce: bytes
    ) -> Frame:
        terms = self._terms
        return frame(
            "PREPARE", epoch=epoch, suites=[str(terms.suite)], suite=str(terms.suite), mode=str(mode),
            policy_id=terms.policy_id, policy_digest=terms.policy_digest,
            key_ids=[names.key_id_bytes(key.key_id) for key in keys], path=list(terms.path),
            nonce=nonce, ek=offer.encapsulation_key, dh=offer.public, tunnel=[terms.tunnel, USAGE],
            state_seq=state_seq,
        )  # fmt: skip

    def _confirmed(
        self,
        epoch: int,
        mode: Mode,
        keys: Sequence[DeliveredKey],
        offer: Offer,
        prepare: Frame,
        confirm: Frame,
    ) -> Outputs:
        if confirm.kind == "ABORT":
            _, cause = confirm.fields("epoch", "cause")
            raise RollAborted(epoch, str(cause), "said by the responder")
        told, nonce_r, ciphertext, public = confirm.fields("epoch", "nonce", "ct", "dh")
        if told != epoch:
            raise RollAborted(epoch, "roll-conflict")
        (nonce_i,) = [prepare.fields(*PREPARE_FIELDS)[PREPARE_FIELDS.index("nonce")]]
        shared = offer.finish(ciphertext, public)
        half = Half(prepare, confirm, nonce_i, nonce_r, offer.encapsulation_key, ciphertext, self._group())
        derived = derive_epoch(self._terms, epoch, mode, shared, keys, half)
        derived.verify("r", confirm.mac)
        return Outputs.of(derived, self._terms.tunnel, "i", simulated=any_simulated(keys))

    async def _install(self, epoch: int, outputs: Outputs) -> None:
        answer = await self._control(frame("COMMIT", outputs.mac, epoch=epoch))
        if answer.kind == "ABORT":  # it lost the epoch (a restored store): neither end switches to it
            await self._abort(epoch, "restart", tell=False)
            raise RollAborted(epoch, "restart", "the responder does not know the epoch any more")
        if answer.kind != "INSTALLED":
            raise OutsideError("Q-KEY-051", f"the responder answered COMMIT with {answer.kind}",
                               "COMMIT is sent again by itself", self._terms.corridor)  # fmt: skip
        await self._encryptor.prepare(epoch, outputs.key, "fresh")
        await self._encryptor.commit(epoch, "switch")
        await self._store.write([RollRow(self._terms.corridor, epoch, "i", "installed", outputs.pack())])
        used = await self._encryptor.probe(epoch)
        if used.epoch != epoch:
            await self._roll_back(epoch, used.evidence)
        await self._store.write([
            RollRow(self._terms.corridor, epoch, "i", "done", outputs.pack()),
            _event("roll.done", self._terms, epoch, {"evidence": used.evidence}, simulated=outputs.simulated),
        ])  # fmt: skip
        await self._close(epoch)

    async def _close(self, epoch: int) -> None:
        answer = await self._control(frame("DONE", epoch=epoch))
        if answer.kind == "ABORT":
            await self._roll_back(epoch, "the responder's probe failed")
        await self._encryptor.retire(epoch - 1)
        await self._store.forget_outputs(self._terms.corridor, epoch)

    async def _roll_back(self, epoch: int, evidence: str) -> None:
        await self._encryptor.rollback(epoch, "probe-failed")
        await self._abort(epoch, "probe-failed")
        raise RollAborted(epoch, "probe-failed", evidence)

    async def _reinstall(self, epoch: int, outputs: Outputs) -> None:
        if await self._encryptor.running() != epoch:
            await self._control(frame("COMMIT", outputs.mac, epoch=epoch))
            await self._encryptor.prepare(epoch, outputs.key, "restart")
            await self._encryptor.commit(epoch, "switch")

    async def _abort(self, epoch: int, cause: str, *, tell: bool = True) -> None:
        await self._store.write([
            RollRow(self._terms.corridor, epoch, "i", "aborted"),
            _event("roll.aborted", self._terms, epoch, {"cause": cause}),
        ])  # fmt: skip
        if tell:
            try:
                await self._control(frame("ABORT", epoch=epoch, cause=cause))
            except OutsideError:
                return  # the responder drops the epoch when the next one begins


PREPARE_FIELDS = (
    "epoch", "suites", "suite", "mode", "policy_id", "policy_digest", "key_ids", "path", "nonce", "ek", "dh",
    "tunnel", "state_seq",
)  # fmt: skip


def _event(
    kind: str, terms: RollTerms, epoch: int, body: dict[str, Json], *, simulated: bool = False
) -> Event:
    return Event(kind, terms.tunnel, {"epoch": epoch, **body}, corridor=terms.corridor, simulated=simulated)


def _cause_of(error: QorridorError) -> str:
    match error.code:
        case "Q-KEY-005":
            return "mac-mismatch"
        case "Q-KME-042" | "Q-KME-043" | "Q-KME-044":
            return "peer-timeout"
    return "driver-refused" if error.code.startswith("Q-ENC") else "roll-conflict"
