"""An independent QCOMB-1 in the standard library, with an encoder of its own: the test oracle."""

import hashlib
import hmac


def enc(v):
    def head(major, n):
        if n < 24:
            return bytes([major * 32 + n])
        size = next(s for s in (1, 2, 4, 8) if n < 256**s)
        return bytes([major * 32 + 24 + size.bit_length() - 1]) + n.to_bytes(size, "big")

    if isinstance(v, int):
        return head(0, v)
    if isinstance(v, bytes):
        return head(2, len(v)) + v
    if isinstance(v, str):
        return head(3, len(v)) + v.encode("ascii")
    if isinstance(v, dict):
        return head(5, len(v)) + b"".join(enc(k) + enc(v[k]) for k in sorted(v))
    return head(4, len(v)) + b"".join(map(enc, v))


def expand(prk, info, length):
    out = block = b""
    count = 1
    while len(out) < length:
        block = hmac.new(prk, block + info + bytes([count]), "sha384").digest()
        out, count = out + block, count + 1
    return out[:length]


def prk(ikm, nonce_i, nonce_r):
    return hmac.new(hashlib.sha384(nonce_i + nonce_r).digest(), ikm, "sha384").digest()


def output(prk_, ctx, usage, tunnel, length):
    return expand(prk_, enc(ctx) + enc([usage, tunnel, length]), length)


def mac(prk_, ctx, role):
    key = output(prk_, ctx, "confirm-" + role, "", 48)
    message = enc(["qorridor/confirm/1", role, hashlib.sha384(enc(ctx)).digest()])
    return hmac.new(key, message, "sha384").digest()
