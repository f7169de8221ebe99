"""`sae get`: a key is shown on demand only, otherwise nothing that helps to guess it."""

import json

import pytest

from qorridor.app import examples, sae
from qorridor.base.secret import Secret
from qorridor.faces.cli import main as cli
from qorridor.records.keys import DeliveredKey

BYTES = bytes(range(32))
TEXT = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
ASK = ["sae", "get", "--as", "router-london", "--for", "router-slough"]


@pytest.fixture
def asked(tmp_path, monkeypatch):
    calls = []

    async def get_keys(run, me, partner, **more):
        calls.append((me, partner, more))
        return [DeliveredKey("00000000-0000-4000-8000-000000000001", Secret(BYTES), True)]

    monkeypatch.setattr(sae, "get_keys", get_keys)
    run = tmp_path / "run/thames"
    run.mkdir(parents=True)
    (run / "addresses.json").write_text("{}")
    (run / "estate.toml").write_text(examples.text("meridian"))
    monkeypatch.chdir(tmp_path)
    return calls


def call(capsys, *arguments):
    code = cli.run(arguments)
    seen = capsys.readouterr()
    return code, seen.out, seen.err


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_without_show_key_nothing_of_the_key_is_shown_and_the_digest_changes(capsys, asked, flags):
    shown = [call(capsys, *ASK, *flags) for _ in range(2)]
    for code, out, err in shown:
        assert code == 0
        assert TEXT[:8] not in out + err
        assert BYTES.hex()[:16] not in out + err
        assert "simulated" in out
    assert shown[0][1] != shown[1][1]


def test_show_key_shows_it_with_a_warning(capsys, asked):
    code, out, err = call(capsys, *ASK, "--show-key", "--json")
    assert code == 0
    assert json.loads(out)["keys"][0]["key"] == TEXT
    assert "warning" in err


def test_key_ids_go_to_the_kme(capsys, asked):
    key_id = "00000000-0000-4000-8000-000000000001"
    assert call(capsys, *ASK, "--key-id", key_id)[0] == 0
    assert asked[0][2]["key_ids"] == [key_id]
    assert call(capsys, *ASK, "--key-id", "../x")[0] == 2


def test_dry_run_asks_nobody(capsys, asked):
    code, out, _ = call(capsys, *ASK, "--dry-run", "--number", "3")
    assert code == 0
    assert "3 keys of 256 bits" in out
    assert asked == []
    assert call(capsys, "sae", "get", "--as", "router-london", "--for", "router-paris", "--dry-run")[0] == 3


def test_without_a_run_it_says_so(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = call(capsys, *ASK)
    assert code == 4
    assert "Q-KME-053" in err


@pytest.mark.parametrize("content", ["[]", "7", "{", '{"authority": 1}'])
def test_a_damaged_address_book_exits_4_with_its_code(capsys, tmp_path, monkeypatch, content):
    (tmp_path / "addresses.json").write_text(content)
    (tmp_path / "estate.toml").write_text(examples.text("meridian"))
    code, out, _ = call(capsys, *ASK, "--run", str(tmp_path), "--json")
    assert (code, json.loads(out)["error"]["code"]) == (4, "Q-KME-070")
