"""Paths, methods, SAE IDs: C42, C43, C63, C68."""

from __future__ import annotations

import json
from urllib.parse import quote, unquote

from qorridor.adapters.peers.raw_http import RawAnswer
from qorridor.app.conform import checks
from qorridor.app.conform.bench import Bench
from qorridor.app.conform.checks import brief
from qorridor.prove.conformance import judgement
from qorridor.prove.conformance.verdicts import expect

_KEYS = "/api/v1/keys"


async def _at(bench: Bench, method: str, target: str, body: bytes | None = None) -> RawAnswer | None:
    """A's request for a raw target; None where the KME closes instead of answering."""
    a = bench.parties.a
    return await bench.attempt(a, bench.request(a, method, target, body), fresh=False)


async def c42_odd_sae_ids(bench: Bench) -> None:
    """B's ID with something added, encoded once and twice, in other letters."""
    b = bench.parties.b.sae_id
    first = f"{ord(b[0]):02X}"
    odd = [
        f"{b}{mark}"
        for mark in ("%20", "%2F", "%25", "+", "%3F", "%23", "%C3%A9", "%00", "%0D%0A", "%", "%zz")
    ]
    odd += [
        f"%20{b}",
        f"%25{first}{quote(b[1:], safe='')}",
        f"%{first}{quote(b[1:], safe='')}",
        "%2E%2E",
        "%00",
        "%2F",
    ]
    odd += [quote(b.swapcase(), safe="")] if b.swapcase() != b else []
    for segment in odd:
        answer = await _at(bench, "GET", f"{_KEYS}/{segment}/status")
        if answer is None:
            continue
        expect(answer.status < 500 or answer.status == 503, f"SAE ID {segment}: {brief(answer)}")
        if answer.status == 200:
            told = judgement.json_object(answer.body) or {}
            is_named = told.get("slave_SAE_ID") == unquote(segment)
            expect(is_named, f"SAE ID {segment} is answered for {told.get('slave_SAE_ID')}")


async def c43_odd_paths(bench: Bench) -> None:
    """Encoded and doubled slashes, dots, a slash at the end, a whole URL."""
    b, kme = quote(bench.parties.b.sae_id, safe=""), bench.parties.a.kme
    odd = {
        f"{_KEYS}/{b}%2Fstatus": False, f"{_KEYS}//{b}/status": False, f"{_KEYS}/{b}//status": False,
        f"{_KEYS}/{b}/status/": False, f"{_KEYS}/x%2F..%2F{b}/status": False, f"{_KEYS}/x/../{b}/status": False,
        f"{_KEYS}/..%2fkeys%2f{b}/status": False, f"//api/v1/keys/{b}/status": False,
        f"{_KEYS}/{b}/status%2f..%2fenc_keys": False, f"{_KEYS}/{b};x=1/status": False,
        f"https://{kme.authority}{_KEYS}/{b}/status": True,
    }  # fmt: skip
    for target, may_serve in odd.items():
        answer = await _at(bench, "GET", target)
        if answer is not None:
            told = judgement.json_object(answer.body) or {}
            reaches = answer.status == 200 and told.get("slave_SAE_ID") in {bench.parties.b.sae_id, None}
            expect(may_serve or not reaches, f"GET {target} is served as if it were the status of B")
            _no_redirect(answer, f"GET {target}")
    for target in (f"{_KEYS}/{b}/enc_keys/", f"{_KEYS}/{b}%2Fenc_keys"):
        answer = await _at(bench, "POST", target, b"{}")
        if answer is not None:
            expect(answer.status != 200, f"POST {target} gives keys")
            _no_redirect(answer, f"POST {target}")


def _no_redirect(answer: RawAnswer, what: str) -> None:
    """Clients that take every answer below 400 for success lose their key."""
    expect(not 300 <= answer.status < 400, f"{what} is redirected ({answer.status})")
    expect(answer.status < 500 or answer.status == 503, f"{what}: {brief(answer)}")


_POOLS = (
    "/api/v1/kme/key-pool", "/api/v1/kme/keys", "/api/v1/kme/key-pool/import", "/keys/exchange", "/api/v1/keys/exchange",
    "/internal/keys", "/internal/key_exchange", "/api/v1/internal/keys", "/debug", "/debug/stores", "/admin",
    "/api/v1/admin/keys", "/dump", "/api/v1/key-pool", "/kmapi/v1/ext_keys",
)  # fmt: skip
_PAGES = ("/docs", "/openapi.json", "/redoc", "/metrics", "/", "/health")
_INJECTED = json.dumps(
    {"keys": [{"key_ID": "00000000-0000-4000-8000-00000000c0de", "key": "AAAA" * 10 + "AAA="}]}
).encode()


async def c63_no_other_doors(bench: Bench) -> None:
    """With an SAE's certificate: read a pool, put a key into one, look into the machine."""
    for target in _POOLS:
        answer = await _at(bench, "GET", target)
        expect(answer is None or not 200 <= answer.status < 300, f"GET {target} is served to an SAE")
        for method in ("POST", "PUT"):
            answer = await _at(bench, method, target, _INJECTED)
            expect(
                answer is None or not 200 <= answer.status < 300, f"{method} {target} is taken from an SAE"
            )
    for target in _PAGES:
        answer = await _at(bench, "GET", target)
        if answer is not None and answer.status == 200:
            bench.note(f"GET {target} is served to an SAE")
            expect(b'"key_ID"' not in answer.body or b'"key"' not in answer.body or b"schema" in answer.body.lower(),
                   f"GET {target} shows keys")  # fmt: skip


async def c68_other_methods(bench: Bench) -> None:
    """HEAD, PUT, DELETE, PATCH on the three paths; a key that waits is still there."""
    (key,) = await bench.given()
    a, b = bench.parties.a, bench.parties.b
    before = await bench.stock()
    slave, master = quote(b.sae_id, safe=""), quote(a.sae_id, safe="")
    for method in ("HEAD", "PUT", "DELETE", "PATCH"):
        body = None if method == "HEAD" else b"{}"
        for caller, path in (
            (a, f"{slave}/status"),
            (a, f"{slave}/enc_keys"),
            (b, f"{master}/dec_keys?key_ID={key.key_id}"),
        ):
            bench.drop(caller)
            answer = await bench.ask(caller, method, path, body)
            expect(answer.status != 200, f"{method} {path.partition('?')[0]} is answered with 200")
    bench.drop()
    await checks.stock_unchanged(bench, before, "other methods")
    await checks.fetches(bench, b, a, [key], "the key that waited")
