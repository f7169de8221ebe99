from dataclasses import replace

import pytest
from hypothesis import given, settings

from qorridor.base.errors import KeySupplyError
from qorridor.base.secret import Secret
from qorridor.combine import Components, Mode, Suite, derive
from qorridor.combine.keys import USAGES, extract
from tests.combine import reference
from tests.combine.examples import BY_NAME, SLOTS, VECTORS, components, context, epochs, nonces

PUBLIC = [usage for usage in USAGES if not usage.startswith(("confirm", "audit"))]


def everything(keys, tunnel="tun-1"):
    outputs = [bytes(keys.output(usage, tunnel).reveal()) for usage in PUBLIC]
    return [*outputs, keys.mac("i"), keys.mac("r"), keys.audit_commitment]


def fields(ctx, parts):
    return {
        0: str(ctx.profile), 1: str(ctx.suite), 2: ctx.corridor, 3: ctx.epoch, 4: str(ctx.mode),
        5: ctx.policy, 6: ctx.policy_digest, 7: list(ctx.saes), 8: list(ctx.kmes),
        9: [list(p) for p in ctx.paths],
        10: list(ctx.key_ids), 11: ctx.kem_digest, 12: ctx.group, 13: ctx.transcript, 14: list(parts.ids()),
    }  # fmt: skip


@pytest.mark.requirement("A-24", "B-22")
@pytest.mark.parametrize("name", BY_NAME)
def test_the_published_vectors_are_met_in_every_value(name):
    vector = BY_NAME[name]
    parts, ctx = components(vector), context(vector)
    assert parts.input_keying_material().hex() == vector["ikm"]
    assert ctx.encode(parts).hex() == vector["context"]
    assert extract(parts, *nonces(vector)).reveal().hex() == vector["prk"]
    keys = derive(parts, *nonces(vector), ctx)
    assert keys.context_digest.hex() == vector["context_digest"]
    assert (keys.mac("i").hex(), keys.mac("r").hex()) == (vector["mac_i"], vector["mac_r"])
    for row in vector["outputs"]:
        if row["usage"] == "audit-commit":
            assert keys.audit_commitment.hex() == row["key"]
        elif row["tunnel"]:
            assert keys.output(row["usage"], row["tunnel"]).reveal().hex() == row["key"]


def test_the_vectors_carry_their_source():
    assert "independent" in VECTORS["source"]


@settings(max_examples=150, deadline=None)
@given(epochs())
def test_production_equals_the_standard_library_reference(epoch):
    parts, nonce_i, nonce_r, ctx = epoch
    keys = derive(parts, nonce_i, nonce_r, ctx)
    prk = reference.prk(bytes(parts.input_keying_material()), nonce_i, nonce_r)
    raw = fields(ctx, parts)
    for usage in PUBLIC:
        expected = reference.output(prk, raw, usage, "t", USAGES[usage])
        assert keys.output(usage, "t").reveal() == expected
    assert keys.mac("i") == reference.mac(prk, raw, "i")
    assert keys.mac("r") == reference.mac(prk, raw, "r")


def flipped(data, bit=0):
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def variants(vector):
    parts, (nonce_i, nonce_r), ctx = components(vector), nonces(vector), context(vector)
    for slot in SLOTS:
        data = bytes.fromhex(vector[slot])
        for bit in range(0, 8 * len(data), 37):
            yield replace(parts, **{slot: Secret(flipped(data, bit))}), nonce_i, nonce_r, ctx
    for bit in range(0, 256, 17):
        yield parts, flipped(nonce_i, bit), nonce_r, ctx
        yield parts, nonce_i, flipped(nonce_r, bit), ctx
    changes = {
        "corridor": "thamez", "epoch": vector["epoch"] ^ 1 or 2, "policy": "policy-2", "group": "x",
        "policy_digest": flipped(ctx.policy_digest, 100), "transcript": flipped(ctx.transcript),
        "saes": ("sae-london", "sae-sloughs"), "kmes": ("kme-londom", "kme-slough"), "paths": (("a", "b"),),
    }  # fmt: skip
    for field, value in changes.items():
        yield parts, nonce_i, nonce_r, replace(ctx, **{field: value})
    if ctx.kem_digest:
        yield parts, nonce_i, nonce_r, replace(ctx, kem_digest=flipped(ctx.kem_digest, 383))
    if ctx.key_ids:
        yield parts, nonce_i, nonce_r, replace(ctx, key_ids=(flipped(ctx.key_ids[0]), *ctx.key_ids[1:]))
        mode = Mode.CACHED if ctx.mode == Mode.HYBRID else Mode.HYBRID
        yield parts, nonce_i, nonce_r, replace(ctx, mode=mode)


