"""The demo's own copy of the example estate: simulated links, short times, a service that is there."""

from __future__ import annotations

from qorridor.base.errors import EstateError

TIMING = """[policy.timing]                           # short: a demo has minutes where production has days
window = "24 s"
no_fresh_key = "12 s"
return_after = "4 s"
dwell = "2 s"
max_transitions_per_hour = 600
[data]
"""

CHANGES = (
    'rekey = "2 min" → "2 s"', 'reserve = "24 hours" → "20 s"', "[policy.timing] with short values",
    "scans, listen and forward point at this machine",
)  # fmt: skip


def demo_estate(example: str, endpoint: str, folder: str, forward: str) -> str:
    """The example with the demo's changes; raises EstateError when the example no longer has a line to change."""
    scans = (
        f'[scan.this-machine]\nscanner = "tls"\ntargets = ["{endpoint}"]\nowner = "demo"\n'
        f'[scan.certificates]\nscanner = "certificates"\nfolders = ["{folder}"]\nowner = "demo"\n'
    )
    start, end = example.index("[scan."), example.index("[site.")
    text = example[:start] + scans + example[end:]
    edits = (
        ('rekey = "2 min"', 'rekey = "2 s"'),
        ('reserve = "24 hours"', 'reserve = "20 s"'),
        ("[data]\n", TIMING),
        (
            'listen = "127.0.0.1:9400", forward = "127.0.0.1:5432"',
            f'listen = "127.0.0.1:0", forward = "{forward}"',
        ),
    )
    for old, new in edits:
        if old not in text:
            raise EstateError(
                "Q-ESTATE-022", f"the example estate has no line with {old}", "restore the example"
            )
        text = text.replace(old, new)
    return text
