"""What several test files share."""

import os
import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, settings

from qorridor.adapters.wire.certificates import (
    generate_key,
    make_issuer,
    make_request,
    make_root,
    sign_request,
)
from qorridor.base.names import Identity
from tests.support.authority import Organisation

# A slow machine is no failure; in CI the same examples are drawn each time, elsewhere fresh ones.
settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("local"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@dataclass(frozen=True)
class Leaf:
    """A leaf certificate with its key, both PEM."""

    certificate: object
    pem: bytes
    key_pem: bytes = field(repr=False)
    chain_pem: bytes


def make_leaf(algorithm="ecdsa-p256"):
    now = datetime(2026, 12, 1, tzinfo=UTC)
    root = make_root("Test", algorithm, now, "root")
    issuer = make_issuer(root, "Test", algorithm, now, "issuer")
    key, identity = generate_key(algorithm), Identity("test", "node", "london")
    leaf = sign_request(issuer, make_request(identity, key), identity, now, lambda _: False)
    pem = leaf.public_bytes(Encoding.PEM)
    key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Leaf(leaf, pem, key_pem, pem + issuer.certificate.public_bytes(Encoding.PEM))


@pytest.fixture(scope="session")
def leaf():
    return make_leaf()


@pytest.fixture(scope="session")
def quantum_leaf():
    return make_leaf("ml-dsa-65")


def pytest_collection_modifyitems(items):
    """What ends a shared run comes after everything that uses it, whatever the shuffle says."""
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


def pytest_sessionfinish(session, exitstatus):
    """In CI a skipped test proves nothing: it fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("QORRIDOR_NO_SKIPS") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def organisation():
    made = Organisation()
    yield made
    made.authority.register.close()
    shutil.rmtree(made.folder)


@pytest.fixture
def folder():
    """A folder with a short name, in memory where there is such a place: paths of Unix sockets have
    fewer than 108 bytes, and a synchronous store need not wait for a disk."""
    memory = Path("/dev/shm")
    path = Path(tempfile.mkdtemp(prefix="q", dir=memory if os.access(memory, os.W_OK) else None))
    yield path
    shutil.rmtree(path)
