"""What help says of --dry-run is true of every verb: it changes nothing, or the verb does not take it."""

import json
import shutil
from pathlib import Path

import click
import pytest

from qorridor.adapters.wire.files import write_atomically
from qorridor.app import process
from qorridor.faces.cli import main as cli

EXAMPLE = Path(__file__).parents[3] / "examples/meridian/estate.toml"


def leaves(command, path=()):
    """Every verb and sub-verb with its click command."""
    if isinstance(command, click.Group):
        context = click.Context(command, obj=cli.Session())
        for name in command.list_commands(context):
            yield from leaves(command.get_command(context, name), (*path, name))
    else:
        yield path, command


VERBS = dict(leaves(cli.cli))
WITH = {
    ("init",): ["--example", "meridian", "--estate", "new.toml"],
    ("discover",): ["pki", "--only", "files"],
    ("assess",): [],
    ("plan",): [],
    ("run",): ["thames"],
    ("demo",): ["--run", "new"],
    ("watch",): ["--once", "--diagnosis", "d.json"],
    ("exchange",): ["estate.toml", "--from", "london", "--to", "slough"],
    ("conform",): ["--kme", "https://127.0.0.1:1"],
    ("sae", "get"): ["--as", "router-london", "--for", "router-slough"],
    ("policy", "key"): ["a.key", "--out", "a.pub"],
    ("policy", "enrol"): ["--as", "alice", "--public", "alice.pub"],
    ("policy", "sign"): ["core-replication", "--as", "alice", "--key", "alice.key"],
    ("inject",): ["hayes-slough", "cut"],
    ("authority", "ticket"): ["node/london", "--state", "authority", "--out", "new"],
}
WITHOUT = sorted(set(VERBS) - set(WITH))


@pytest.fixture
def folder(tmp_path, monkeypatch, capsys):
    """An estate, one run that has ended, and an enrolled approver."""
    tmp_path.chmod(0o755)
    text = EXAMPLE.read_text().replace(
        "[site.london]", '[scan.files]\nscanner = "certificates"\nfolders = ["pki"]\n[site.london]'
    )
    (tmp_path / "estate.toml").write_text(text)
    (tmp_path / "pki").mkdir()
    run = tmp_path / "run/ended"
    (run / "optics-hayes-slough").mkdir(parents=True)
    (run / "addresses.json").write_text("{}")
    shutil.copy(tmp_path / "estate.toml", run)
    monkeypatch.chdir(tmp_path)
    for call in (
        ["key", "alice.key", "--out", "alice.pub"],
        ["enrol", "--as", "alice", "--public", "alice.pub"],
    ):
        assert cli.run(["policy", *call]) == 0
    capsys.readouterr()
    return tmp_path


def state_of(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def test_the_table_of_this_test_knows_every_verb_that_offers_a_dry_run():
    offered = {
        path for path, command in VERBS.items()
        for option in command.params if "--dry-run" in option.opts and not option.hidden
    }  # fmt: skip
    assert offered == set(WITH)


@pytest.mark.parametrize("path", WITH, ids=" ".join)
@pytest.mark.parametrize("before", [True, False])
def test_a_dry_run_changes_nothing_and_starts_nothing(folder, capsys, monkeypatch, path, before):
    def never(*_, **__):
        pytest.fail("a dry run has started something")

    monkeypatch.setattr(process, "start", never)
    if path != ("watch",):  # which only looks, once
        monkeypatch.setattr(process, "run_until_signalled", never)
    else:
        (folder / "run/ended/operator/pki").mkdir(parents=True)
        (folder / "run/ended/operator/pki/identity").write_text("x")
    seen = state_of(folder)
    call = ["--dry-run", *path, *WITH[path]] if before else [*path, *WITH[path], "--dry-run"]
    code = cli.run(call)
    if path != ("watch",):  # its nodes have ended: what counts is that it writes nothing
        assert code == 0, capsys.readouterr()
    assert state_of(folder) == seen


@pytest.mark.parametrize("path", WITHOUT, ids=" ".join)
@pytest.mark.parametrize("before", [True, False])
def test_a_verb_without_a_dry_run_refuses_the_word_and_its_help_does_not_offer_it(
    folder, capsys, path, before
):
    seen = state_of(folder)
    assert cli.run([*path, "--help"]) == 0
    assert "--dry-run" not in capsys.readouterr().out
    code = cli.run(["--dry-run", *path] if before else [*path, "--dry-run"])
    assert code == 2
    assert "--dry-run has no meaning here" in capsys.readouterr().err
    assert state_of(folder) == seen


def test_a_dry_run_of_run_names_its_processes_and_their_folders(folder, capsys):
    assert cli.run(["--json", "run", "thames", "--dry-run"]) == 0
    told = json.loads(capsys.readouterr().out)["would_start"]
    assert {"authority", "node london", "node hayes", "node slough", "optics hayes-slough"} <= set(told)
    assert told["node hayes"] == "run/thames/node-hayes"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["run", "paris"], 3), (["run", "thames", "--run", "pki/x"], 4), (["run", "thames", "--run", "."], 4),
     (["demo", "--run", "estate.toml"], 4), (["demo", "--run", "/"], 4), (["discover", "gone", "--only", "files"], 4)],
)  # fmt: skip
def test_a_dry_run_refuses_what_the_verb_itself_would_refuse(folder, capsys, arguments, code):
    write_atomically(folder / "pki/x", "a file, no folder")
    assert cli.run([*arguments, "--dry-run"]) == code


@pytest.mark.parametrize("arguments", [["demo", "--run", "estate.toml"], ["demo", "--run", "/"], ["demo", "--run", "."],
                                       ["run", "thames", "--run", "estate.toml"]])  # fmt: skip
def test_a_folder_that_cannot_be_used_leaves_nothing_behind(folder, capsys, arguments):
    seen, above = state_of(folder), sorted(folder.parent.iterdir())
    assert cli.run(arguments) == 4
    assert "Q-KME-062" in capsys.readouterr().err
    assert state_of(folder) == seen
    assert sorted(folder.parent.iterdir()) == above
    assert not Path("/-service").exists()


@pytest.mark.parametrize(
    "address", ["nonsense", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:99999", ":22", "a b:22"]
)
def test_a_wrong_forward_address_is_told_before_anything_starts(folder, capsys, address):
    assert cli.run(["demo", "--forward", address, "--run", "new"]) == 2
    assert "is no address" in capsys.readouterr().err
    assert not (folder / "new").exists()
