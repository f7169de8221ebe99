"""Runs the cases one after the other and writes the report."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from types import ModuleType
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from qorridor.app.conform import (
    cases_abuse,
    cases_concurrency,
    cases_dec_keys,
    cases_enc_keys,
    cases_extensions,
    cases_identity,
    cases_paths,
    cases_status,
    cases_tls,
    parties,
)
from qorridor.app.conform.bench import Bench, Settings, trouble
from qorridor.app.conform.parties import Parties
from qorridor.base.errors import OutsideError
from qorridor.ports.world import Clock, Entropy
from qorridor.prove.conformance import judgement
from qorridor.prove.conformance.verdicts import Case, Finding, Profile, Report, Result, Verdict, judged

CaseFunction = Callable[[Bench], Awaitable[None]]
_NAME = re.compile(r"c(\d+[a-f]?)_")
_MODULES = (
    cases_status, cases_enc_keys, cases_dec_keys, cases_identity, cases_tls, cases_paths, cases_extensions,
    cases_concurrency, cases_abuse,
)  # fmt: skip


def _functions(modules: Sequence[ModuleType]) -> dict[str, CaseFunction]:
    """Case name -> its function: the number stands in the function's name."""
    return {
        f"C{match[1]}": function
        for module in modules
        for name, function in vars(module).items()
        if (match := _NAME.match(name)) is not None
    }


FUNCTIONS = _functions(_MODULES)


async def run_suite(
    people: Parties, settings: Settings, cases: Sequence[Case], profile: Profile, clock: Clock, entropy: Entropy,
    folder: Path, told: Callable[[Result], None] = lambda _: None,
) -> Report:  # fmt: skip
    """All `cases` against the KME of `people`; `folder` takes the certificates that the suite makes.

    Raises OutsideError Q-KME-042 or Q-KME-043 when A cannot reach its KME, and Q-KME-081 when it is
    reached and serves A no status: then there is nothing to judge.
    """
    made = datetime.fromtimestamp(clock.now(), UTC)
    imposters = parties.imposters(people.a, folder, made)
    people = Parties(people.a, people.b, people.c, people.outsider, {**imposters, **people.bad})
    bench = Bench(people, settings, entropy.draw(32))
    target = await _target(bench)
    results = []
    for case in cases:
        result = await _run_case(bench, case, profile, clock)
        told(result)
        results.append(result)
    bench.drop()
    return Report(
        profile, target, made.isoformat(timespec="seconds"), metadata.version("qorridor"), bench.burnt,
        settings.budget, tuple(results),
    )  # fmt: skip


async def _target(bench: Bench) -> dict[str, object]:
    """What is known of the KME before the first case."""
    a = bench.parties.a
    async with bench.connection(a) as connection:
        peer = connection.stream.peer
    known: dict[str, object] = {
        "kme": f"https://{a.kme.authority}", "peer_kme": f"https://{bench.parties.b.kme.authority}",
        "master": a.sae_id, "slave": bench.parties.b.sae_id, "tls": peer.version, "group": peer.group,
        "cipher": peer.cipher,
    }  # fmt: skip
    if peer.chain:
        leaf = x509.load_der_x509_certificate(peer.chain[0])
        known["certificate"] = {
            "subject": leaf.subject.rfc4514_string(), "common_name": cases_tls.common_name(leaf),
            "serial": f"{leaf.serial_number:x}", "sha256": leaf.fingerprint(hashes.SHA256()).hex(),
            "not_after": leaf.not_valid_after_utc.isoformat(),
        }  # fmt: skip
    return known | await _own_words(bench)


async def _own_words(bench: Bench) -> dict[str, object]:
    """KME IDs and sizes as the first status states them; a KME without a proper one is judged all the same."""
    try:
        answer = await bench.ask(bench.parties.a, "GET", f"{quote(bench.parties.b.sae_id, safe='')}/status")
    except (ConnectionError, TimeoutError, ValueError) as error:
        raise OutsideError(
            "Q-KME-081", f"the KME closes the connection of {bench.parties.a.sae_id}: {error or 'no answer'}",
            "look whether the KME accepts the certificate of --sae", bench.parties.a.kme.authority,
        ) from error  # fmt: skip
    told = judgement.json_object(answer.body) or {}
    names = ("source_KME_ID", "target_KME_ID", "key_size", "max_key_per_request", "stored_key_count")
    return {name: told[name] for name in names if isinstance(told.get(name), str | int)} | {
        "server": answer.header("server")[:80]
    }


async def _run_case(bench: Bench, case: Case, profile: Profile, clock: Clock) -> Result:
    bench.start_case()
    began, burnt = clock.monotonic(), bench.burnt
    try:
        await FUNCTIONS[case.name](bench)
        finding = Finding(Verdict.PASS, "")
    except Finding as found:
        finding = found
    except (
        OutsideError,
        ConnectionError,
        TimeoutError,
        OSError,
        ValueError,
        asyncio.IncompleteReadError,
    ) as error:
        finding = trouble(error)
        bench.drop()
    evidence, unshown = bench.evidence()
    verdict = judged(case, profile, finding.verdict)
    seconds = clock.monotonic() - began
    clean = bench.redactor.reason
    notes = tuple(map(clean, bench.notes))
    return Result(
        case, verdict, clean(finding.reason), notes, evidence, unshown, seconds, bench.burnt - burnt
    )
