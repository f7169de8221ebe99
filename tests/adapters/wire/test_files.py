"""A file is either old or new, never half."""

import errno
import os
import stat

import pytest

from qorridor.adapters.wire import files
from qorridor.base.errors import OutsideError


def test_a_file_is_replaced_and_only_its_user_reads_it(tmp_path):
    path = tmp_path / "deep" / "er" / "file"
    files.write_atomically(path, "one")
    files.write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["file"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, call):
    path = tmp_path / "file"
    files.write_atomically(path, b"old")

    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, call, fail)
    with pytest.raises(OutsideError, match="No space left") as error:
        files.write_atomically(path, b"new")
    assert error.value.code == "Q-KME-040"
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_folder_that_is_a_file_is_an_error_with_its_code(tmp_path):
    (tmp_path / "folder").write_text("a file")
    with pytest.raises(OutsideError, match="cannot write"):
        files.write_atomically(tmp_path / "folder" / "file", b"x")
