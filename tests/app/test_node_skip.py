"""Which SKIP listeners a node opens, and which files of pre-shared keys it takes."""

import pytest

from qorridor.adapters.wire import contexts
from qorridor.app.node_skip import FOLDER, read_psks, skip_contexts
from qorridor.base.errors import OutsideError
from qorridor.run.registry import SaeEntry

SPEAKER = SaeEntry("router", "london", frozenset(), speaks="skip", system_id="Router-1")
KEY = "5a" * 32


def keep(folder, text, mode=0o600):
    folder.mkdir(exist_ok=True)
    file = folder / "router"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    file.chmod(mode)
    return file


def test_a_key_is_found_by_the_saes_system_id(tmp_path):
    keep(tmp_path, KEY + "\n")
    (found,) = read_psks(tmp_path, [SPEAKER]).items()
    assert (found[0], bytes(found[1].reveal())) == ("Router-1", b"\x5a" * 32)


def test_an_sae_without_a_file_has_no_key(tmp_path):
    assert read_psks(tmp_path / "none", [SPEAKER]) == {}


@pytest.mark.parametrize(
    ("text", "mode"),
    [(KEY, 0o640), (KEY, 0o604), ("5a" * 31, 0o600), ("5a" * 65, 0o600), ("zz" * 32, 0o600), ("", 0o600),
     (b"\xff" * 64, 0o600), (KEY[:-1], 0o600)],
)  # fmt: skip
def test_a_file_that_others_read_or_that_holds_no_key_stops_the_node_and_is_not_shown(tmp_path, text, mode):
    file = keep(tmp_path, text, mode)
    with pytest.raises(OutsideError) as refused:
        read_psks(tmp_path, [SPEAKER])
    assert refused.value.code == "Q-KME-090"
    assert refused.value.where == str(file)
    assert "5a5a" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("entry", "psk", "names"),
    [
        (SPEAKER, True, ["skip", "skip-psk"]),
        (SPEAKER, False, ["skip"]),
        (SaeEntry("router", "hayes", frozenset(), speaks="skip"), True, []),
        (SaeEntry("router", "london", frozenset()), True, []),
    ],
)
def test_listeners_open_only_where_somebody_needs_them(tmp_path, organisation, entry, psk, names):
    if psk:
        keep(tmp_path / FOLDER, KEY)
    pki = organisation.enrol("node", "london", "ecdsa-p256")
    made = skip_contexts(
        {"router": entry}, "london", tmp_path, pki.credentials("ecdsa-p256"), pki.trust("sae")
    )
    assert [name for name, _ in made] == names
    assert all("x25519" not in context.groups for _, context in made)
    assert {name: context.is_psk for name, context in made} == {name: name == "skip-psk" for name in names}
    assert all(isinstance(context, contexts.Context) for _, context in made)
