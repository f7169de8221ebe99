"""A policy that allows PQC alone holds with two people's signatures over exactly its bytes."""

import json
from pathlib import Path

import pytest

from qorridor.adapters.wire.signing import NodeSigner, is_signed
from qorridor.app.estate_file import load
from qorridor.base.errors import PolicyRefusal
from qorridor.run.policy import CONTEXT, check_policy, policy_payload
from qorridor.run.registry import registry

ESTATE = load(Path(__file__).parents[2] / "examples/meridian/estate.toml")
FLOW = "core-replication"
PAYLOAD = policy_payload(ESTATE, FLOW)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    return {name: NodeSigner(folder / name) for name in ("ann", "bob", "eve")}


def signed(people, *names, payload=PAYLOAD, context=CONTEXT):
    signatures = {name: people[name].sign(payload, context).hex() for name in names}
    return json.dumps({"signatures": signatures})


def known(people, *names):
    return {name: people[name].public for name in names}


def test_two_known_approvers_are_enough_and_are_named(people):
    policy = check_policy(
        signed(people, "bob", "ann"), PAYLOAD, known(people, "ann", "bob", "eve"), is_signed
    )
    assert policy.approvers == ("ann", "bob")
    assert len(policy.digest) == 48


@pytest.mark.parametrize(
    "text",
    [
        lambda p: signed(p, "ann"),
        lambda p: signed(p, "ann", "eve"),
        lambda p: signed(p, "ann", "bob", payload=PAYLOAD + b" "),
        lambda p: signed(p, "ann", "bob", context=b"qorridor/state/1"),
        lambda p: json.dumps({"signatures": {"ann": p["ann"].sign(PAYLOAD, CONTEXT).hex(), "bob": "00"}}),
        lambda _: "{}",
        lambda _: "[]",
        lambda _: '{"signatures": {"ann": 7}}',
        lambda _: "not json",
        lambda _: "",
    ],
    ids=[
        "one",
        "a stranger",
        "other bytes",
        "other context",
        "a forged one",
        "none",
        "list",
        "number",
        "text",
        "empty",
    ],
)
def test_anything_less_is_refused(people, text):
    with pytest.raises(PolicyRefusal) as refusal:
        check_policy(text(people), PAYLOAD, known(people, "ann", "bob"), is_signed)
    assert refusal.value.code == "Q-POLICY-020"


def test_one_key_under_two_names_is_one_approval(people):
    signature = people["ann"].sign(PAYLOAD, CONTEXT).hex()
    text = json.dumps({"signatures": {"ann": signature, "ann-again": signature}})
    twice = {"ann": people["ann"].public, "ann-again": people["ann"].public}
    with pytest.raises(PolicyRefusal):
        check_policy(text, PAYLOAD, twice, is_signed)


def test_whatever_the_machine_acts_on_is_in_the_signed_bytes():
    told = json.loads(PAYLOAD)
    assert {"fallback", "fallback_limit_ms", "suite", "rekey_ms", "timing", "flow"} <= set(told)
    other = ESTATE.model_copy(update={"policy": ESTATE.policy.model_copy(update={"fallback_limit": 3600.0})})
    assert policy_payload(other, FLOW) != PAYLOAD


def test_the_ends_of_a_tunnel_pair_with_each_other_only_and_foreign_saes_as_the_estate_says():
    saes = registry(ESTATE)
    assert saes["core-replication-london"].partners == {"core-replication-slough"}
    assert saes["core-replication-slough"].site == "slough"
    assert saes["router-london"].partners == {"router-slough"}
    assert not any("router" in partner for partner in saes["core-replication-london"].partners)
