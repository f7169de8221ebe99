"""State keys: a signature holds for its message, its context and its site only."""

import stat

from qorridor.adapters.wire.signing import NodeSigner, is_signed

CONTEXT = b"qorridor/state/1"


def test_a_signature_holds_for_its_site_message_and_context_only(tmp_path):
    london, hayes = NodeSigner(tmp_path / "london"), NodeSigner(tmp_path / "hayes")
    hayes.learn("london", london.public)
    signature = london.sign(b"record", CONTEXT)
    assert len(signature) == 3309
    assert hayes.verify("london", b"record", signature, CONTEXT)
    assert not hayes.verify("london", b"Record", signature, CONTEXT)
    assert not hayes.verify("london", b"record", signature, b"qorridor/policy/1")
    assert not hayes.verify("slough", b"record", signature, CONTEXT)
    assert not hayes.verify("london", b"record", b"", CONTEXT)


def test_the_first_key_that_a_site_shows_stays(tmp_path):
    london, thief = NodeSigner(tmp_path / "london"), NodeSigner(tmp_path / "thief")
    hayes = NodeSigner(tmp_path / "hayes")
    hayes.learn("london", london.public)
    hayes.learn("london", thief.public)
    assert not hayes.verify("london", b"record", thief.sign(b"record", CONTEXT), CONTEXT)


def test_the_key_survives_a_restart_and_is_private(tmp_path):
    file = tmp_path / "state.key"
    assert NodeSigner(file).public == NodeSigner(file).public
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_public_key_of_another_size_signs_nothing():
    assert not is_signed(b"short", b"message", bytes(3309), CONTEXT)
