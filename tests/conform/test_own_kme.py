"""Our own KMEs under the whole suite: no case fails, whichever way the SAEs hang on them."""

import contextlib
import dataclasses

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from qorridor.adapters.wire import contexts, http, tls
from qorridor.adapters.wire.system import SystemClock
from qorridor.app.conform.parties import Address, Parties, read_party
from qorridor.faces.api.etsi014 import Etsi014
from qorridor.run.registry import Registry, SaeEntry
from tests.conform.playing import play, told, verdicts
from tests.support.loop import run
from tests.support.nodes import Net
from tests.support.saes import CAP, SAES, Kmes

PAIR = {"london-hayes": ("london", "hayes")}
MINE = {**SAES, "e": SaeEntry("e", "london", frozenset({"a"}))}
MINE["a"] = SaeEntry("a", "london", MINE["a"].partners | {"e"})
NEVER = {"C45", "C49", "C50a", "C50b"}
"""We know no extension and offer no multicast."""
UNGIVEN = {"C33f", "C36"}
"""A test organisation has no revocation list."""


class Standing(Kmes):
    """KMEs that keep their ports over a restart."""

    registry = Registry(MINE)

    async def start(self, site):
        await Net.start(self, site)
        face = Etsi014(self.managers[site], MINE, self._recorder(site), cap=CAP, clock=SystemClock())
        pki = self.organisation.enrol("node", site, "ml-dsa-65", "ecdsa-p256")
        context = contexts.mutual_server(pki.credentials("ecdsa-p256"), pki.trust("sae"))
        port = self.kme_ports.get(site, 0)
        listener = await tls.serve(face.serve, lambda: context, "127.0.0.1", port, refused=self._refused)
        self.faces[site] = listener
        self.kme_ports[site] = listener.sockets[0].getsockname()[1]

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.faces = {}

    async def restart(self):
        """Kill every node and start it again from its disk."""
        for site in self._sites():
            self.faces[site].close()
            self.end(site)
        for site in self._sites():
            await self.start(site)

    async def cut_wire(self):
        self.break_wire("london", "hayes")

    async def mend_wire(self):
        self.cut.clear()

    async def __aexit__(self, *error):
        for face in self.faces.values():
            face.close()
        await super().__aexit__(*error)


def parties(net, slave, third):
    """A, its slave, its third SAE, a stranger, and certificates that no enrolment gives."""
    organisation = net.organisation

    def party(role, sae, pki=None):
        pki = pki or organisation.enrol("sae", sae)
        site = MINE[sae].site if sae in MINE else "london"
        at = Address("127.0.0.1", net.kme_ports[site])
        return read_party(role, pki.folder / "ecdsa-p256.pem", at, pki.trust("node"))

    uri, only_servers = ["spiffe://test-bank/sae/a"], [ExtendedKeyUsageOID.SERVER_AUTH]
    bad = {
        "expired": organisation.forged("sae", uri, valid=(-9, -2)),
        "not-yet-valid": organisation.forged("sae", uri, valid=(2, 9)),
        "wrong-use": organisation.forged("sae", uri, uses=only_servers),
    }
    return Parties(
        party("A", "a"), party("B", slave), party("C", third), party("X", "stranger"),
        {kind: party(kind, "a", pki) for kind, pki in bad.items()},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("slave", "third", "skipped"),
    [("b", "c", set()), ("d", "e", {"C16", "C60", "C67"})],  # within a site the stock has no end
    ids=["two-kmes", "one-kme"],
)
def test_our_own_kmes_pass_every_case(organisation, folder, monkeypatch, slave, third, skipped):
    monkeypatch.setattr(http, "REQUEST_SECONDS", 1.0)  # C64 waits for it

    async def main():
        async with Standing(organisation, folder, PAIR) as net:
            await net.fill(atoms=600)
            hooks = {"restart": net.restart, "peer-stop": net.cut_wire, "peer-start": net.mend_wire}
            return await play(
                parties(net, slave, third), seconds=10.0, hold=6.0, hooks=hooks, unsatisfiable=None
            )

    report = run(main())
    assert not verdicts(report, "fail", "differs", "inconclusive"), told(report)
    assert verdicts(report, "skip") == NEVER | UNGIVEN | skipped
    assert report.holds
    assert report.target["group"] == "X25519MLKEM768"


def test_a_kme_whose_saes_may_not_pair_gives_no_false_pass(organisation, folder):
    async def main():
        async with Standing(organisation, folder, PAIR) as net:
            await net.fill()
            people = parties(net, "c", "e")
            stranger = dataclasses.replace(people.b, sae_id="nobody")
            with contextlib.suppress(ValueError):
                return await play(dataclasses.replace(people, b=stranger))

    report = run(main())
    assert not report.holds
    assert "C1" in verdicts(report, "fail")
