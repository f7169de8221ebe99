"""The suite as the contract has it, unabridged, against a node in a process of its own."""

import asyncio
import json
import tempfile
from pathlib import Path

import pytest

from qorridor.adapters.wire.system import SystemClock, SystemEntropy
from qorridor.app.conform.bench import Settings
from qorridor.app.conform.parties import Address, Parties, read_party
from qorridor.app.conform.suite import run_suite
from qorridor.app.run_folder import BOOK
from qorridor.prove.conformance.table import CASES
from qorridor.prove.conformance.verdicts import Profile
from tests.conform.playing import told, verdicts
from tests.support import lone_node
from tests.support.lone_node import LoneNode
from tests.support.runs import short_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def parties(node):
    host, port = json.loads(BOOK.read_text())["kme/london"].split(":")

    def party(role, name):
        pki = node.saes[name]
        return read_party(role, pki.folder / "ecdsa-p256.pem", Address(host, int(port)), pki.trust("node"))

    return Parties(party("A", "near"), party("B", "far"))


async def _supplies(node):
    return (await node.ask("near", "far", "POST enc_keys"))[0] == 200


def test_a_real_node_passes_the_unabridged_suite(monkeypatch):
    monkeypatch.setattr(lone_node, "SIZE", 256 * 1024 * 1024)  # this disk is not to be filled

    async def main(folder):
        async with LoneNode(folder / "run") as node:
            await node.until(lambda: _supplies(node))  # without a neighbour it waits half a minute
            people = parties(node)
            with tempfile.TemporaryDirectory() as made:
                return await run_suite(
                    people,
                    Settings(hold=20.0),
                    CASES,
                    Profile.QORRIDOR,
                    SystemClock(),
                    SystemEntropy(),
                    Path(made),
                )

    with short_folder() as folder:
        report = asyncio.run(main(folder))
    assert not verdicts(report, "fail", "differs", "inconclusive"), told(report)
    assert report.holds
    assert 700 < report.burnt <= 2000
    assert not verdicts(report, "skip") & {"C54", "C55", "C56", "C57", "C58", "C59", "C64", "C65"}
