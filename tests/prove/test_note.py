import base64
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa

from qorridor.base.errors import EvidenceError
from qorridor.prove.note import Checkpoint, LogSigner, cosigned_message, open_note, read_key

# The example of the signed-note specification (C2SP): its name, key id and Ed25519 key.
EXAMPLE = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
ORIGIN = "bank.example/qorridor/london"


@pytest.fixture(scope="module")
def signer():
    return LogSigner(ORIGIN, ed25519.Ed25519PrivateKey.generate(), mldsa.MLDSA44PrivateKey.generate())


@pytest.fixture(scope="module")
def note(signer):
    return signer.sign(Checkpoint(ORIGIN, 7, bytes(range(32))), 1_795_000_000)


def keys(signer):
    return [read_key(text) for text in signer.verification_keys]


def test_the_key_id_of_the_specifications_example_comes_out():
    key = read_key(EXAMPLE)
    assert (key.name, key.kind, key.key_id.hex()) == ("example.com/foo", 1, "530d903a")


@pytest.mark.parametrize(
    "text", ["", "name", "a+b+c", EXAMPLE.replace("530d903a", "530d903b"), EXAMPLE[:-4] + "!!!!"]
)
def test_a_malformed_key_is_refused(text):
    with pytest.raises(EvidenceError) as refused:
        read_key(text)
    assert refused.value.code == "Q-PROOF-002"


def test_a_checkpoint_is_three_lines_and_two_signatures(note):
    text, _, signatures = note.rpartition("\n\n")
    assert text == f"{ORIGIN}\n7\n{base64.b64encode(bytes(range(32))).decode()}"
    sizes = [len(base64.b64decode(line.split(" ")[2])) for line in signatures.splitlines()]
    assert sizes == [4 + 64, 4 + 8 + 2420]


def test_a_signed_note_opens_with_its_keys(signer, note):
    assert open_note(note, keys(signer)) == Checkpoint(ORIGIN, 7, bytes(range(32)))


def test_the_cosigned_message_has_the_size_of_the_specification():
    assert len(cosigned_message("n" * 12, "o" * 13, 1, 2, bytes(32))) == 95


@pytest.mark.parametrize("place", [0, 30, 60, 120, 300, 2000])
def test_any_changed_character_is_found(signer, note, place):
    changed = note[:place] + ("A" if note[place] != "A" else "B") + note[place + 1 :]
    with pytest.raises(EvidenceError) as refused:
        open_note(changed, keys(signer))
    assert refused.value.code == "Q-PROOF-003"


def test_a_note_of_another_log_is_refused(note):
    other = LogSigner(ORIGIN, ed25519.Ed25519PrivateKey.generate(), mldsa.MLDSA44PrivateKey.generate())
    with pytest.raises(EvidenceError):
        open_note(note, keys(other))


def test_the_note_of_the_specifications_example_verifies_and_no_changed_text_does():
    vector = json.loads((Path(__file__).parents[1] / "vectors/signed-note.json").read_text())
    key, line = read_key(vector["vkey"]), base64.b64decode(vector["signature"], validate=True)
    assert line[:4] == key.key_id
    assert key.accepts(SimpleNamespace(text=vector["text"]), line[4:])
    assert not key.accepts(SimpleNamespace(text=vector["text"].replace("example", "forged")), line[4:])


@pytest.mark.parametrize("spelling", ["07", "+7", " 7", "7 ", "٧"])
def test_a_size_has_one_spelling(signer, note, spelling):
    with pytest.raises(EvidenceError) as error:
        open_note(note.replace("\n7\n", f"\n{spelling}\n", 1), keys(signer))
    assert error.value.code == "Q-PROOF-003"
