"""An installation that may not be written to works, with compiled loops kept where that is allowed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import qorridor
from qorridor.app import kernels

SOURCE = Path(qorridor.__file__).parent
NOBODY = 65534
WORK = """
import os
from qorridor.app.kernels import keep_kernels
keep_kernels({folder})
from qorridor.distill import warm
warm.sifting()
print(os.environ["NUMBA_CACHE_DIR"])
"""


@pytest.fixture
def sealed(tmp_path, monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(kernels, "_PACKAGE", tmp_path / "absent")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    return tmp_path


def kept(state=None):
    kernels.keep_kernels(state)
    return Path(os.environ["NUMBA_CACHE_DIR"])


def test_a_writable_installation_keeps_its_loops_beside_the_package(monkeypatch, tmp_path):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(kernels, "_PACKAGE", tmp_path)
    kernels.keep_kernels(tmp_path / "state")
    assert "NUMBA_CACHE_DIR" not in os.environ


def test_a_process_with_a_state_folder_keeps_them_there(sealed):
    assert kept(sealed / "state") == sealed / "state/kernels"


def test_a_wish_of_the_environment_stands(sealed, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/elsewhere")
    assert kept(sealed) == Path("/elsewhere")


def test_a_user_keeps_them_in_a_cache_of_the_own(sealed, monkeypatch):
    monkeypatch.setenv("HOME", str(sealed))
    assert kept() == sealed / ".cache/qorridor/kernels"
    assert (sealed / ".cache/qorridor").stat().st_mode & 0o77 == 0


@pytest.mark.parametrize("home", [None, "file"])
def test_without_a_home_they_last_as_long_as_the_process(sealed, monkeypatch, home):
    """A folder that only this user may enter: whoever writes there runs code here."""
    monkeypatch.delenv("HOME", raising=False)
    if home is not None:
        (sealed / home).touch()
        monkeypatch.setenv("HOME", str(sealed / home))
    folder = kept().parent
    assert folder.stat().st_mode & 0o77 == 0
    shutil.rmtree(folder)


@pytest.mark.parametrize("damage", ["others may write", "a link", "above"])
def test_a_folder_that_others_may_write_to_is_never_used(sealed, damage):
    """What lies there would be run."""
    state = sealed / "state"
    (state / "kernels").mkdir(parents=True, mode=0o700)
    if damage == "others may write":
        (state / "kernels").chmod(0o777)
    elif damage == "above":
        state.chmod(0o777)
    else:
        (state / "kernels").rename(sealed / "elsewhere")
        (state / "kernels").symlink_to(sealed / "elsewhere")
    folder = kept(state)
    assert not folder.is_relative_to(state)
    assert folder.parent.stat().st_mode & 0o77 == 0
    shutil.rmtree(folder.parent)


def test_a_cache_that_is_no_place_is_not_used(sealed, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    folder = kept()
    assert folder.is_absolute()
    assert not Path("relative").exists()
    shutil.rmtree(folder.parent)


@pytest.mark.parametrize("with_state", [True, False])
def test_a_read_only_installation_without_home_distils(tmp_path, with_state):
    """As a user who owns nothing of it and has no home; compiled again only where nothing can be kept."""
    install, state = tmp_path / "install", tmp_path / "state"
    shutil.copytree(SOURCE, install / "qorridor", ignore=shutil.ignore_patterns("__pycache__"))
    state.mkdir(mode=0o700)
    user = {}
    if os.geteuid() == 0:
        os.chown(state, NOBODY, NOBODY)
        for folder in (tmp_path, *tmp_path.parents):  # a way in, for the length of this test's folders only
            if folder != Path("/") and folder.owner() == "root" and "pytest" in str(folder):
                folder.chmod(folder.stat().st_mode | 0o011)
        user = {"user": NOBODY, "group": NOBODY, "extra_groups": ()}
    for folder in (install, *install.rglob("*")):
        folder.chmod(0o555 if folder.is_dir() else 0o444)
    code = WORK.format(folder=f"__import__('pathlib').Path({str(state)!r})" if with_state else None)
    environment = {"PYTHONPATH": str(install), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd="/", capture_output=True, text=True, check=False, **user
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = Path(done.stdout.strip())
    assert list((state / "kernels").rglob("*.nbc")) if with_state else not told.parent.exists()
