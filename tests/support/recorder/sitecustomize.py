"""Test instrument, loaded by PYTHONPATH into every process of a run: notes each key that leaves a store or
enters an encryptor, so that a test can look for its bytes and for double releases. Not part of the product."""

import json
import os
import sys
import time
from pathlib import Path

FILE = Path(__file__).parent / "keys.jsonl"


def note(what, **fields):
    line = json.dumps({"at": time.time(), "pid": os.getpid(), "what": what, **fields}) + "\n"
    handle = os.open(FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(handle, line.encode())
    os.close(handle)


def install():
    from qorridor.adapters.stores import keys
    from qorridor.run import roll_terms

    hand_out = keys.Keys.hand_out
    take = roll_terms.Outputs.of.__func__

    def noted_hand_out(self, row, role):
        delivered = hand_out(self, row, role)
        site = next(part for part in Path.cwd().joinpath(sys.orig_argv[4]).parts[-1:])
        note(
            "delivered",
            key_id=delivered.key_id,
            role=role,
            site=site,
            key=bytes(delivered.key.reveal()).hex(),
        )
        return delivered

    def noted_take(cls, derived, tunnel, role, **labels):
        outputs = take(cls, derived, tunnel, role, **labels)
        note("output", role=role, commitment=outputs.commitment.hex(), key=bytes(outputs.key.reveal()).hex())
        return outputs

    keys.Keys.hand_out = noted_hand_out
    roll_terms.Outputs.of = classmethod(noted_take)


if sys.orig_argv[1:4] == ["-m", "qorridor", "node"]:
    install()
