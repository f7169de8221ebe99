"""Who is asking: C32 to C36, C40, C41."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Sequence
from urllib.parse import quote

from qorridor.adapters.peers import raw_http
from qorridor.adapters.peers.raw_http import RawAnswer
from qorridor.app.conform import checks
from qorridor.app.conform.bench import Bench
from qorridor.app.conform.checks import brief
from qorridor.app.conform.parties import Party
from qorridor.base.errors import OutsideError
from qorridor.prove.conformance import judgement
from qorridor.prove.conformance.verdicts import expect, fail, inconclusive, skip

_CLAIMS = ("X-SAE-ID: {}", "X-SSL-Client-S-DN: CN={}", 'X-Forwarded-Client-Cert: Subject="CN={0}";URI=spiffe://x/sae/{0}',
           "X-Client-Cert-CN: {}", "X-Forwarded-User: {}")  # fmt: skip


def _status_request(bench: Bench, caller: Party, headers: Sequence[str] = ()) -> bytes:
    target = f"/api/v1/keys/{quote(bench.parties.b.sae_id, safe='')}/status"
    return bench.request(caller, "GET", target, None, headers)


async def _turned_away(bench: Bench, caller: Party, what: str, headers: Sequence[str] = ()) -> None:
    """TLS fails, the connection ends, or 401; never an answer that serves."""
    bench.drop(caller)
    try:
        answer = await bench.send(caller, _status_request(bench, caller, headers))
    except (OutsideError, ConnectionError, TimeoutError, ValueError) as error:
        bench.note(f"{what}: {error.cause if isinstance(error, OutsideError) else error or 'no answer'}")
        return
    finally:
        bench.drop(caller)
    expect(not 200 <= answer.status < 300, f"{what} is served: {answer.status}")
    expect(answer.status not in {500, 502, 503, 504}, f"{what}: {brief(answer)} instead of a refusal")
    if answer.status != 401:
        bench.note(f"{what}: refused with {answer.status} instead of 401")


def _bad(bench: Bench, name: str) -> Party:
    party = bench.parties.bad.get(name)
    if party is None:
        skip(f"needs --bad-certificate {name}=FILE")
    return party


async def c32_no_certificate(bench: Bench) -> None:
    """Mutual TLS is not optional."""
    nobody = dataclasses.replace(bench.parties.a, role="nobody", sae_id="no certificate", credentials=None)
    await _turned_away(bench, nobody, "a client without a certificate")


async def c33a_expired(bench: Bench) -> None:
    """Out of date."""
    await _turned_away(bench, _bad(bench, "expired"), "an expired certificate")


async def c33b_not_yet_valid(bench: Bench) -> None:
    """Ahead of its date."""
    await _turned_away(bench, _bad(bench, "not-yet-valid"), "a certificate that is not valid yet")


async def c33c_self_signed(bench: Bench) -> None:
    """A's names, signed by itself; the suite makes it."""
    await _turned_away(bench, _bad(bench, "self-signed"), "a self-signed certificate")


async def c33d_other_authority(bench: Bench) -> None:
    """A's names, signed by an authority with the right name and another key; the suite makes it."""
    await _turned_away(bench, _bad(bench, "other-authority"), "a certificate of another authority")


async def c33e_wrong_use(bench: Bench) -> None:
    """Extended key usage without clientAuth."""
    await _turned_away(bench, _bad(bench, "wrong-use"), "a certificate that is not for clients")


async def c33f_revoked(bench: Bench) -> None:
    """On the authority's revocation list."""
    await _turned_away(bench, _bad(bench, "revoked"), "a revoked certificate")


async def c34_unmapped(bench: Bench) -> None:
    """The chain verifies; nobody has registered the identity."""
    if bench.parties.outsider is None:
        skip("needs --outsider")
    await _turned_away(bench, bench.parties.outsider, "an identity that belongs to no SAE")


async def c35_headers(bench: Bench) -> None:
    """B claims to be A, nobody claims to be A, A claims to be B."""
    a, b = bench.parties.a, bench.parties.b
    nobody = dataclasses.replace(a, role="nobody", sae_id="no certificate", credentials=None)
    (key,) = await bench.given()
    body = json.dumps({"key_IDs": [{"key_ID": key.key_id}]}).encode()
    for claim in _CLAIMS:
        await _turned_away(
            bench, nobody, f"no certificate with {claim.partition(':')[0]}", [claim.format(a.sae_id)]
        )
        answer = await bench.ask(
            b, "GET", f"{quote(a.sae_id, safe='')}/status", headers=[claim.format(a.sae_id)]
        )
        told = judgement.json_object(answer.body) or {}
        is_same = answer.status != 200 or told.get("master_SAE_ID") == b.sae_id
        expect(is_same, f"{claim.partition(':')[0]} makes B {told.get('master_SAE_ID')}")
        path = f"{quote(a.sae_id, safe='')}/dec_keys"
        answer = await bench.ask(a, "POST", path, body, [claim.format(b.sae_id)])
        expect(answer.status != 200, f"{claim.partition(':')[0]} gives A a key that is for B")
    await checks.fetches(bench, b, a, [key], "the slave, afterwards")


async def c36_resumption(bench: Bench) -> None:
    """A session that was made before the certificate was revoked."""
    party, revoke = _bad(bench, "revocable"), bench.settings.hooks.get("revoke")
    if revoke is None:
        skip("needs --revoke-hook")
    context = party.context()
    first = await raw_http.dial(party.kme.host, party.kme.port, context)
    answer = await bench.send(party, _status_request(bench, party), connection=first)
    if answer.status != 200:
        inconclusive(f"the certificate that is to be revoked is not served now: {brief(answer)}")
    context.resume = first.stream.session()
    await revoke()
    try:
        await _refused_on(bench, party, first, "the connection that was open")
        second = await raw_http.dial(party.kme.host, party.kme.port, context)
        try:
            await _refused_on(bench, party, second, "a resumed connection")
        finally:
            second.close()
    except (OutsideError, ConnectionError, TimeoutError, ValueError) as error:
        bench.note(f"after the revocation: {error}")
    finally:
        first.close()


async def _refused_on(bench: Bench, party: Party, connection: raw_http.RawConnection, what: str) -> None:
    try:
        answer = await bench.send(party, _status_request(bench, party), connection=connection)
    except (ConnectionError, TimeoutError, ValueError, asyncio.IncompleteReadError):
        return
    expect(not 200 <= answer.status < 300, f"{what} is served after the revocation")


async def c40_unknown_slave(bench: Bench) -> None:
    """Nobody has registered it, so no pair is allowed."""
    answer = await bench.ask(bench.parties.a, "POST", "conform-nobody/enc_keys", {})
    _noted(bench, answer, "an unknown slave")


async def c41_slave_is_caller(bench: Bench) -> None:
    """A key needs two."""
    path = f"{quote(bench.parties.a.sae_id, safe='')}/enc_keys"
    checks.refused(await bench.ask(bench.parties.a, "POST", path, {}), "the caller as slave")


def _noted(bench: Bench, answer: RawAnswer, what: str) -> None:
    if answer.status in {400, 404}:
        bench.note(f"{what}: {brief(answer)}")
        return
    if answer.status != 401:
        fail(f"{what}: {brief(answer)} instead of 401")
