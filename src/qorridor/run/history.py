"""The chain of transition records at one end of a corridor: what may come next, and how two ends that were
apart come to one chain again.

Source: contract of roll-over, section 6: both sign, closing needs one; of two records with one number the
stricter wins, on a tie the initiator's.
"""

from __future__ import annotations

from typing import Literal, Protocol

from qorridor.ports.rolls import Signer
from qorridor.run.corridor_state import Proposal, State
from qorridor.run.transition import CONTEXT, GENESIS, Transition, follows


class StateSigner(Signer, Protocol):
    """A signer that also learns the state keys of other ends."""

    public: bytes

    def learn(self, site: str, public: bytes) -> None:
        """Remember the state key of a site."""
        ...


class History:
    """Signs this end's records and judges those of the other one; `last` is the newest in force."""

    def __init__(
        self, corridor: str, role: Literal["i", "r"], own: str, other: str, policy_digest: bytes, signer: StateSigner
    ) -> None:  # fmt: skip
        self._corridor, self._role, self._policy = corridor, role, policy_digest
        self._own, self._other, self._signer = own, other, signer
        signer.learn(own, signer.public)
        self.last: Transition | None = None

    @property
    def seq(self) -> int:
        """Number of the newest record, 0 before the first."""
        return self.last.seq if self.last is not None else 0

    def propose(
        self, origin: State, proposal: Proposal, epoch: int, supply: tuple[int, int, int, int], deadline: int, now: int
    ) -> Transition:  # fmt: skip
        """The next record with this end's signature."""
        return self.signed(Transition(
            self._corridor, self.seq + 1, origin, proposal.to, proposal.cause, epoch, self._policy, supply,
            self._role, GENESIS if self.last is None else self.last.digest, deadline, now,
        ))  # fmt: skip

    def signed(self, record: Transition) -> Transition:
        """The record with this end's signature as well."""
        return record.signed(self._role, self._signer.sign(record.payload(), CONTEXT))

    def is_from_other(self, record: Transition) -> bool:
        """Whether the other end has signed it."""
        return self._verified(record, self._other, "r" if self._role == "i" else "i")

    def trusted(self, record: Transition) -> Transition:
        """The record without a signature in this end's name that this end has not made."""
        return record if self.has_signed(record) else record.signed(self._role, b"")

    def has_signed(self, record: Transition) -> bool:
        """Whether this end has signed it."""
        return self._verified(record, self._own, self._role)

    def may_be_next(self, record: Transition, state: State) -> bool:
        """Whether a record that the other end has signed may become the newest one here."""
        last = self.last
        if record.corridor != self._corridor or record.policy_digest != self._policy:
            return False
        if not follows(record, last, state):
            return True
        if (
            record.to is not State.FAIL_CLOSED
        ):  # records that are missing here: its own signature is on this one
            return record.seq > self.seq and self.has_signed(record)
        return last is None or record.seq > last.seq or (record.seq == last.seq and self._wins(record, last))

    def _wins(self, record: Transition, last: Transition) -> bool:
        """Of two records with one number: the stricter, on a tie the initiator's."""
        if last.to is not State.FAIL_CLOSED:
            return True
        return self._role == "r" and record.digest != last.digest and record.proposer == "i"

    def is_fork(self, record: Transition) -> bool:
        """Two different records with one number that both ends have signed: one of them lies."""
        last = self.last
        both = [item for item in (record, last) if item is not None and item.signature_i and item.signature_r]
        return (
            last is not None and len(both) == 2 and record.seq == last.seq and record.digest != last.digest
            and self.is_from_other(record) and self.has_signed(record)
        )  # fmt: skip

    def _verified(self, record: Transition, site: str, role: Literal["i", "r"]) -> bool:
        signature = record.signature_i if role == "i" else record.signature_r
        return bool(signature) and self._signer.verify(site, record.payload(), signature, CONTEXT)
