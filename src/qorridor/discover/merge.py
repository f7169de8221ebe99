"""Merge observations into one inventory: equal facts become one asset with several places."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from qorridor.base.canonical import Json, digest
from qorridor.discover.names import Algorithm, by_group, by_oid, by_suite
from qorridor.records.inventory import Asset, Inventory
from qorridor.records.observations import Coverage, Observation


def merge(
    observations: Iterable[Observation],
    coverage: Sequence[Coverage],
    *,
    at: str,
    tool_version: str,
    inputs: Mapping[str, str],
) -> Inventory:
    """The inventory of all observations; assets by reference in sorted order."""
    book = _Book()
    for observation in observations:
        book.take(observation)
    assets = tuple(book.assets[ref] for ref in sorted(book.assets))
    units = tuple(sorted(coverage, key=lambda unit: (unit.scanner, unit.locator)))
    return Inventory(assets, units, at, tool_version, dict(inputs))


class _Book:
    """Assets by reference while they are gathered."""

    def __init__(self) -> None:
        self.assets: dict[str, Asset] = {}

    def take(self, observation: Observation) -> None:
        facts: Any = observation.facts
        match facts.get("kind"):
            case "tls":
                self._endpoint(observation, facts)
            case "certificate":
                self._certificate(observation, facts)
            case "private-key":
                self._key(observation, facts)

    def _add(self, asset: Asset) -> str:
        old = self.assets.get(asset.ref)
        if old is None:
            self.assets[asset.ref] = asset
            return asset.ref
        self.assets[asset.ref] = replace(
            old,
            properties=_joined(old.properties, asset.properties),
            occurrences=tuple(sorted({*old.occurrences, *asset.occurrences})),
            depends_on=tuple(sorted({*old.depends_on, *asset.depends_on})),
        )
        return asset.ref

    def _algorithm(self, algorithm: Algorithm, seen: Observation) -> str:
        crypto: dict[str, Json] = {"primitive": algorithm.primitive}
        if algorithm.parameter_set:
            crypto["parameterSetIdentifier"] = algorithm.parameter_set
        if algorithm.curve:
            crypto["curve"] = algorithm.curve
        if algorithm.functions:
            crypto["cryptoFunctions"] = list(algorithm.functions)
        if algorithm.level is not None:
            crypto["nistQuantumSecurityLevel"] = algorithm.level
        ref = f"crypto/algorithm/{algorithm.name}@sha256:{digest({'name': algorithm.name, **crypto})[:12]}"
        labels: dict[str, str] = {"quantum_class": algorithm.quantum_class}
        return self._add(Asset(ref, "algorithm", algorithm.name, crypto, labels, (seen.locator,)))

    def _certificate(self, seen: Observation, facts: Any) -> str:
        key = self._public_key(seen, facts)
        signature = self._algorithm(by_oid(facts["signature_oid"]), seen)
        crypto: dict[str, Json] = {
            "subjectName": facts["subject"], "issuerName": facts["issuer"],
            "notValidBefore": facts["not_before"], "notValidAfter": facts["not_after"],
            "signatureAlgorithmRef": signature, "subjectPublicKeyRef": key,
            "certificateFormat": "X.509",
        }  # fmt: skip
        labels = _labels(seen) | {
            "fingerprint": facts["fingerprint"],
            "serial": facts["serial"],
            "role": facts["role"],
        }
        ref = f"crypto/certificate/sha256:{facts['fingerprint'][:32]}"
        name = facts["subject"] or f"certificate {facts['serial']}"
        return self._add(Asset(ref, "certificate", name, crypto, labels, (seen.locator,), (key, signature)))

    def _public_key(self, seen: Observation, facts: Any) -> str:
        found = by_oid(facts["key_oid"], size=facts.get("key_size"), curve=facts.get("curve") or "")
        algorithm = self._algorithm(found, seen)
        crypto: dict[str, Json] = {"type": "public-key", "id": facts["spki"], "algorithmRef": algorithm}
        if facts.get("key_size"):
            crypto["size"] = facts["key_size"]
        ref = f"crypto/key/spki-sha256:{facts['spki'][:32]}"
        labels: dict[str, str] = {"quantum_class": found.quantum_class}
        name = f"public key {found.name}"
        return self._add(
            Asset(ref, "related-crypto-material", name, crypto, labels, (seen.locator,), (algorithm,))
        )

    def _key(self, seen: Observation, facts: Any) -> None:
        """A private key is known by the digest of its public half only; an encrypted one by its place."""
        identity = facts.get("spki") or hashlib.sha256(seen.locator.encode()).hexdigest()
        algorithm = self._algorithm(
            by_oid(facts.get("key_oid", ""), size=facts.get("key_size"), curve=facts.get("curve") or ""), seen
        )
        crypto: dict[str, Json] = {"type": "private-key", "id": identity, "algorithmRef": algorithm}
        labels = _labels(seen) | {
            "encrypted": str(bool(facts["encrypted"])).lower(),
            "readable_by_others": str(bool(facts["readable_by_others"])).lower(),
        }
        depends = (
            algorithm,
            *((public,) if (public := f"crypto/key/spki-sha256:{identity[:32]}") in self.assets else ()),
        )
        ref = f"crypto/private-key/spki-sha256:{identity[:32]}"
        self._add(
            Asset(ref, "related-crypto-material", "private key", crypto, labels, (seen.locator,), depends)
        )

    def _endpoint(self, seen: Observation, facts: Any) -> None:
        group, suite = (
            by_group(facts.get("group") or facts.get("preferred_group") or ""),
            by_suite(facts.get("cipher") or ""),
        )
        refs = [
            self._algorithm(found, seen) for found in (group, suite) if found.name and found.name != "unknown"
        ]
        chain = [
            self._certificate(replace(seen, labels={}), certificate) for certificate in facts.get("chain", [])
        ]
        crypto: dict[str, Json] = {"type": "tls", "cryptoRefArray": [*sorted({*refs, *chain})]}
        if facts.get("version"):
            crypto["version"] = facts["version"].removeprefix("TLSv")
        if facts.get("cipher"):
            crypto["cipherSuites"] = [{"name": facts["cipher"], "algorithms": [*sorted(refs)]}]
        labels = _labels(seen) | {
            "group": facts.get("group") or "", "post_quantum_group": facts.get("post_quantum_group") or "",
            "quantum_class": group.quantum_class, "client_certificate": facts.get("client_certificate") or "",
        }  # fmt: skip
        ref = f"crypto/protocol/tls/{seen.locator.removeprefix('tls://')}"
        self._add(
            Asset(
                ref,
                "protocol",
                f"TLS {seen.locator}",
                crypto,
                labels,
                (seen.locator,),
                tuple(sorted({*refs, *chain})),
            )
        )


def _labels(seen: Observation) -> dict[str, str]:
    labels = {"confidence": f"{seen.confidence:g}", "method": seen.method, "scanner": seen.scanner}
    return labels | {name: str(value) for name, value in seen.labels.items() if value}


def _joined(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    """Both property sets; the surer observation wins where they differ."""
    surer = float(new.get("confidence", 0)) > float(old.get("confidence", 0))
    return {**old, **new} if surer else {**new, **old}
