"""What the judgements say of answers, byte by byte."""

import base64
import json

import pytest

from qorridor.base.secret import Secret
from qorridor.prove.conformance import judgement
from qorridor.prove.conformance.judgement import Key, Ledger
from qorridor.prove.conformance.redaction import Redactor

STATUS = {
    "source_KME_ID": "k", "target_KME_ID": "l", "master_SAE_ID": "a", "slave_SAE_ID": "b", "key_size": 256,
    "stored_key_count": 5, "max_key_count": 9, "max_key_per_request": 4, "max_key_size": 512, "min_key_size": 64,
    "max_SAE_ID_count": 0,
}  # fmt: skip
UUID = "00000000-0000-4000-8000-00000000000{}"


@pytest.mark.parametrize("name", STATUS)
def test_each_member_of_status_is_missed_and_its_type_is_looked_at(name):
    assert judgement.status_faults(STATUS) == []
    for wrong in ({k: v for k, v in STATUS.items() if k != name}, STATUS | {name: None}, STATUS | {name: True},
                  STATUS | {name: 1.0}, STATUS | {name: ["x"]}):  # fmt: skip
        assert len(judgement.status_faults(wrong)) == 1


@pytest.mark.parametrize(
    "change",
    [{"master_SAE_ID": "b"}, {"slave_SAE_ID": "a"}, {"key_size": 32}, {"key_size": 520}, {"min_key_size": 0},
     {"max_key_per_request": 0}, {"stored_key_count": -1}, {"stored_key_count": 10}, {"max_SAE_ID_count": -1}],
)  # fmt: skip
def test_each_value_of_status_that_does_not_fit_is_named_alone(change):
    assert judgement.value_faults(STATUS, "a", "b") == []
    assert len(judgement.value_faults(STATUS | change, "a", "b")) == 1


def test_missing_numbers_of_a_status_are_assumed_narrowly():
    told, assumed = judgement.completed({"key_size": 128, "max_key_per_request": "7"})
    assert (told["min_key_size"], told["max_key_size"], told["max_key_per_request"]) == (128, 128, 1)
    assert "key_size" not in assumed
    assert judgement.completed(STATUS) == (STATUS, [])


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b'{"message": "x"}', ""),
        (b'{"message": "x", "details": [{"a": 1}]}', ""), (b'{"message": "x", "details": null}', ""),
        (b"", "no JSON"), (b"<html>", "no JSON"), (b"[]", "no JSON"), (b'{"detail": "x"}', "no message"),
        (b'{"message": 1}', "no message"), (b'{"message": "x", "details": {}}', "details"),
        (b'{"message": "x", "details": ["y"]}', "details"),
        (b'{"message": "Traceback (most recent call last): x"}', "stack trace"),
        (b'{"message": "File \\"k.py\\", line 7"}', ""), (b'File "k.py", line 7', "stack trace"),
        (b"goroutine 7 [running]", "stack trace"), (b"thread 'main' panicked", "stack trace"),
        (b"at org.kme.Keys.get(Keys.java:42)", "stack trace"),
    ],
)  # fmt: skip
def test_an_error_is_looked_at(body, fault):
    faults = judgement.error_faults(400, "text/plain", body)
    assert (fault in ";".join(faults)) if fault else not faults


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"keys": {}}', b'{"keys": [1]}', b'{"keys": [{"key": "AAAA"}]}',
             b'{"keys": [{"key_ID": "x"}]}', b'{"keys": [{"key_ID": "x", "key": "!secret!"}]}'],
)  # fmt: skip
def test_what_is_no_container_is_refused_without_its_key(body):
    with pytest.raises(ValueError) as error:
        judgement.container(body)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(("last", "size", "zero"), [(0xF0, 100, True), (0xF8, 100, False), (0x01, 104, True)])
def test_the_tail_of_an_odd_size_is_looked_at(last, size, zero):
    assert judgement.tail_is_zero(Secret(bytes(12) + bytes([last])), size) is zero


def test_keys_at_both_ends_are_compared_by_id_in_any_order():
    one, two = (Key(UUID.format(n), Secret(bytes([n]) * 8)) for n in (1, 2))
    assert judgement.same_keys([one, two], [two, one]) == ""
    assert "differs" in judgement.same_keys([one], [Key(one.key_id, two.key)])
    assert judgement.same_keys([one, two], [one])
    assert judgement.same_keys([one], [two])


def ledger(*entries):
    made = Ledger(Redactor(bytes(32)).digest)
    made.note(json.dumps({"keys": [{"key_ID": name, "key": text} for name, text in entries]}).encode())
    return made


def text(*values):
    return base64.b64encode(bytes(values)).decode()


def test_the_ledger_sees_form_clashes_and_bias():
    good = ledger((UUID.format(1), text(*range(32))), (UUID.format(2), text(*range(100, 132))))
    assert (good.faults, good.clashes, good.keys, good.bits) == ([], [], 2, 512)
    assert len(ledger(("x", text(1, 2))).faults) == 1
    assert "canonical" in ledger((UUID.format(1), "AAB=")).faults[0]
    assert "base64" in ledger((UUID.format(1), "!")).faults[0]
    same = text(*range(32))
    assert len(ledger((UUID.format(1), same), (UUID.format(2), same)).clashes) == 2  # value and prefix
    prefix = ledger((UUID.format(1), text(*range(32))), (UUID.format(2), text(*range(8), *range(60, 84))))
    assert len(prefix.clashes) == 1
    assert "key_ID" in ledger((UUID.format(1), text(1)), (UUID.format(1), text(2))).clashes[0]
    assert ledger((UUID.format(1), text(*[255] * 32))).deviation == pytest.approx(16.0)
    assert ledger().deviation == 0.0
