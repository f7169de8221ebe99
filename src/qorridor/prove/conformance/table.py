"""The cases of the suite, one row each: number, title, clause of ETSI GS QKD 014 V1.1.1, level, needs, keys burnt.

A row of the contract that mixes levels is split by letters. Clause words: T1, T2 are tables 1 and 2;
B is annex B; a dash means that the standard is silent.
"""

from __future__ import annotations

from collections.abc import Sequence

from qorridor.prove.conformance.verdicts import Case, Level, Profile

S, D, A = Level.SHALL, Level.DECISION, Level.ABUSE

THIRD = ("--third-sae",)

CASES: tuple[Case, ...] = (
    Case("C1", "status has all eleven members with their types", "5.2, 6.1", S),
    Case("C2", "status values fit together and name the caller", "6.1", S),
    Case("C3", "POST to status is not served", "T2", D),
    Case("C4", "enc_keys by GET without a query gives one key of key_size", "6.2", S, keys=1),
    Case("C5", "enc_keys by GET obeys number and size", "6.2", S, keys=6),
    Case("C6", "a default fills what GET leaves out", "6.2", S, keys=3),
    Case("C7", "enc_keys by POST {} gives one key of key_size", "6.2", S, keys=1),
    Case("C8", "a POST without a body is an empty request or refused", "-", D, keys=1),
    Case("C9", "enc_keys by POST gives the exact number and size", "6.3", S, keys=5),
    Case("C10", "the advertised bounds of number and size are served", "6.1", S, keys=2, per_request=1),
    Case("C11", "a number out of bounds is 400 and takes nothing", "6.1", D, keys=3),
    Case("C12", "a size out of bounds is 400, never a key of another size", "6.1", S, keys=4),
    Case("C13", "a size of no whole bytes: text 1, or ceil(size / 8) bytes with zero tail", "6.2", S, keys=1),
    Case("C14", "numbers of another JSON type are 400, not 500", "6.2", D, keys=6),
    Case("C15", "odd, empty, repeated and unknown query parameters are 400", "6.2", D, keys=8),
    Case("C17", "the slave gets byte-identical keys for all IDs", "5.4", S, keys=3),
    Case("C18", "dec_keys by GET gives the same key", "6.4", S, keys=1),
    Case("C19", "a key is gone after it was fetched: text 5", "5.4", S, keys=1),
    Case("C20", "a second Get key does not discard the first", "5.3", S, keys=2),
    Case("C21", "an unknown key_ID is 400 with text 5", "6.4", S),
    Case("C22", "one unknown ID refuses the whole request and consumes nothing", "6.4", S, keys=1),
    Case("C23", "key_IDs as an array of strings is 400", "6.4", S, keys=1),
    Case("C24", "empty, missing, repeated, too many key_IDs are 400 and consume nothing", "6.4", D, keys=1),
    Case("C25", "a key_ID in upper case names the same key", "6.4", D, keys=1),
    Case("C26", "what is no UUID is 400, not 500", "6.4", A),
    Case("C27", "an outsider gets 401 without a body, the slave its key", "5.4", S, THIRD, keys=1),
    Case("C28", "the master gets 401 for its own key, the slave its key", "5.4", S, keys=1),
    Case("C29", "one foreign key in a request makes it 401 and consumes nothing", "5.4", S, THIRD, keys=2),
    Case("C30", "a wrong master in the path is refused and consumes nothing", "5.4", D, keys=1),
    Case("C31", "keys of two masters, one of them foreign, are 401", "5.4", S, THIRD, keys=2),
    Case("C32", "no client certificate: no answer but 401", "5.1", S),
    Case("C33a", "an expired client certificate is refused", "5.1", S, ("--bad-certificate expired=",)),
    Case("C33b", "a client certificate that is not valid yet is refused", "5.1", S,
         ("--bad-certificate not-yet-valid=",)),
    Case("C33c", "a self-signed client certificate is refused", "5.1", S),
    Case("C33d", "a client certificate of another authority is refused", "5.1", S),
    Case("C33e", "a certificate that is not meant for clients is refused", "5.1", S,
         ("--bad-certificate wrong-use=",)),
    Case("C33f", "a revoked client certificate is refused", "5.1", S, ("--bad-certificate revoked=",)),
    Case("C34", "a valid certificate that belongs to no SAE is refused", "5.1", S, ("--outsider",)),
    Case("C35", "no header changes who is asking", "4", A, keys=3),
    Case("C36", "a resumed connection does not outlive a revocation", "4", A,
         ("--bad-certificate revocable=", "--revoke-hook")),
    Case("C37", "TLS 1.0 and 1.1 are refused", "5.1", S),
    Case("C38a", "the KME's certificate is in date, for servers, and names its host", "5.1", S),
    Case("C38b", "the key exchange is post-quantum", "-", Level.OPTION),
    Case("C39", "plain HTTP gets no answer in JSON", "5.1", S),
    Case("C40", "an unknown slave is refused", "5.3", D, keys=1),
    Case("C41", "an SAE shares no key with itself", "-", D, keys=1),
    Case("C42", "an SAE ID is decoded once and compared exactly", "5.2", A),
    Case("C43", "odd paths reach no other resource and are not redirected", "5.1", A, keys=2),
    Case("C44", "an unknown mandatory extension is 400 with text 2 and takes nothing", "6.2", S, keys=1),
    Case("C45", "a mandatory extension that cannot be met is 400 with text 3", "6.2", S, ("--unsatisfiable",), keys=1),
    Case("C46", "an unknown optional extension is ignored, or 400 with text 4", "6.2", S, keys=1),
    Case("C47", "mandatory goes before optional; an empty list is no extension; an object is read", "6.2", D, keys=3),
    Case("C48", "a further slave is refused where max_SAE_ID_count is 0", "6.2", S, keys=1),
    Case("C49", "multicast: each slave fetches once and gets the same key", "6.2, B", S, THIRD, keys=2),
    Case("C50a", "more slaves than max_SAE_ID_count are refused and take nothing", "6.2", S, keys=1),
    Case("C50b", "a slave twice, the caller, an unknown slave are refused and take nothing", "6.2", D, keys=4),
    Case("C51a", "a body that is no JSON object is 400 with Error", "6.5", S, keys=8),
    Case("C51b", "a member name twice is 400", "6.5", D, keys=1),
    Case("C53", "the Content-Type of a request does not matter", "T1", Level.OPTION, keys=4),
    Case("C54", "oversize and odd framing get a bounded answer and harm nobody", "-", A, keys=6),
    Case("C55", "pipelined requests are answered in order or not at all", "RFC 7230", A),
    Case("C56", "parallel Get key calls give distinct keys, each fetched once", "5.3", S, keys=32),
    Case("C57", "both SAEs as masters at once: no key twice, no deadlock", "5.3", S, keys=400),
    Case("C58", "parallel fetches of one key: exactly one succeeds", "5.4", S, keys=4),
    Case("C59", "a key can be fetched as soon as Get key has answered", "5.3", S, keys=200),
    Case("C60", "the stock falls by what was taken", "5.3", D, keys=5),
    Case("C63", "no pool, debug or inter-KME address serves an SAE", "4", A),
    Case("C64", "half-sent requests hold up nobody and are closed", "-", A),
    Case("C65", "a slave that goes away gets its key once or never", "5.4", A, keys=50),
    Case("C66", "a restart does not offer a delivered key again", "5.4", A, ("--restart-hook",), keys=4),
    Case("C67", "with its peer down the KME answers in time and gives no key that the peer never learns", "5.3", A,
         ("--peer-stop-hook", "--peer-start-hook"), keys=1),
    Case("C68", "other methods are not served and take nothing", "T2", D, keys=8),
    Case("C16", "more keys than stocked: an Error, never a short answer, nothing taken", "5.3", S, per_request=1),
    Case("C52", "every refusal carries an Error with a message", "6.5", S),
    Case("C61a", "keys are canonical base64 and key_IDs are UUIDs", "6.3", S),
    Case("C61b", "no key value twice, no common prefix, as many ones as zeros", "6.3", A, keys=400),
    Case("C62", "every answer says Cache-Control: no-store", "-", A),
)  # fmt: skip
"""In the order in which they run: what drains the stock and what looks back at everything comes last."""

