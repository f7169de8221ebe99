"""Certificate and key files below folders (PEM and DER). Private keys are never hashed, copied or stored."""

from __future__ import annotations

import os
import re
import stat
import warnings
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key
from cryptography.utils import CryptographyDeprecationWarning

from qorridor.adapters.scanners.facts import certificate_facts, key_facts
from qorridor.records.observations import Coverage, Facts, Observation, Why

NAME = "certificates"
LARGEST = 1024 * 1024
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_CONFIDENCE = 0.9

Seen = Observation | Coverage


def scan_folder(root: Path) -> Iterator[Seen]:
    """Observations of each certificate and key below `root`, and one coverage record per file.

    Links are not followed. A folder or file that cannot be read is a coverage record, never silence.
    """
    if root.is_file():
        yield from scan_file(root)
        return
    refused: list[OSError] = []
    for folder, names, files in os.walk(root, onerror=refused.append):
        names.sort()
        for name in sorted(files):
            yield from scan_file(Path(folder, name))
    for error in refused:
        yield Coverage(NAME, f"file:{error.filename}", "failed", "permission")


def scan_file(path: Path) -> Iterator[Seen]:
    """Observations of one file and what became of it."""
    locator = f"file:{path}"
    try:
        status = path.lstat()
        why = _skipped(status)
        data = b"" if why else path.read_bytes()
    except OSError:
        yield Coverage(NAME, locator, "failed", "permission")
        return
    if not why and not _looks_like_ours(data):
        why = "unsupported-format"
    if why:
        yield Coverage(NAME, locator, "skipped", why)
        return
    try:
        with warnings.catch_warnings():  # what a certificate does wrong is no warning to the person who scans
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            found = list(_observations(data, locator, readable=bool(status.st_mode & stat.S_IROTH)))
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        yield Coverage(NAME, locator, "failed", "parse-error")
        return
    yield from found
    yield Coverage(NAME, locator, "parsed" if found else "skipped", "" if found else "unsupported-format")


def _skipped(status: os.stat_result) -> Why:
    if not stat.S_ISREG(status.st_mode):
        return "out-of-scope"
    return "too-large" if status.st_size > LARGEST else ""


def _looks_like_ours(data: bytes) -> bool:
    return b"-----BEGIN " in data or data[:2] in {b"\x30\x81", b"\x30\x82", b"\x30\x83"}


def _observations(data: bytes, locator: str, *, readable: bool) -> Iterator[Observation]:
    blocks = list(_BLOCK.finditer(data))
    for number, block in enumerate(blocks):
        place = locator if len(blocks) == 1 else f"{locator}#{number}"
        label = block[1].decode()
        if label == "CERTIFICATE":
            yield _certificate(x509.load_pem_x509_certificate(block[0]), place)
        elif label.endswith("PRIVATE KEY"):
            yield _private_key(block[0], place, readable=readable, pem=True)
    if not blocks:
        yield _der(data, locator, readable=readable)


def _der(data: bytes, locator: str, *, readable: bool) -> Observation:
    try:
        return _certificate(x509.load_der_x509_certificate(data), locator)
    except ValueError:
        return _private_key(data, locator, readable=readable, pem=False)


def _certificate(certificate: x509.Certificate, locator: str) -> Observation:
    facts = certificate_facts(certificate)
    return Observation(NAME, locator, _CONFIDENCE, "file", facts, str(facts["fingerprint"]))


def _private_key(data: bytes, locator: str, *, readable: bool, pem: bool) -> Observation:
    """The key's identity is the digest of its public half; the digest of its bytes is never taken."""
    facts: Facts = {"kind": "private-key", "readable_by_others": readable}
    try:
        key = (load_pem_private_key if pem else load_der_private_key)(data, None)
    except TypeError:
        return Observation(NAME, locator, _CONFIDENCE, "file", {**facts, "encrypted": True})
    public = key_facts(key.public_key())
    return Observation(
        NAME, locator, _CONFIDENCE, "file", {**facts, "encrypted": False, **public}, str(public["spki"])
    )
