"""What cases say about answers, in the words of the standard; each raises a failing Finding."""

from __future__ import annotations

from collections.abc import Iterable

from qorridor.adapters.peers.raw_http import RawAnswer
from qorridor.app.conform.bench import Bench
from qorridor.app.conform.parties import Party
from qorridor.prove.conformance import judgement
from qorridor.prove.conformance.judgement import KEYS_NOT_FOUND, Key
from qorridor.prove.conformance.verdicts import expect, fail


def brief(answer: RawAnswer) -> str:
    """Status and message of an answer, for a reason."""
    return f"{answer.status} {answer.words[:80]!r}" if answer.words else str(answer.status)


def keys(answer: RawAnswer, number: int, bits: int | None, what: str) -> list[Key]:
    """The keys of a 200: exactly `number`, each of `bits`."""
    expect(answer.status == 200, f"{what}: {brief(answer)} instead of 200")
    try:
        found = judgement.container(answer.body)
    except ValueError as error:
        fail(f"{what}: {error}")
    expect(len(found) == number, f"{what}: {len(found)} keys instead of {number}")
    sizes = sorted({key.bits for key in found})
    expect(
        bits is None or sizes == [bits],
        f"{what}: keys of {', '.join(map(str, sizes))} bits instead of {bits}",
    )
    return found


def refused(answer: RawAnswer, what: str, statuses: Iterable[int] = (400,), text: str = "") -> None:
    """A refusal with one of `statuses` and, where it is fixed, the exact text."""
    allowed = sorted(statuses)
    expect(answer.status in allowed, f"{what}: {brief(answer)} instead of {' or '.join(map(str, allowed))}")
    message = judgement.message_of(answer.body)
    expect(not text or message == text, f"{what}: the message is {answer.words[:80]!r} instead of {text!r}")


def has_error(answer: RawAnswer, what: str) -> None:
    """A refusal carries the Error of clause 6.5."""
    faults = judgement.error_faults(answer.status, answer.header("content-type"), answer.body)
    expect(not faults, f"{what}: {', '.join(faults)}")


def not_found(answer: RawAnswer, what: str) -> None:
    """400 with text 5."""
    refused(answer, what, text=KEYS_NOT_FOUND)


def unauthorised(answer: RawAnswer, what: str) -> None:
    """401 without a body."""
    refused(answer, what, (401,))
    expect(not answer.body, f"{what}: 401 carries a body of {len(answer.body)} bytes")


async def stock_unchanged(bench: Bench, before: int, what: str) -> None:
    """Nothing was taken; a stock that was refilled meanwhile proves nothing else."""
    now = await bench.stock()
    expect(now >= before, f"{what}: the stock fell from {before} to {now}")
    if now > before:
        bench.note(f"the stock grew from {before} to {now} during the case")


async def fetches(
    bench: Bench, caller: Party, master: Party, given: list[Key], what: str = "dec_keys"
) -> None:
    """The caller gets exactly these keys."""
    answer = await bench.dec(caller, master, [key.key_id for key in given])
    expect(answer.status == 200, f"{what}: {brief(answer)} instead of 200")
    try:
        fault = judgement.same_keys(given, judgement.container(answer.body))
    except ValueError as error:
        fault = str(error)
    expect(not fault, f"{what}: {fault}")
