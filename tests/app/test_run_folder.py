import os
import socket

import pytest

from qorridor.app import examples
from qorridor.app.run_folder import (
    AddressBook,
    announce,
    claim,
    find_run,
    merge_book,
    own_port,
    port_before,
    read_ready,
)
from qorridor.base.errors import OutsideError
from qorridor.estate.read import parse

ESTATE = parse(examples.text("meridian"), "estate.toml")


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("kme/london", ("node.london.meridian.example", 8443)),
        ("peer/hayes", ("node.hayes.meridian.example", 8445)),
        ("link/hayes-slough/slough", ("node.slough.meridian.example", 8451)),
        ("tunnel/core-replication/slough", ("node.slough.meridian.example", 8500)),
    ],
)
def test_without_a_book_the_estate_says_where_a_part_listens(tmp_path, name, address):
    assert AddressBook(tmp_path / "addresses.json", ESTATE).find(name) == address
    assert own_port(ESTATE, tmp_path, name, "0.0.0.0") == address[1]


def test_a_site_without_an_address_is_named(tmp_path):
    with pytest.raises(OutsideError) as unknown:
        AddressBook(tmp_path / "addresses.json", ESTATE).find("kme/paris")
    assert unknown.value.code == "Q-KME-049"


def test_a_folder_that_no_run_made_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(OutsideError) as refused:
        claim(tmp_path)
    assert refused.value.code == "Q-KME-062"
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_second_run_does_not_get_the_folder_of_a_living_one(tmp_path):
    lock = claim(tmp_path / "run")
    (tmp_path / "run" / "addresses.json").write_text("{}")
    with pytest.raises(OutsideError):
        claim(tmp_path / "run")
    assert (tmp_path / "run" / "addresses.json").is_file()
    lock.close()


def test_the_folder_of_an_ended_run_is_emptied_for_the_next(tmp_path):
    claim(tmp_path / "run").close()
    (tmp_path / "run" / "node-london").mkdir()
    (tmp_path / "run" / "estate.toml").write_text("")
    claim(tmp_path / "run").close()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["qorridor-run"]


def test_files_of_the_reader_in_the_folder_of_an_ended_run_are_kept(tmp_path):
    claim(tmp_path / "run").close()
    (tmp_path / "run" / "notes").mkdir()
    (tmp_path / "run" / "notes" / "thesis.txt").write_text("years of work")
    (tmp_path / "run" / "letter.txt").write_text("dear")
    (tmp_path / "run" / "policy-core.json").write_text("{}")
    (tmp_path / "run" / "node-london").mkdir()
    claim(tmp_path / "run").close()
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"qorridor-run", "notes", "letter.txt"}
    assert (tmp_path / "run" / "notes" / "thesis.txt").read_text() == "years of work"


def test_a_path_that_cannot_be_a_folder_is_refused_before_anything_is_made(tmp_path):
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / ("x" * 300)):
        with pytest.raises(OutsideError) as refused:
            claim(path)
        assert refused.value.code == "Q-KME-062"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    "content",
    [b"[]", b"\xff", b"", b"7", b'{"kme/london": 7}', b'{"kme/london": "x"}', b'{"kme/london": "a:99999"}'],
)
def test_a_damaged_address_book_is_an_error_with_a_code_and_is_written_anew(tmp_path, content):
    file = tmp_path / "addresses.json"
    file.write_bytes(content)
    with pytest.raises(OutsideError) as damaged:
        AddressBook(file).find("kme/london")
    assert damaged.value.code == "Q-KME-070"
    merge_book(file, {"kme/hayes": "127.0.0.1:4712"})
    assert AddressBook(file).find("kme/hayes") == ("127.0.0.1", 4712)


@pytest.mark.parametrize("content", [b"[]", b"7", b"{}", b'{"pid": 1}', b"\xff"])
def test_a_damaged_announcement_is_none(tmp_path, content):
    (tmp_path / "ready.json").write_bytes(content)
    assert read_ready(tmp_path, 1) is None
    assert port_before(tmp_path, "kme/london", "127.0.0.1") == 0


def test_an_address_is_unknown_until_its_process_has_announced_it(tmp_path):
    book = AddressBook(tmp_path / "addresses.json")
    with pytest.raises(OutsideError) as unknown:
        book.find("kme/london")
    assert unknown.value.code == "Q-KME-049"
    merge_book(tmp_path / "addresses.json", {"kme/london": "127.0.0.1:4711"})
    merge_book(tmp_path / "addresses.json", {"kme/hayes": "127.0.0.1:4712"})
    assert book.find("kme/london") == ("127.0.0.1", 4711)


def test_a_process_is_ready_when_its_own_announcement_is_there(tmp_path):
    announce(tmp_path, {"kme/london": "127.0.0.1:4711"})
    assert read_ready(tmp_path, os.getpid()) == {"kme/london": "127.0.0.1:4711"}
    assert read_ready(tmp_path, os.getpid() + 1) is None
    assert own_port(ESTATE, tmp_path, "kme/london", "127.0.0.1") == 4711
    assert own_port(ESTATE, tmp_path, "kme/hayes", "127.0.0.1") == 0


def test_the_only_run_below_the_current_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutsideError) as none:
        find_run(None)
    assert none.value.code == "Q-KME-053"
    for name in ("a", "b"):
        (tmp_path / "run" / name).mkdir(parents=True)
        (tmp_path / "run" / name / "addresses.json").write_text("{}")
    with pytest.raises(OutsideError):
        find_run(None)
    assert find_run(tmp_path / "run" / "a").name == "a"


def test_a_port_that_somebody_took_meanwhile_is_given_up_for_any_free_one(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        announce(tmp_path, {"kme/london": f"127.0.0.1:{port}"})
        other.listen()
        assert port_before(tmp_path, "kme/london", "127.0.0.1") == 0
    assert port_before(tmp_path, "kme/london", "127.0.0.1") == port
