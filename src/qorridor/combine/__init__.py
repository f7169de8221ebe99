"""Bind QKD, ML-KEM and traditional secrets into one key, with the context in the derivation."""

from qorridor.combine.components import Components, Suite, join_keys
from qorridor.combine.context import Context, Mode, Profile
from qorridor.combine.keys import EpochKeys, derive
from qorridor.combine.pads import Pad, XorKeys, agreement_tag, derive_xor

__all__ = [
    "Components", "Context", "EpochKeys", "Mode", "Pad", "Profile", "Suite", "XorKeys", "agreement_tag",
    "derive", "derive_xor", "join_keys",
]  # fmt: skip
