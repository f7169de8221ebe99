"""`qorridor conform` as a person calls it: exit codes, reports, what it refuses before it sends anything."""

import asyncio
import json
import threading

import pytest

from qorridor.app.conform import command as app
from qorridor.app.conform.bench import Settings
from qorridor.faces.cli import main as cli
from qorridor.prove.conformance.table import CASES, keys_of
from tests.conform.playing import GENTLE
from tests.support.reference_net import Certificates, ReferenceNet


@pytest.fixture(scope="module")
def certificates():
    return Certificates()


@pytest.fixture
def serving(certificates):
    """Runs reference KMEs in a thread of their own while a call is made."""
    ends = []

    def start(mutant=""):
        loop, ready, net = asyncio.new_event_loop(), threading.Event(), ReferenceNet(certificates, mutant)

        async def main():
            ending = asyncio.Event()
            async with net:
                ends.append((lambda: loop.call_soon_threadsafe(ending.set), thread))
                ready.set()
                await ending.wait()

        thread = threading.Thread(target=_drive, args=(loop, main))
        thread.start()
        ready.wait(10)
        return net

    yield start
    for end, thread in ends:
        end()
        thread.join(10)


def _drive(loop, main):
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()


@pytest.fixture
def gentle(monkeypatch):
    """Settings that press less hard than the contract."""

    def settings(**given):
        fields = {name: getattr(GENTLE, name) for name in ("hold", "parallel", "both_ways", "fetches", "at_once",
                                                           "half_sent", "leaving")}  # fmt: skip
        return Settings(**given, **fields)

    monkeypatch.setattr(app, "Settings", settings)


def words(net, *more):
    made = net.certificates
    at = [f"https://127.0.0.1:{net.kmes[name].port}" for name in ("kme-a", "kme-b")]
    return ["conform", "--kme", at[0], "--peer-kme", at[1], "--ca", str(made.authority.trust),
            "--sae", str(made.saes["a"]), "--peer-sae", str(made.saes["b"]), "--third-sae", str(made.saes["c"]),
            "--outsider", str(made.outsider), *more]  # fmt: skip


def call(capsys, arguments):
    code = cli.run(arguments)
    seen = capsys.readouterr()
    return code, seen.out, seen.err


def test_a_kme_that_holds_gives_0_and_three_reports(serving, gentle, capsys, tmp_path):
    net = serving()
    bad = [f"--bad-certificate={kind}={file}" for kind, file in net.certificates.bad.items()]
    files = [tmp_path / "report.json", tmp_path / "report.html"]
    code, out, err = call(
        capsys, words(net, *bad, "--timeout", "2", "--out", str(files[0]), "--out", str(files[1]))
    )
    assert code == 0, out
    assert "every mandatory case that ran holds" in out
    assert "mandatory and not judged: C36, C45, C48, C66, C67" in out
    assert f"up to {keys_of(CASES, None)} keys and one full request are burnt" in err
    made = json.loads(files[0].read_text())
    assert made["holds"] is True
    assert made["target"]["source_KME_ID"] == "kme-a"
    assert len(made["target"]["certificate"]["sha256"]) == 64
    assert made["keys"]["budget"] == 2000
    page = files[1].read_text()
    assert page.startswith("<!doctype html>")
    assert "<script" not in page
    assert page.count("<details") == len(made["cases"])


def test_a_kme_that_does_not_hold_gives_1_with_the_same_code_and_reason_in_json(serving, gentle, capsys):
    net = serving("delivers-again")
    one = words(net, "--case", "C19", "--case", "C17")
    code, out, _ = call(capsys, one)
    assert code == 1
    assert "C19" in out
    assert "the second fetch: 200 instead of 400" in out
    assert "a mandatory case does NOT hold" in out
    code, out, _ = call(capsys, ["--json", *one])
    made = json.loads(out)
    assert code == 1
    assert [row["verdict"] for row in made["cases"]] == ["pass", "fail"]
    assert made["cases"][1]["evidence"]


def test_a_deviation_from_our_own_decisions_binds_in_our_profile_only(serving, gentle, capsys):
    net = serving("lax-numbers")
    assert call(capsys, words(net, "--case", "C14"))[0] == 0
    assert call(capsys, words(net, "--case", "C14", "--profile", "qorridor"))[0] == 1


