"""The published vectors as objects, and strategies that make legal inputs."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from hypothesis import strategies as st

from qorridor.base.secret import Secret
from qorridor.combine import Components, Context, Mode, Profile, Suite

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "qcomb1.json").read_text())
BY_NAME = {vector["name"]: vector for vector in VECTORS["vectors"]}
SLOTS = ("mlkem", "qkd", "traditional", "static")


def h(text):
    return hashlib.sha384(text.encode()).digest()


def secret(hexed):
    return Secret(bytes.fromhex(hexed)) if hexed else None


def components(vector):
    return Components(Suite(vector["suite"]), *(secret(vector[slot]) for slot in SLOTS))


def context(vector, profile=Profile.QCOMB_1):
    number = vector["name"][-1]
    exporter = vector["suite"].startswith("TLSEXP")
    return Context(
        suite=Suite(vector["suite"]), corridor="thames", epoch=vector["epoch"], mode=Mode(vector["mode"]),
        policy="policy-1", policy_digest=h("qorridor kat policy"), saes=("sae-london", "sae-slough"),
        kmes=("kme-london", "kme-slough"), paths=tuple(map(tuple, vector["paths"])),
        key_ids=tuple(map(bytes.fromhex, vector["key_ids"])),
        kem_digest=b"" if exporter else h(f"qorridor kat kem {number}"), group=vector["group"],
        transcript=h(f"qorridor kat transcript {number}"), profile=profile,
    )  # fmt: skip


def nonces(vector):
    return bytes.fromhex(vector["nonce_i"]), bytes.fromhex(vector["nonce_r"])


names = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20)


def exact(n):
    return st.binary(min_size=n, max_size=n)


@st.composite
def epochs(draw):
    """(components, nonce_i, nonce_r, context) of a legal epoch."""
    suite = draw(st.sampled_from(Suite))
    sizes = {Suite.MLKEM768_X25519: (32, 32), Suite.MLKEM1024_P384: (32, 48), Suite.TLS_EXPORTER: (48, 0)}[
        suite
    ]
    mode = draw(st.sampled_from(Mode))
    count = 0 if mode == Mode.PQC_ONLY else draw(st.integers(1, 4))
    qkd = draw(exact(32 * count))
    static = draw(st.one_of(st.none(), st.binary(min_size=32, max_size=64)))
    parts = Components(
        suite, Secret(draw(exact(sizes[0]))), Secret(qkd) if count else None,
        Secret(draw(exact(sizes[1]))) if sizes[1] else None, Secret(static) if static else None,
    )  # fmt: skip
    base = context(BY_NAME["KAT-1"])
    ctx = replace(
        base, suite=suite, mode=mode, corridor=draw(names), epoch=draw(st.integers(1, 2**63 - 1)),
        saes=(draw(names), draw(names)), kmes=(draw(names), draw(names)),
        paths=tuple(tuple(p) for p in draw(st.lists(st.lists(names, min_size=2, max_size=4), max_size=2))),
        key_ids=tuple(draw(st.lists(exact(16), min_size=count, max_size=count, unique=True))),
        kem_digest=b"" if suite == Suite.TLS_EXPORTER else draw(exact(48)), transcript=draw(exact(48)),
    )  # fmt: skip
    return parts, draw(exact(32)), draw(exact(32)), ctx
