"""Defects of KMEs, one each: which case must catch it, which others may turn red by it, where it was seen.

M measured by request, R read in source (facts of the peers named); T a trap that was measured in the parsers and
frameworks that KMEs are built of; N none of these: no peer is known to have it.
"""

from typing import NamedTuple


class Mutant(NamedTuple):
    """One defect."""

    name: str
    case: str
    others: str
    seen: str


MUTANTS = tuple(Mutant(*row) for row in (
    # Get status
    ("status-misses-member", "C1", "", "N"),
    ("status-numbers-as-text", "C1", "", "N"),
    ("status-as-html", "C1", "", "N"),
    ("status-swaps-saes", "C2", "C35 C42 C43 C55", "N"),
    ("status-stock-above-cap", "C2", "C60", "N"),
    ("post-status", "C3", "", "N"),
    ("stock-always-0", "C60", "", "qkd-trusted-node (R): stored_key_count fixed 0"),
    # Get key
    ("get-needs-query", "C4", "", "N"),
    ("get-ignores-query", "C5", "C6 C15", "CreepPork (M): GET ignores number and size"),
    ("get-needs-both", "C6", "", "N"),
    ("post-needs-number", "C7", "C10 C13 C44 C45 C46 C47 C49 C53 C67", "N"),
    ("500-without-body", "C8", "", "N"),
    ("ignores-size", "C9", "C5 C6 C10 C12", "easy-kme (M): size=512 gives 32 bytes; qkd_kme_server (R): 256 only"),
    ("largest-not-served", "C10", "C5 C6 C9", "qkd_kme_server (R): one size whatever is asked for"),
    ("smaller-than-advertised", "C10", "", "N"),
    ("number-0-is-empty", "C11", "", "CreepPork (M): number=0 gives 200 and no key"),
    ("clamps-number", "C11", "C15", "qkd_kme_server (R): fewer keys than asked for, with 200"),
    ("503-above-maximum", "C11", "C15", "easy-kme (M): over the maximum is 503"),
    ("clamps-size", "C12", "", "easy-kme (M): a key of another size"),
    ("rounds-odd-size-down", "C13", "", "CreepPork (M): size=100 gives 12 bytes"),
    ("own-text-for-odd-size", "C13", "", "py-kme-sim, easy-kme (R): own texts"),
    ("lax-numbers", "C14", "", "T: pydantic's lax mode takes text, floats and booleans"),
    ("lax-query", "C15", "", "T: int() takes signs, underscores, spaces, other digits"),
    ("short-answer", "C16", "", "qkd_kme_server (R): fewer keys than asked for, with 200"),
    ("takes-before-counting", "C16", "", "N"),
    # Get key with key IDs
    ("first-only", "C17", "C56", "N"),
    ("keys-in-html", "C17", "C18 C20 C22 C24 C25 C27 C28 C29 C30 C31 C35 C49 C56 C57 C58 C66 C67 C68", "N"),
    ("shifts-keys", "C17", "C56", "N"),
    ("no-get-dec", "C18", "C26", "CreepPork (M): GET forms in part only"),
    ("delivers-again", "C19", "C49 C58 C65 C66",
     "easy-kme (M): a second dec_keys returns the key again; qkd_kme_server (R): keys stay for ever"),
    ("second-discards-first", "C20", "C29 C56 C57 C66", "CreepPork (M): a second enc_keys discards the first key"),
    ("404-for-unknown", "C21", "C19 C22 C30 C49 C58 C65", "HybridNetwork (R): 404 where 400 is due"),
    ("503-for-unknown", "C21", "C19 C22 C30 C49 C65", "HybridNetwork (R): 503 where 400 is due"),
    ("own-text-for-unknown", "C21", "C19 C22 C49", "py-kme-sim, easy-kme (R): own texts"),
    ("consumes-on-failure", "C22", "", "N"),
    ("ids-as-strings", "C23", "", "N"),
    ("takes-any-list", "C24", "", "N"),
    ("exact-case", "C25", "", "N"),
    ("404-for-odd-ids", "C26", "", "HybridNetwork (R): 404 where 400 is due"),
    ("falls-on-odd-ids", "C26", "C24", "T: uuid.UUID() raises what nobody catches"),
    ("no-owner-check", "C27", "C28 C29 C30 C31 C35", "CreepPork (M): any certificate of the authority reads keys"),
    ("body-with-401", "C27", "C28 C29 C31", "N"),
    ("master-may-fetch", "C28", "C35", "N"),
    ("any-of-several-is-enough", "C29", "C28 C30 C31", "N"),
    ("burns-for-wrong-master", "C30", "", "N"),
    ("knows-only-one-master", "C31", "C28 C30", "N"),
    # who is asking
    ("asks-for-no-certificate", "C32", "C35", "CreepPork (R): certificate check off between KMEs"),
    ("ignores-dates", "C33a", "C33b", "N"),
    ("ignores-revocation", "C33f", "", "N"),
    ("maps-everybody", "C34", "", "CreepPork (M): any certificate of the authority will do"),
    ("trusts-header", "C35", "", "easy-kme (M): X-SAE-ID accepted without a certificate"),
    ("keeps-revoked-sessions", "C36", "", "N"),
    ("resumes-revoked", "C36", "", "T: resumption skips the check of revocation"),
    ("any-slave", "C40", "", "N"),
    ("own-slave", "C41", "C55", "N"),
    # the connection
    ("old-tls", "C37", "", "N"),
    ("certificate-of-another-host", "C38a", "", "N"),
    ("plain-http", "C39", "", "HybridNetwork (R): plain HTTP by default"),
    # paths and methods
    ("decodes-twice", "C42", "", "T: SAE IDs decoded by framework and handler"),
    ("folds-case", "C42", "", "N"),
    ("strips-ids", "C42", "", "N"),
    ("decodes-before-split", "C43", "C42", "T: Starlette routes on the decoded path"),
    ("redirects", "C43", "", "T: Starlette answers a slash at the end with 307"),
    ("normalises", "C43", "", "N"),
    ("open-pool", "C63", "", "CreepPork (M): any certificate reads the whole pool"),
    ("open-exchange", "C63", "", "CreepPork (M): the inter-KME address is open to SAEs"),
    ("open-internal", "C63", "", "N"),
    ("open-debug", "C63", "", "qkd-trusted-node (R): a debug address dumps the stores"),
    ("injection", "C63", "", "CreepPork (M): any certificate injects a key that an SAE then receives"),
    ("any-method", "C68", "", "N"),
    # extensions and multicast
    ("ignores-mandatory", "C44", "C45 C47", "CreepPork (M): extension_mandatory ignored"),
    ("drops-object-form", "C47", "", "N"),
    ("own-text-for-mandatory", "C44", "C47", "py-kme-sim, easy-kme (R): own texts"),
    ("takes-for-mandatory", "C44", "", "qkd_kme_server (R): ids leak in blocked_key_ids after an error"),
    ("own-text-for-unmet", "C45", "", "py-kme-sim, easy-kme (R): own texts"),
    ("refuses-optional", "C46", "", "N"),
    ("multicast-unasked", "C48", "", "py-kme-sim (R): multicast ignored"),
    ("multicast-ignored", "C49", "C50a C50b", "easy-kme (R): multicast accepted and not served"),
    ("any-number-of-slaves", "C50a", "C50b", "easy-kme (R): multicast accepted unread"),
    ("takes-odd-slaves", "C50b", "", "N"),
    # bodies and errors
    ("html-on-bad-json", "C51a", "C52", "CreepPork (M): HTML on bad JSON"),
    ("422-on-bad-json", "C51a", "C14 C51b", "easy-kme (M): 422 with detail for bad JSON"),
    ("500-on-bad-json", "C51a", "C14 C51b", "N"),
    ("default-for-garbage", "C51a", "C14 C51b", "qkd_kme_server (R): an unparsable body is the default request"),
    ("takes-nan", "C51a", "", "T: json.loads takes NaN"),
    ("detects-encoding", "C51a", "", "T: json.loads takes UTF-16"),
    ("falls-on-depth", "C51a", "", "T: 100,000 brackets raise RecursionError"),
    ("last-name-wins", "C51b", "", "T: json.loads takes a name twice"),
    ("error-without-message", "C52", "C11 C12 C13 C16 C19 C21 C22 C44 C45 C47 C49 C51a", "easy-kme (R): detail"),
    ("echoes-key", "C52", "C19 C22 C49", "N"),
    ("details-of-strings", "C52", "C11 C12 C16 C51a", "N"),
    ("stack-trace", "C52", "C11 C12 C13 C16 C19 C21 C22 C44 C45 C47 C49 C51a", "N"),
    # many at once, odd framing, who goes away
    ("hangs-on-oversize", "C54", "", "N"),
    ("two-lengths", "C54", "", "N"),
    ("crosses-answers", "C55", "", "N"),
    ("races", "C56", "C57 C61b", "qkd_kme_server (R): ORDER BY RANDOM() against races"),
    ("deadlock", "C57", "C16 C58 C59 C60 C61b C65 C66 C68",
     "CreepPork (M): dead-locked for good; each KME calls the other one under its lock"),
    ("slow-take", "C58", "", "easy-kme (R): no locking"),
    ("propagates-late", "C59", "C20 C22 C56 C57 C66", "py-kme-sim (R): keys reach the peer through RabbitMQ"),
    ("waits-for-ever", "C64", "", "N"),
    ("one-at-a-time", "C64", "", "N"),
    ("keeps-when-slave-leaves", "C65", "C58 C66", "qkd_kme_server (R): delivered keys stay in activated_keys"),
    ("restores-old-snapshot", "C66", "", "N"),
    ("gives-without-peer", "C67", "", "N"),
    # keys
    ("base64url", "C61a", "", "N"),
    ("unpadded", "C61a", "", "N"),
    ("ids-are-no-uuids", "C61a", "", "N"),
    ("constant-prefix", "C61b", "C66", "N"),
    ("biased-bits", "C61b", "", "N"),
    ("cacheable", "C62", "", "N"),
))  # fmt: skip
