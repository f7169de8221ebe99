"""`qorridor link` as a person calls it: models, the choice of a source, the curve, and what is refused."""

import json

import pytest

from qorridor.distill.finite_key import PROOFS
from qorridor.faces.cli import link_input
from qorridor.faces.cli.main import run as call
from qorridor.plan.link_rates import MODELS


def run(capsys, *arguments):
    code = call(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def document(capsys, *arguments):
    code, out, _ = run(capsys, *arguments, "--json")
    assert code == 0
    return json.loads(out)


def test_the_words_of_the_command_line_are_the_names_of_the_models_and_proofs():
    assert tuple(MODELS) == link_input.MODELS
    assert set(link_input.PROOFS) == set(PROOFS)


@pytest.mark.parametrize("model", MODELS)
def test_every_model_answers_with_its_rate_its_bits_per_pulse_and_its_label(capsys, model):
    chosen = ("--optimised",) if model.startswith("finite") else ()
    found = document(capsys, "link", "rate", "--preset", "gys", "--model", model, *chosen)
    assert found["secret_key_rate"] > 0
    assert 0 < found["bits_per_pulse"] <= found["plob_bits_per_pulse"]
    assert found["simulated"] is True
    assert found["source"]
    assert (found["station"] is not None) is (model in {"mdi", "tf"})
    assert "simulated" in run(capsys, "link", "rate", "--preset", "gys", "--model", model, *chosen)[1]


@pytest.mark.requirement("A-16")
def test_the_preset_of_a_block_that_yields_no_key_says_so_and_names_the_way_out(capsys):
    found = document(capsys, "link", "rate", "--preset", "metro", "--model", "finite")
    assert found["secret_key_rate"] == found["bits_per_pulse"] == found["length"] == 0
    assert found["proof"] == "wiesemann2024-1decoy"
    out = run(capsys, "link", "rate", "--preset", "metro", "--model", "finite")[1]
    for words in (
        "no key",
        "leakage and statistics use up all secret bits",
        "made for",
        "qorridor link optimise",
    ):
        assert words in out
    better = document(capsys, "link", "rate", "--preset", "metro", "--model", "finite", "--optimised")
    assert better["secret_key_rate"] > 1e4


def test_the_demos_block_is_that_of_its_table(capsys):
    found = document(capsys, "link", "rate", "--preset", "demo-1ghz", "--loss", "6.9 dB", "--model", "finite")
    assert found["length"] == pytest.approx(301_595, rel=2e-4)
    assert found["block_time"] == pytest.approx(0.65, abs=0.005)
    less = document(capsys, "link", "rate", "--preset", "demo-1ghz", "--model", "finite", "--margins")
    assert 0.8 * found["length"] < less["length"] < found["length"]


@pytest.mark.requirement("A-16")
def test_the_twin_field_line_names_its_station_where_it_passes_the_bound(capsys):
    call_it = ("link", "rate", "--preset", "snspd-long", "--distance", "450 km", "--model", "tf")
    found = document(capsys, *call_it)
    assert found["bits_per_pulse"] > found["plob_bits_per_pulse"]
    assert found["above_plob"] is True
    assert found["kind"] == "scaling line"
    out = run(capsys, *call_it)[1]
    assert "measuring station halfway between the ends, 38.25 dB from either end" in out
    assert "no point-to-point link" in out


def test_no_loss_at_all_has_no_finite_bound_and_the_json_stays_pure(capsys):
    found = document(capsys, "link", "rate", "--preset", "snspd-long", "--loss", "0 dB", "--model", "plob")
    assert found["bits_per_pulse"] is None
    assert found["secret_key_rate"] is None
    assert (
        "unbounded"
        in run(capsys, "link", "rate", "--preset", "snspd-long", "--loss", "0 dB", "--model", "plob")[1]
    )


def test_optimise_shows_the_chosen_source_beside_the_presets_own(capsys):
    found = document(capsys, "link", "optimise", "--preset", "metro")
    assert found["face_value"]["length"] == 0
    assert found["optimised"]["length"] > 2e5
    assert found["optimised"]["intensities"] != found["face_value"]["intensities"]
    assert found["key_up_to_db"] == found["loss_db"] == 9.25
    out = run(capsys, "link", "optimise", "--preset", "metro")[1]
    assert "as preset  " in out
    assert "no key" in out
    other = document(capsys, "link", "optimise", "--preset", "metro", "--proof", "lim2014-2decoy")
    assert other["face_value"] is None
    assert len(other["optimised"]["intensities"]) == 3


def test_optimise_says_up_to_which_loss_a_block_yields_key_where_it_yields_none(capsys):
    found = document(capsys, "link", "optimise", "--preset", "demo-1ghz", "--loss", "40 dB", "--block", "1e5")
    assert found["optimised"] is None
    assert 20 < found["key_up_to_db"] < 30
    out = run(capsys, "link", "optimise", "--preset", "demo-1ghz", "--loss", "40 dB", "--block", "1e5")[1]
    assert "blocks of this size do up to 2" in out


def test_a_longest_time_makes_a_block_as_large_as_it_can(capsys):
    seen = [
        document(capsys, "link", "optimise", "--preset", "decoy-1ghz", "--block-time", time)["optimised"]
        for time in ("5 s", "1 min")
    ]
    assert seen[0]["n_key"] < seen[1]["n_key"]
    assert [found["block_time"] for found in seen] == pytest.approx([5, 60], rel=0.02)


NONSENSE = {
    "a negative length": ("rate", "--distance", "-5 km"),
    "a length beyond the model": ("rate", "--distance", "5000 km"),
    "no unit": ("rate", "--loss", "6.9"),
    "a loss beyond the model": ("rate", "--loss", "300 dB"),
    "a length of free space": ("rate", "--preset", "sat-downlink", "--distance", "5 km"),
    "a loss over no fibre": ("rate", "--distance", "0 km", "--loss", "3 dB"),
    "an unknown model": ("rate", "--model", "magic"),
    "a block too small": ("rate", "--model", "finite", "--block", "10"),
    "half a detection": ("rate", "--model", "finite", "--block", "1000.5"),
    "no number": ("rate", "--model", "finite", "--block", "many"),
    "no end": ("rate", "--model", "finite", "--block", "inf"),
    "two sizes": ("rate", "--model", "finite", "--block", "1e6", "--block-time", "1 s"),
    "no time": ("rate", "--model", "finite", "--block-time", "0 s"),
    "a block without a finite model": ("rate", "--block", "1e6"),
    "a proof without a finite model": ("curve", "--proof", "lim2014-2decoy", "--model", "plob"),
    "another number of intensities": ("rate", "--model", "finite-2decoy", "--preset", "metro"),
    "a proof for others": ("rate", "--model", "finite", "--preset", "metro", "--proof", "lim2014-2decoy"),
    "pairs without a pair source": ("rate", "--pair-source", "end"),
    "an axis of nothing": ("curve", "--longest", "0 km"),
    "two axes": ("curve", "--longest", "5 km", "--highest-loss", "5 dB"),
    "free space over length": ("curve", "--preset", "sat-downlink"),
    "a curve beyond the model": ("curve", "--longest", "9000 km"),
}


@pytest.mark.parametrize("what", NONSENSE)
def test_nonsense_is_refused_as_usage_with_its_reason(capsys, what):
    code, out, err = run(capsys, "link", *NONSENSE[what])
    assert code == 2
    assert not out
    assert err.count("\n") >= 3
    assert len(err.rpartition("Error:")[2].split()) > 3


def test_a_curve_holds_several_models_in_one_answer(capsys):
    rows = document(
        capsys, "link", "curve", "--preset", "gys", "--points", "5", "--model", "asymptotic", "--model", "tf"
    )
    assert [(row["model"], row["length_km"]) for row in rows[:3]] == [
        ("asymptotic", 0),
        ("tf", 0),
        ("asymptotic", 25),
    ]
    assert len(rows) == 10
    assert rows[2]["secret_key_rate"] > rows[8]["secret_key_rate"] > 0
    assert all(row["simulated"] for row in rows)


def test_a_curve_over_loss_serves_a_link_without_fibre(capsys):
    rows = document(
        capsys, "link", "curve", "--preset", "sat-downlink", "--highest-loss", "40 dB", "--points", "3"
    )
    assert [row["loss_db"] for row in rows if row["model"] == "asymptotic"] == [0, 20, 40]


def test_a_curve_is_drawn_in_the_terminal_at_its_width(capsys, monkeypatch):
    for columns in ("60", "100"):
        monkeypatch.setenv("COLUMNS", columns)
        out = run(capsys, "link", "curve", "--model", "asymptotic", "--model", "tf", "--model", "mdi", "--model", "plob",
                  "--model", "bbm92")[1]  # fmt: skip
        assert max(map(len, out.splitlines())) <= int(columns)
        assert "A decoy BB84, asymptotic" in out
        assert "(untrusted measuring station halfway)" in out.replace("\n  ", " ")
        assert "simulated" in out


def test_pictures_are_written_where_they_are_asked_for(capsys, tmp_path):
    svg, png = tmp_path / "a.svg", tmp_path / "a.png"
    code, out, _ = run(capsys, "link", "curve", "--points", "5", "--svg", str(svg), "--png", str(png))
    assert code == 0
    assert svg.read_text().startswith("<svg")
    assert "simulated" in svg.read_text()
    assert png.read_bytes().startswith(b"\x89PNG")
    assert f"→ {svg}" in out
    assert "PLOB bound" in svg.read_text()
    code, _, err = run(capsys, "link", "curve", "--points", "3", "--svg", "/proc/none/a.svg")
    assert code == 4
    assert "cannot write" in err
