"""Merging joins equal facts and keeps every place and the surest word."""

from qorridor.discover.merge import merge
from qorridor.records.observations import Observation


def made(*observations):
    return merge(observations, [], at="2026-12-01T00:00:00Z", tool_version="0", inputs={})


def endpoint(confidence, owner, place="tls://a:443"):
    facts = {
        "kind": "tls",
        "version": "TLSv1.3",
        "group": "X25519",
        "cipher": "TLS_AES_128_GCM_SHA256",
        "chain": [],
    }
    return Observation("tls", place, confidence, "active", facts, labels={"owner": owner})


def test_the_order_of_observations_does_not_change_the_inventory():
    one, other = endpoint(1.0, "a"), endpoint(0.5, "b", "tls://b:443")
    assert made(one, other) == made(other, one)


def test_the_surer_observation_wins():
    for pair in ((1.0, "a", 0.5, "b"), (0.5, "b", 1.0, "a")):
        inventory = made(endpoint(*pair[:2]), endpoint(*pair[2:]))
        (protocol,) = inventory.of_kind("protocol")
        assert protocol.properties["owner"] == "a"


def test_algorithms_say_their_quantum_class():
    classes = {a.name: a.properties["quantum_class"] for a in made(endpoint(1.0, "a")).of_kind("algorithm")}
    assert classes == {"X25519": "shor-broken", "AES-128-GCM": "grover-weakened"}
