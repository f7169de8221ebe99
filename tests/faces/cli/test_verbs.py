"""discover, assess and plan as a person calls them; every stage may start from a file."""

import json
import shutil
from pathlib import Path

import pytest

from qorridor.faces.cli import main as cli

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "examples/meridian/estate.toml").read_text()
SCAN = TEXT[TEXT.index("[scan.london-servers]") : TEXT.index("[site.london]")]
FILES = TEXT.replace(SCAN, '[scan.files]\nscanner = "certificates"\nfolders = ["pki"]\n')


@pytest.fixture
def folder(tmp_path, monkeypatch, leaf):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "estate.toml").write_text(FILES)
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki/leaf.pem").write_bytes(leaf.pem)
    return tmp_path


def run(capsys, *arguments):
    code = cli.run(arguments)
    seen = capsys.readouterr()
    return code, seen.out, seen.err


@pytest.mark.requirement("A-06")
def test_the_stages_follow_one_another_through_their_documents(capsys, folder):
    assert run(capsys, "discover")[0] == 0
    code, out, _ = run(capsys, "assess", "--as-of", "2026-12-01")
    assert code == 0
    assert "core-replication" in out
    code, out, _ = run(capsys, "plan")
    assert code == 0
    assert "london ─ hayes* ─ slough" in out
    plan = json.loads((folder / "plan.json").read_text())
    assert set(plan["inputs"]) == {"estate", "assessment"}
    assessment = json.loads((folder / "assessment.json").read_text())
    assert set(assessment["inputs"]) == {"estate", "inventory"}


@pytest.mark.requirement("A-01")
def test_without_an_inventory_no_mechanism_is_chosen(capsys, folder):
    assert run(capsys, "assess")[0] == 0
    flows = json.loads((folder / "assessment.json").read_text())["flows"]
    assert {flow["mechanism"] for flow in flows} == {"inventory first"}
    assert {flow["because"][0]["rule"] for flow in flows} == {"G1"}


def test_equal_inputs_give_equal_documents(capsys, folder):
    run(capsys, "discover")
    first, second = (run(capsys, "assess", "--as-of", "2026-12-01", "--json")[1] for _ in range(2))
    assert first == second
    assert run(capsys, "plan", "--json")[1] == run(capsys, "plan", "--json")[1]


@pytest.mark.requirement("A-16", "A-17", "B-11")
def test_an_infeasible_corridor_exits_1_and_names_its_binding_constraint(capsys, folder):
    long = FILES.replace('length = "27.4 km"', 'length = "270 km"').replace(
        'loss = "6.9 dB"', 'loss = "68 dB"'
    )
    (folder / "estate.toml").write_text(long)
    code, out, _ = run(capsys, "plan")
    assert code == 1
    assert "infeasible" in out
    assert "london-hayes: loss 68.0 dB > limit" in out
    code, out, _ = run(capsys, "plan", "--json")
    assert code == 1
    assert json.loads(out)["corridors"]["thames"]["feasible"] is False


def test_dry_run_writes_nothing(capsys, folder):
    for verb in ("discover", "assess", "plan"):
        assert run(capsys, verb, "--dry-run")[0] == 0
    assert sorted(path.name for path in folder.iterdir()) == ["estate.toml", "pki"]


@pytest.mark.parametrize(("verb", "option"), [("assess", "--inventory"), ("plan", "--assessment")])
@pytest.mark.parametrize(
    "content", [None, b"", b"{}", b"[]", b"\xff", b'{"bomFormat": "CycloneDX", "components": [1]}']
)
def test_a_broken_document_is_refused_with_its_remedy_and_nothing_is_written(
    capsys, folder, verb, option, content
):
    path = folder / "given.json"
    if content is not None:
        path.write_bytes(content)
    code, out, err = run(capsys, verb, option, str(path))
    assert (code, out) == (3, "")
    assert "remedy: make" in err
    assert not list(folder.glob("plan.json")) + list(folder.glob("assessment.json"))


def test_discover_scans_nothing_that_is_not_named(capsys, folder):
    (folder / "estate.toml").write_text(TEXT.replace(SCAN, ""))
    code, _, err = run(capsys, "discover")
    assert code == 5
    assert "Q-POLICY-040" in err
    assert run(capsys, "discover", "--only", "other")[0] == 3


def test_a_folder_named_by_hand_needs_no_estate(capsys, folder):
    (folder / "estate.toml").unlink()
    code, out, _ = run(capsys, "discover", "pki", "--json")
    assert code == 0
    assert json.loads(out)["bomFormat"] == "CycloneDX"


def test_a_folder_that_is_not_there_is_refused_and_the_earlier_inventory_is_kept(capsys, folder):
    run(capsys, "discover", "pki")
    before = (folder / "inventory.cdx.json").read_bytes()
    shutil.rmtree(folder / "pki")
    code, out, err = run(capsys, "discover", "pki")
    assert (code, out) == (4, "")
    assert "Q-SCAN-003" in err
    assert (folder / "inventory.cdx.json").read_bytes() == before


@pytest.mark.parametrize("flags", [[], ["--json"]])
@pytest.mark.parametrize(
    ("content", "name"),
    [(None, "Q-ESTATE-002"), (b"\xff\xfe", "Q-ESTATE-003"), (b"x", "Q-ESTATE-001"), ("", "Q-ESTATE-002")],
)
def test_run_refuses_an_estate_that_cannot_be_read_as_every_other_verb_does(
    capsys, tmp_path, content, name, flags
):
    path = tmp_path / "estate.toml"
    if content == "":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    found = [run(capsys, *verb, "--estate", str(path), *flags) for verb in (("run", "x"), ("check",))]
    assert found[0] == found[1]
    assert found[0][0] == 3
    if flags:
        assert json.loads(found[0][1])["error"]["code"] == name


def test_explain_flow_gives_the_reasons(capsys, folder):
    code, out, _ = run(capsys, "explain", "flow", "core-replication")
    assert code == 0
    assert "G1" in out
    assert run(capsys, "explain", "flow", "nope")[0] == 2


def test_explain_flow_takes_the_inventory_beside_the_estate_or_the_one_that_is_named(capsys, folder):
    run(capsys, "discover")
    (folder / "other").mkdir()
    for name in ("estate.toml", "inventory.cdx.json"):
        shutil.move(folder / name, folder / "other" / name)
    estate = ["--estate", str(folder / "other/estate.toml")]
    assert "G1" not in run(capsys, "explain", "flow", "core-replication", *estate)[1]
    shutil.move(folder / "other/inventory.cdx.json", folder / "named.json")
    assert "G1" in run(capsys, "explain", "flow", "core-replication", *estate)[1]
    assert (
        "G1"
        not in run(capsys, "explain", "flow", "core-replication", *estate, "--inventory", "named.json")[1]
    )


def test_link_rate_prints_the_planning_figure_of_a_preset(capsys):
    document = json.loads(run(capsys, "link", "rate", "--preset", "gys", "--json")[1])
    assert document["bits_per_pulse"] == pytest.approx(2.226e-4, rel=0.005)
    assert document["simulated"] is True
    assert run(capsys, "link", "rate", "--distance", "50")[0] == 2
    rates = [
        run(capsys, "link", "rate", "--preset", "demo-1ghz", name, "50 km")
        for name in ("--distance", "--length")
    ]
    assert rates[0] == rates[1]
    assert rates[0][0] == 0
    assert run(capsys, "link", "rate", "--preset", "nope")[0] == 4