def test_evidence_is_shown_on_demand(serving, gentle, capsys):
    net = serving()
    quiet = call(capsys, words(net, "--case", "C17"))[1]
    shown = call(capsys, words(net, "--case", "C17", "-v"))[1]
    assert "POST /api/v1/keys/a/dec_keys" not in quiet
    assert "> POST /api/v1/keys/a/dec_keys HTTP/1.1" in shown
    assert "HMAC:" in shown


def test_a_kme_that_does_not_know_the_sae_gives_1_and_one_that_refuses_its_certificate_4(
    serving, gentle, capsys, certificates
):
    net = serving()
    stranger = words(net, "--case", "C1", "--sae", str(certificates.outsider))
    code, out, _ = call(capsys, stranger)
    assert code == 1
    assert "401 instead of 200" in out
    code, _, err = call(capsys, words(net, "--case", "C1", "--sae", str(certificates.bad["expired"])))
    assert code == 4
    assert "Q-KME-081" in err or "Q-KME-043" in err


def test_a_hook_that_fails_leaves_its_case_inconclusive(serving, gentle, capsys):
    net = serving()
    code, out, _ = call(capsys, words(net, "--case", "C66", "--restart-hook", "exit 3"))
    assert code == 1
    assert "inconclusive" in out
    assert "the command of --restart-hook ended with 3" in out
    code, out, _ = call(capsys, words(net, "--case", "C66", "--restart-hook", "true"))
    assert code == 0, out


def test_a_kme_of_another_authority_is_not_asked(serving, gentle, capsys, organisation):
    net = serving()
    other = organisation.enrol("sae", "a").trust("node")
    code, _, err = call(capsys, words(net, "--ca", str(other)))
    assert code == 4
    assert "Q-KME-043" in err


@pytest.mark.parametrize(
    "text", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
)
def test_a_file_that_is_no_certificate_is_named(capsys, tmp_path, certificates, text):
    file = tmp_path / "a.pem"
    file.write_text(text)
    ask = [
        "conform",
        "--kme",
        "https://127.0.0.1:9",
        "--sae",
        str(file),
        "--ca",
        str(certificates.authority.trust),
    ]
    code, _, err = call(capsys, [*ask, "--peer-sae", str(certificates.saes["b"])])
    assert code == 4
    assert "Q-KME-080" in err
    assert str(file) in err


def test_the_key_may_lie_beside_the_chain_and_is_looked_for(capsys, tmp_path, certificates):
    pem = certificates.saes["a"].read_text()
    chain, mark, key = pem.partition("-----BEGIN PRIVATE KEY-----")
    (tmp_path / "a.pem").write_text(chain)
    ask = ["conform", "--kme", "https://127.0.0.1:9", "--sae", str(tmp_path / "a.pem"),
           "--peer-sae", str(certificates.saes["b"]), "--ca", str(certificates.authority.trust)]  # fmt: skip
    assert "Q-KME-080" in call(capsys, ask)[2]
    (tmp_path / "a.key").write_text(mark + key)
    code, _, err = call(capsys, ask)
    assert code == 4
    assert "Q-KME-042" in err


@pytest.mark.parametrize("option", ["--peer-kme", "--third-kme", "--kme"])
def test_a_kme_elsewhere_is_asked_with_a_yes_only(capsys, certificates, option):
    ask = ["conform", "--kme", "https://127.0.0.1:9", "--sae", str(certificates.saes["a"]),
           "--peer-sae", str(certificates.saes["b"]), "--ca", str(certificates.authority.trust),
           option, "https://192.0.2.1:9"]  # fmt: skip
    code, _, err = call(capsys, ask)
    assert code == 5
    assert "Q-POLICY-050" in err
    assert "192.0.2.1:9" in err


@pytest.mark.parametrize(
    "more",
    [["--out", "report.txt"], ["--case", "x"], ["--sae-id", "D=x"], ["--sae-id", "A"], ["--unsatisfiable", "[]"],
     ["--unsatisfiable", "{"], ["--peer-kme", "https://k/path"], ["--kme", "k:443"], ["--budget", "0"],
     ["--kme", "https://k:99999"]],
)  # fmt: skip
def test_words_that_make_no_sense_are_told_before_anything_is_sent(capsys, more):
    assert call(capsys, ["conform", "--kme", "https://127.0.0.1:9", "--dry-run", *more])[0] == 2