BY_NAME = {case.name: case for case in CASES}


def selected(profile: Profile, names: Sequence[str] = ()) -> list[Case]:
    """Cases of a profile, or those of `names` alone: C33 names C33a to C33f. Raises ValueError for others."""
    if not names:
        return [case for case in CASES if profile.takes(case.level)]
    wanted = {name.upper().removeprefix("C") for name in names}
    found = [case for case in CASES if _names_of(case) & wanted]
    missing = wanted - {name for case in found for name in _names_of(case)}
    if missing:
        raise ValueError(f"there is no case C{min(missing)}")
    return found


def _names_of(case: Case) -> set[str]:
    name = case.name.removeprefix("C")
    return {name.upper(), name.rstrip("abcdef")}


def number_of(name: str) -> tuple[int, str]:
    """A case's number and letter, for sorting."""
    digits = name.removeprefix("C").rstrip("abcdef")
    return int(digits), name.removeprefix("C")[len(digits) :]


def keys_of(cases: Sequence[Case], per_request: int | None) -> int:
    """Most keys that `cases` burn; `per_request` is the KME's max_key_per_request when it is known.

    C16 drains the stock, which nobody knows beforehand, and is not counted.
    """
    fixed = sum(case.keys for case in cases)
    return fixed + sum(case.per_request for case in cases if case.name != "C16") * (per_request or 0)