@pytest.mark.requirement("A-24", "B-22")
@pytest.mark.parametrize("name", BY_NAME)
def test_any_changed_bit_of_a_component_nonce_or_context_changes_every_output(name):
    vector = BY_NAME[name]
    seen = [everything(derive(components(vector), *nonces(vector), context(vector)))]
    for variant in variants(vector):
        outputs = everything(derive(*variant))
        assert not any(new == old for earlier in seen[:1] for new, old in zip(outputs, earlier, strict=True))
        seen.append(outputs)
    flat = [item for outputs in seen for item in outputs]
    assert len(set(flat)) == len(flat)


def test_swapping_initiator_and_responder_changes_the_outputs():
    vector = BY_NAME["KAT-1"]
    parts, (a, b), ctx = components(vector), nonces(vector), context(vector)
    plain = everything(derive(parts, a, b, ctx))
    for variant in (
        derive(parts, b, a, ctx),
        derive(parts, a, b, replace(ctx, saes=ctx.saes[::-1])),
        derive(parts, a, b, replace(ctx, kmes=ctx.kmes[::-1])),
    ):
        assert not set(everything(variant)) & set(plain)


def test_the_order_of_key_ids_matters_with_and_without_their_bytes():
    vector = BY_NAME["KAT-2"]
    parts, ctx = components(vector), context(vector)
    plain = everything(derive(parts, *nonces(vector), ctx))
    swapped = replace(ctx, key_ids=ctx.key_ids[::-1])
    data = bytes(parts.qkd.reveal())
    moved = replace(parts, qkd=Secret(data[32:] + data[:32]))
    for other in (derive(parts, *nonces(vector), swapped), derive(moved, *nonces(vector), swapped)):
        assert not set(everything(other)) & set(plain)


def test_usages_and_tunnels_have_no_common_prefix():
    vector = BY_NAME["KAT-1"]
    keys = derive(components(vector), *nonces(vector), context(vector))
    heads = [bytes(keys.output(u, t).reveal())[:8] for u in PUBLIC for t in ("a", "b", "ab")]
    assert len(set(heads)) == len(heads)


def test_a_wrong_truncated_or_reflected_confirmation_is_refused():
    vector = BY_NAME["KAT-1"]
    keys = derive(components(vector), *nonces(vector), context(vector))
    keys.verify("r", keys.mac("r"))
    for bad in (keys.mac("i"), flipped(keys.mac("r"), 5), keys.mac("r")[:47], b""):
        with pytest.raises(KeySupplyError) as refused:
            keys.verify("r", bad)
        assert refused.value.code == "Q-KEY-005"
        assert keys.mac("r").hex() not in str(refused.value)


def test_nothing_comes_out_after_the_wipe():
    vector = BY_NAME["KAT-1"]
    keys = derive(components(vector), *nonces(vector), context(vector))
    keys.wipe()
    with pytest.raises(KeySupplyError) as refused:
        keys.output("tls-psk", "tun-1")
    assert refused.value.code == "Q-KEY-006"


@pytest.mark.parametrize("usage", ["confirm-i", "audit-commit", "otp-pad-i", ""])
def test_internal_and_unknown_usages_are_a_mistake_of_the_program(usage):
    vector = BY_NAME["KAT-1"]
    keys = derive(components(vector), *nonces(vector), context(vector))
    with pytest.raises(ValueError, match="usage"):
        keys.output(usage, "tun-1")


def test_the_two_slots_alone_do_not_show_in_the_outputs():
    """A smoke test only: with slot 1 known, outputs under many QKD keys look uniform."""
    vector = BY_NAME["KAT-1"]
    parts, ctx = components(vector), context(vector)
    ones = 0
    for number in range(256):
        other = Components(
            Suite(vector["suite"]), parts.mlkem, Secret(bytes([number]) * 32), parts.traditional
        )
        key = derive(other, *nonces(vector), ctx).output("tls-psk", "t")
        ones += int.from_bytes(key.reveal(), "big").bit_count()
    assert abs(ones - 256 * 192) < 5 * (256 * 384 / 4) ** 0.5
