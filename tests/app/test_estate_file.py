"""An estate is loaded from a file, or refused with the place and the remedy."""

from pathlib import Path

import pytest

from qorridor.app.estate_file import findings_of, load
from qorridor.base.errors import EstateError

EXAMPLE = Path(__file__).parents[2] / "examples/meridian/estate.toml"


def test_the_example_estate_loads_from_its_file_with_findings_only():
    estate = load(EXAMPLE)
    assert estate.source == str(EXAMPLE)
    assert {finding.code for finding in findings_of(estate)} <= {"Q-ESTATE-010", "Q-ESTATE-011"}


def test_a_file_beside_the_estate_is_found(tmp_path):
    (tmp_path / "estate.toml").write_text(EXAMPLE.read_text())
    (tmp_path / "pki").mkdir()
    before = len(findings_of(load(tmp_path / "estate.toml")))
    (tmp_path / "pki/router-london.pem").write_text("x")
    assert len(findings_of(load(tmp_path / "estate.toml"))) == before - 1


@pytest.mark.parametrize(
    ("name", "code"), [("none.toml", "Q-ESTATE-002"), ("", "Q-ESTATE-002"), ("latin.toml", "Q-ESTATE-003")]
)
def test_a_file_that_cannot_be_read_is_refused_with_a_code(tmp_path, name, code):
    (tmp_path / "latin.toml").write_bytes(b'organisation = "Soci\xe9t\xe9"')
    with pytest.raises(EstateError) as caught:
        load(tmp_path / name)
    assert caught.value.code == code
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("length", [0, 1, 100, 1000, 3000])
def test_a_truncated_estate_is_refused_and_left_alone(tmp_path, length):
    path = tmp_path / "estate.toml"
    path.write_bytes(EXAMPLE.read_bytes()[:length])
    with pytest.raises(EstateError):
        load(path)
    assert path.stat().st_size == length


@pytest.mark.timeout(20)
def test_a_file_without_an_end_is_not_read_to_its_end():
    with pytest.raises(EstateError, match="larger than 1 MiB"):
        load("/dev/zero")


def test_a_name_too_long_for_a_file_is_a_finding_like_one_that_is_not_there(tmp_path):
    (tmp_path / "estate.toml").write_text(EXAMPLE.read_text().replace("pki/router-london.pem", "x" * 3000))
    assert any("x" * 3000 in finding.cause for finding in findings_of(load(tmp_path / "estate.toml")))
