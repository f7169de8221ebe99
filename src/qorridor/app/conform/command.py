"""What `qorridor conform` is asked for, turned into parties, settings and a run."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qorridor.adapters.wire.system import SystemClock, SystemEntropy
from qorridor.app.conform.bench import Settings
from qorridor.app.conform.parties import Address, Parties, Party, address, read_party
from qorridor.app.conform.suite import run_suite
from qorridor.base.errors import OutsideError, PolicyRefusal
from qorridor.prove.conformance.verdicts import Case, Profile, Report, Result, inconclusive

BAD_KINDS = ("expired", "not-yet-valid", "wrong-use", "revoked", "revocable")
HOOK_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Request:
    """The words of one call. URLs are `https://HOST[:PORT]`; a missing file is None."""

    kme: str
    sae: Path
    peer_sae: Path
    ca: Path
    peer_kme: str = ""
    third_sae: Path | None = None
    third_kme: str = ""
    outsider: Path | None = None
    bad: Mapping[str, Path] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    """SAE IDs of A, B, C where they do not follow from the certificates."""
    hooks: Mapping[str, str] = field(default_factory=dict)
    """Shell commands by name: restart, revoke, peer-stop, peer-start."""
    unsatisfiable: Mapping[str, Any] | None = None
    budget: int = 2000
    seconds: float = 10.0
    is_agreed: bool = False
    """Whether somebody has said that keys of a KME that is not on this machine may be burnt."""


def addresses(request: Request) -> dict[str, Address]:
    """Where A, B and C have their KMEs; raises ValueError for a URL of another form."""
    own = address(request.kme)
    peer = address(request.peer_kme) if request.peer_kme else own
    third = address(request.third_kme) if request.third_kme else peer
    return {"A": own, "B": peer, "C": third}


def people(request: Request) -> Parties:
    """Everybody with their certificates; raises OutsideError Q-KME-080 for a file that cannot be used."""
    at, names = addresses(request), request.names
    if not request.ca.is_file():
        raise OutsideError("Q-KME-080", "there is no such file of trusted certificates",
                           "name the authority of the KME's certificate with --ca", str(request.ca))  # fmt: skip

    def party(role: str, file: Path, kme: Address, sae_id: str = "") -> Party:
        return read_party(role, file, kme, request.ca, sae_id)

    a = party("A", request.sae, at["A"], names.get("A", ""))
    b = party("B", request.peer_sae, at["B"], names.get("B", ""))
    third, stranger = request.third_sae, request.outsider
    return Parties(
        a,
        b,
        party("C", third, at["C"], names.get("C", "")) if third is not None else None,
        party("X", stranger, at["A"]) if stranger is not None else None,
        {kind: party(kind, file, at["A"], a.sae_id) for kind, file in request.bad.items()},
    )


def missing(case: Case, request: Request) -> str:
    """Which option a case needs that was not given; empty when nothing is missing."""
    given = {
        "--third-sae": request.third_sae, "--outsider": request.outsider, "--unsatisfiable": request.unsatisfiable,
        **{f"--bad-certificate {kind}=": request.bad.get(kind) for kind in BAD_KINDS},
        **{f"--{name}-hook": request.hooks.get(name) for name in ("restart", "revoke", "peer-stop", "peer-start")},
    }  # fmt: skip
    return ", ".join(need for need in case.needs if given.get(need) is None)


def check_agreed(request: Request) -> None:
    """Raises PolicyRefusal Q-POLICY-050 for a KME elsewhere whose keys nobody has agreed to burn."""
    elsewhere = sorted({at.authority for at in addresses(request).values() if not at.is_loopback})
    if elsewhere and not request.is_agreed:
        raise PolicyRefusal(
            "Q-POLICY-050", f"up to {request.budget} keys of a KME that is not on this machine would be burnt",
            "ask its operator, then repeat the call with --yes", ", ".join(elsewhere),
        )  # fmt: skip


def conform(
    request: Request, cases: Sequence[Case], profile: Profile, told: Callable[[Result], None]
) -> Report:
    """Run the cases; raises as `people`, `check_agreed` and `run_suite` do."""
    check_agreed(request)
    parties = people(request)
    hooks = {name: _hook(name, command) for name, command in request.hooks.items()}
    settings = Settings(
        budget=request.budget, seconds=request.seconds, hooks=hooks, unsatisfiable=request.unsatisfiable
    )

    async def main() -> Report:
        with tempfile.TemporaryDirectory(prefix="qorridor-conform-") as folder:
            return await run_suite(
                parties, settings, cases, profile, SystemClock(), SystemEntropy(), Path(folder), told
            )

    return asyncio.run(main())


def _hook(name: str, command: str) -> Callable[[], Awaitable[None]]:
    """Runs a command of the caller's; one that fails leaves its case without a verdict."""

    async def run() -> None:
        child = await asyncio.create_subprocess_shell(
            command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with asyncio.timeout(HOOK_SECONDS):
                code = await child.wait()
        except TimeoutError:
            child.kill()
            inconclusive(f"the command of --{name}-hook did not end in {HOOK_SECONDS:g} s")
        if code:
            inconclusive(f"the command of --{name}-hook ended with {code}")

    return run


def read_extension(text: str) -> dict[str, Any]:
    """The JSON object of --unsatisfiable; raises ValueError."""
    value = json.loads(text)
    if not isinstance(value, dict) or not value:
        raise ValueError("it is no JSON object with a member")
    return value
