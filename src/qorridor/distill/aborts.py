"""Why a block ends without key: one error class, one cause word, one code each."""

from __future__ import annotations

from enum import StrEnum

from qorridor.base.errors import LinkError


class Cause(StrEnum):
    """The cause word of an aborted block's record."""

    NO_KEY = "no-key"
    VERIFICATION = "verification-failed"
    AUTHENTICATION = "auth-failure"
    PROTOCOL = "protocol"
    POOL = "pool-empty"
    PEER = "peer-aborted"


_PAGES = {
    Cause.NO_KEY: ("Q-LINK-010", "look for an eavesdropper, drift or damage with `qorridor watch`"),
    Cause.VERIFICATION: ("Q-LINK-011", "nothing was released; the next block starts by itself"),
    Cause.AUTHENTICATION: ("Q-LINK-012", "treat the classical channel as attacked until it is explained"),
    Cause.PROTOCOL: ("Q-LINK-013", "check that both ends run the same version"),
    Cause.POOL: ("Q-LINK-014", "restart both link ends so that they bootstrap their authentication"),
    Cause.PEER: ("Q-LINK-015", "read the peer's record of the block for the first cause"),
}


class BlockAbort(LinkError):  # noqa: N818 - an abort is the domain's word
    """The block ends here; the parties turn it into an ABORTED record and forget the key."""

    def __init__(self, reason: Cause, text: str) -> None:
        code, remedy = _PAGES[reason]
        super().__init__(code, text, remedy)
        self.reason = reason

    @classmethod
    def of(cls, error: LinkError) -> BlockAbort:
        """Any error of the link as the end of the block."""
        return error if isinstance(error, BlockAbort) else cls(Cause.PROTOCOL, error.cause)
