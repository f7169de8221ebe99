"""The verbs around a run against the run itself: real processes, real tunnel, one eavesdropper."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TIMING = """[policy.timing]
window = "30 s"
no_fresh_key = "12 s"
return_after = "4 s"
dwell = "2 s"
max_transitions_per_hour = 1000
"""


def quick_estate():
    text = (ROOT / "examples/meridian/estate.toml").read_text()
    text = text.replace('rekey = "2 min"', 'rekey = "2 s"').replace(
        'reserve = "24 hours"', 'reserve = "20 s"'
    )
    text = text.replace('preset = "metro"', 'preset = "demo-1ghz"').replace(
        "[data]\n", f"{TIMING}[data]\n", 1
    )
    return text.replace("127.0.0.1:9400", "127.0.0.1:0")


def call(folder, *arguments, code=0):
    done = subprocess.run(
        [sys.executable, "-m", "qorridor", *arguments], cwd=folder, capture_output=True, text=True, check=False,
        timeout=90, env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert done.returncode == code, (arguments, done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


@pytest.fixture
def corridor(tmp_path):
    """`qorridor run thames` below the folder that is yielded, ended by Ctrl-C."""
    (tmp_path / "estate.toml").write_text(quick_estate())
    with (tmp_path / "words").open("wb") as words:
        child = subprocess.Popen(
            [sys.executable, "-m", "qorridor", "run", "thames", "--quiet", "--json"], cwd=tmp_path, stdout=words,
            stderr=words, env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        )  # fmt: skip
    try:
        yield tmp_path
    finally:
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == 0, (tmp_path / "words").read_text()[-2000:]


def nodes(folder):
    return {
        row["site"]: row for row in map(json.loads, call(folder, "watch", "--once", "--json").splitlines())
    }


def wait(check, seconds, what):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = check()
        if found:
            return found
        time.sleep(1)
    raise AssertionError(f"{what} did not happen in {seconds} s")


def is_hybrid(folder):
    if not (folder / "run/thames/operator/pki/identity").is_file():
        return None
    if '"operator/slough"' not in (folder / "run/thames/addresses.json").read_text():
        return None
    seen = nodes(folder)
    ends = [end["state"] for row in seen.values() if row["answers"] for end in row["corridors"]]
    stocked = [link["available"] > 20 for row in seen.values() if row["answers"] for link in row["links"]]
    return seen if len(seen) == 3 and ends == ["HYBRID"] * 2 and len(stocked) == 4 and all(stocked) else None


@pytest.mark.slow
@pytest.mark.requirement("A-21", "A-35", "B-27")
def test_watch_keys_sae_exchange_and_policy_against_a_running_corridor(corridor):
    wait(lambda: is_hybrid(corridor), 120, "HYBRID")
    assert json.loads(call(corridor, "keys", "--json"))["nodes"][0]["keys"]["ingested"] > 0

    ask = ["sae", "get", "--as", "router-london", "--for", "router-slough", "--show-key", "--json"]
    (near,) = json.loads(call(corridor, *ask))["keys"]
    back = ["sae", "get", "--as", "router-slough", "--for", "router-london", "--key-id", near["key_ID"]]
    (far,) = json.loads(call(corridor, *back, "--show-key", "--json"))["keys"]
    assert (far["key"], far["simulated"]) == (near["key"], True)
    call(corridor, *back, code=4)  # delivered once

    (corridor / "ledger.bin").write_bytes(os.urandom(1 << 20) * 24)
    sent = json.loads(
        call(
            corridor,
            "exchange",
            "ledger.bin",
            "--from",
            "london",
            "--to",
            "slough",
            "--out",
            "copy",
            "--json",
        )
    )
    assert sent["simulated"] is True
    assert (corridor / "copy").read_bytes() == (corridor / "ledger.bin").read_bytes()

    call(corridor, "inject", "london-hayes", "intercept", "--fraction", "0.25")
    found = wait(lambda: suspected(corridor), 60, "the suspicion")
    assert set(found["causes"]) >= {"interception"}
    assert "suspect interception" in call(corridor, "watch", "--once")
    assert near["key"] not in everything_said(corridor)


def suspected(folder):
    call(folder, "watch", "--once", "--diagnosis", "diagnosis.json")
    findings = json.loads((folder / "diagnosis.json").read_text())["findings"]
    named = [
        finding
        for finding in findings
        if finding["link"] == "london-hayes" and "interception" in finding["causes"]
    ]
    return named[0] if named else None


def everything_said(folder):
    """Every text that the run has left, journals and logs included."""
    texts = [path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".bin"]
    assert len(texts) > 20
    return re.sub(r"\s+", " ", b"\n".join(texts).decode("latin-1"))
