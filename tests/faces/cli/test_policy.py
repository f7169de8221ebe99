"""The fallback policy holds when two people have signed exactly its bytes, and not before."""

import json
import shutil
from pathlib import Path

import pytest

from qorridor.faces.cli import main as cli

EXAMPLE = Path(__file__).parents[3] / "examples/meridian/estate.toml"
FLOW = "core-replication"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(EXAMPLE, tmp_path / "estate.toml")
    return tmp_path


def call(capsys, *arguments):
    code = cli.run(["policy", *arguments])
    seen = capsys.readouterr()
    return code, seen.out, seen.err


def enrol(capsys, name, key=None, *more):
    call(capsys, "key", key or f"{name}.key", "--out", f"{name}.pub")
    return call(capsys, "enrol", "--as", name, "--public", f"{name}.pub", *more)


def sign(capsys, name, key=None, *more):
    return call(capsys, "sign", FLOW, "--as", name, "--key", key or f"{name}.key", *more)


@pytest.mark.requirement("A-46")
def test_two_people_approve_and_a_changed_policy_needs_them_again(capsys, folder):
    assert call(capsys, "verify", FLOW)[0] == 1
    for name in ("alice", "bob"):
        assert enrol(capsys, name)[0] == 0
    assert sign(capsys, "alice")[0] == 0
    code, out, _ = call(capsys, "verify", FLOW)
    assert code == 1
    assert "NOT APPROVED: 1 of 2 approvals (alice)" in out
    assert sign(capsys, "bob")[0] == 0
    assert call(capsys, "verify", FLOW)[0] == 0
    estate = folder / "estate.toml"
    estate.write_text(
        estate.read_text().replace('fallback_limit = "24 hours"', 'fallback_limit = "72 hours"')
    )
    assert call(capsys, "verify", FLOW)[0] == 1
    sign(capsys, "alice")
    assert json.loads(call(capsys, "verify", FLOW, "--json")[1])["approvers"] == ["alice"]


@pytest.mark.requirement("A-46")
def test_one_person_cannot_approve_twice(capsys, folder):
    enrol(capsys, "alice")
    sign(capsys, "alice")
    for name, key in (("bob", "alice.key"), ("alice", "other.key")):
        code, out, err = enrol(capsys, name, key)
        assert (code, out) == (5, "")
        assert "Q-POLICY-021" in err
    assert sign(capsys, "alice", "other.key")[0] == 5
    listed = json.loads((folder / "approvers.json").read_text())
    (folder / "approvers.json").write_text(json.dumps(listed | {"bob": listed["alice"]}))
    file = folder / f"policy-{FLOW}.json"
    policy = json.loads(file.read_text())
    policy["signatures"]["bob"] = policy["signatures"]["alice"]
    file.write_text(json.dumps(policy))
    code, out, _ = call(capsys, "verify", FLOW)
    assert code == 1
    assert "1 of 2 approvals (alice, bob)" in out


@pytest.mark.requirement("A-46")
@pytest.mark.parametrize("flags", [[], ["--dry-run"]])
def test_a_name_that_nobody_enrolled_cannot_sign_and_is_not_enrolled_by_trying(capsys, folder, flags):
    enrol(capsys, "alice")
    before = (folder / "approvers.json").read_bytes()
    call(capsys, "key", "mallory.key", "--out", "mallory.pub")
    code, out, err = sign(capsys, "mallory", None, *flags)
    assert (code, out) == (5, "")
    assert "Q-POLICY-022" in err
    assert (folder / "approvers.json").read_bytes() == before
    assert not (folder / f"policy-{FLOW}.json").exists()


@pytest.mark.parametrize("content", [None, b"", b"00", b"\xff", b"x" * 3904])
def test_a_file_that_holds_no_public_key_enrols_nobody(capsys, folder, content):
    if content is not None:
        (folder / "x.pub").write_bytes(content)
    code, _, err = call(capsys, "enrol", "--as", "alice", "--public", "x.pub")
    assert code == 4
    assert "Q-KME-071" in err
    assert not (folder / "approvers.json").exists()


def test_a_forged_or_damaged_file_gives_no_approval(capsys, folder):
    for name in ("alice", "bob"):
        enrol(capsys, name)
        assert sign(capsys, name)[0] == 0
    file = folder / f"policy-{FLOW}.json"
    whole = json.loads(file.read_text())
    file.write_text(json.dumps(whole | {"signatures": {"alice": "00", "bob": whole["signatures"]["alice"]}}))
    assert call(capsys, "verify", FLOW)[0] == 1
    for text in ("", "[]", "{", '{"signatures": 1}'):
        file.write_text(text)
        code, _, err = call(capsys, "verify", FLOW)
        assert code == 5, text
        assert "Q-POLICY-020" in err
    file.write_text(json.dumps(whole))
    (folder / "approvers.json").write_text("[]")
    assert call(capsys, "verify", FLOW)[0] == 5


def test_show_prints_what_is_signed(capsys, folder):
    code, out, _ = call(capsys, "show", FLOW)
    assert code == 0
    assert "fallback_limit_ms" in out
    document = json.loads(call(capsys, "show", FLOW, "--json")[1])
    assert document["policy"]["fallback"] == "pqc"
    assert document["approved"] is False


def test_wrong_names_and_dry_run(capsys, folder):
    code, _, err = call(capsys, "show", "core-replicatoin")
    assert code == 3
    assert 'did you mean "core-replication"?' in err
    assert sign(capsys, "a\nb", "k")[0] == 2
    assert call(capsys, "key", "alice.key", "--out", "alice.pub", "--dry-run")[0] == 0
    assert sorted(path.name for path in folder.iterdir()) == ["estate.toml"]
    assert enrol(capsys, "alice", None, "--dry-run")[0] == 0
    assert not (folder / "approvers.json").exists()
    enrol(capsys, "alice")
    assert sign(capsys, "alice", None, "--dry-run")[0] == 0
    assert not (folder / f"policy-{FLOW}.json").exists()


def test_a_key_file_that_is_none_is_told(capsys, folder):
    (folder / "x.key").write_text("no key")
    code, _, err = call(capsys, "key", "x.key", "--out", "x.pub")
    assert code == 4
    assert "Q-KME-058" in err
