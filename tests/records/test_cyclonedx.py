"""The inventory is a CycloneDX 1.6 CBOM that another tool accepts, and is read back unchanged."""

import json
from collections import Counter

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given
from hypothesis import strategies as st

from qorridor.adapters.scanners.certificates import scan_folder
from qorridor.base.errors import EstateError
from qorridor.discover.merge import merge
from qorridor.records import cyclonedx
from qorridor.records.inventory import Asset, Inventory
from qorridor.records.observations import Coverage, Observation


def inventory(folder, leaf, quantum_leaf):
    (folder / "chain.pem").write_bytes(leaf.chain_pem)
    (folder / "again.pem").write_bytes(leaf.pem)
    (folder / "key.pem").write_bytes(leaf.key_pem)
    (folder / "quantum.pem").write_bytes(quantum_leaf.chain_pem)
    seen = list(scan_folder(folder))
    chain = [one.facts for one in seen if isinstance(one, Observation) and one.facts["kind"] == "certificate"]
    facts = {"kind": "tls", "version": "TLSv1.3", "group": "X25519MLKEM768", "cipher": "TLS_AES_256_GCM_SHA384",
             "post_quantum_group": "X25519MLKEM768", "preferred_group": "X25519MLKEM768", "chain": chain[:1]}  # fmt: skip
    seen.append(
        Observation(
            "tls", "tls://a.example:443", 1.0, "active", facts, labels={"flow": "core", "owner": "me"}
        )
    )
    seen.append(
        Observation("tls", "tls://b.example:443", 1.0, "active", {"kind": "tls", "version": "", "chain": []})
    )
    return merge(
        [one for one in seen if isinstance(one, Observation)], [one for one in seen if isinstance(one, Coverage)],
        at="2026-12-01T00:00:00Z", tool_version="0.1.0", inputs={"estate": "ab" * 32},
    )  # fmt: skip


@pytest.mark.requirement("B-01")
def test_the_cbom_validates_strictly_against_the_schema(tmp_path, leaf, quantum_leaf):
    text = cyclonedx.write(inventory(tmp_path, leaf, quantum_leaf))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_no_reference_dangles_and_none_stands_twice(tmp_path, leaf, quantum_leaf):
    document = json.loads(cyclonedx.write(inventory(tmp_path, leaf, quantum_leaf)))
    refs = Counter(part["bom-ref"] for part in document["components"])
    assert max(refs.values()) == 1
    used = [ref for row in document["dependencies"] for ref in (row["ref"], *row["dependsOn"])]
    text = json.dumps(document["components"])
    for part in document["components"]:
        body = part["cryptoProperties"]
        used += body.get("protocolProperties", {}).get("cryptoRefArray", [])
        used += [v for k, v in body.get("certificateProperties", {}).items() if k.endswith("Ref")]
    assert set(used) <= set(refs)
    assert "PRIVATE KEY" not in text


def test_an_inventory_is_read_back_unchanged(tmp_path, leaf, quantum_leaf):
    made = inventory(tmp_path, leaf, quantum_leaf)
    again = cyclonedx.read(cyclonedx.write(made), "x")
    assert cyclonedx.write(again) == cyclonedx.write(made)
    assert again.share_seen == made.share_seen


def test_the_same_certificate_in_two_places_is_one_asset(tmp_path, leaf, quantum_leaf):
    made = inventory(tmp_path, leaf, quantum_leaf)
    (mine,) = [a for a in made.of_kind("certificate") if len(a.occurrences) == 3]
    assert any("again.pem" in place for place in mine.occurrences)
    assert any(place.startswith("tls://") for place in mine.occurrences)


def test_a_cbom_of_another_tool_is_read():
    text = json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.4", "components": [
        {"type": "library", "name": "x"},
        {"type": "cryptographic-asset", "name": "RSA", "cryptoProperties": {"assetType": "algorithm"}}]})  # fmt: skip
    (asset,) = cyclonedx.read(text, "x").assets
    assert asset.name == "RSA"


@given(st.binary(max_size=60) | st.sampled_from([b"{}", b'{"bomFormat":"CycloneDX","metadata":[]}', b"[[]]"]))
def test_what_is_no_inventory_is_refused_with_a_code(data):
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    with pytest.raises(EstateError) as caught:
        cyclonedx.read(text, "x")
    assert caught.value.code == "Q-ESTATE-030"


def test_seen_is_the_sum_of_parsed_skipped_and_failed():
    units = tuple(Coverage("tls", f"file:{n}", state, why) for n, (state, why) in enumerate(
        [("parsed", ""), ("failed", "timeout"), ("skipped", "unsupported-format"), ("parsed", "")]))  # fmt: skip
    made = Inventory((Asset("r", "algorithm", "x", {}),), units, "2026-12-01T00:00:00Z", "0")
    assert made.counts()["tls"] == {"seen": 4, "parsed": 2, "failed": 1, "skipped": 1}
    assert made.share_seen == pytest.approx(2 / 3)
    assert Inventory((), (), "", "").share_seen is None
