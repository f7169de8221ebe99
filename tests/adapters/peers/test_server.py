"""The listener for neighbouring nodes: whatever a neighbour sends is answered, and nothing crashes it."""

import json
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qorridor.adapters.peers.client import INCARNATION
from qorridor.adapters.stores.journal import Journal
from qorridor.adapters.wire import contexts, http, tls
from qorridor.app.node_checkpoints import Checkpoints
from qorridor.base.errors import KeySupplyError, OutsideError
from qorridor.ports.key_store import Association
from tests.support.loop import run, until
from tests.support.nodes import Net

PAIR = {"london-hayes": ("london", "hayes")}
TXID = "00000000-0000-4000-8000-000000000001"
HERE = ["0" * 32] * 2  # stands for the stores of the net
ASSOCIATION = {
    "initiator": "a",
    "targets": ["b"],
    "size_bits": 256,
    "path": ["london", "hayes"],
    "incarnations": HERE,
}
BIND = {"link": "london-hayes", "association": ASSOCIATION, "txid": TXID,
        "keys": [{"key_id": TXID, "block": "00" * 16, "first": 1, "count": 1, "digest": "AAAA"}]}  # fmt: skip
HOP = {"txid": TXID, "association": ASSOCIATION, "link": "london-hayes", "block": "00" * 16, "first": 1, "count": 2,
       "tag": "AAAA", "simulated": True, "keys": [{"key_id": TXID, "cipher": "A" * 43 + "="}]}  # fmt: skip
VOID = {"txid": TXID, "cause": "x"}
SUPPLY = {"path": ["hayes"], "size_bits": 256, "sold": False}
CALLS = {"bind": BIND, "relay": HOP, "void": VOID, "supply": SUPPLY}


@pytest.fixture(scope="module")
def note():
    """A journal's checkpoint, as its node shows it."""
    folder = Path(tempfile.mkdtemp(prefix="q"))
    journal = Journal(folder, "test/qorridor/london")
    journal.append([b"a", b"b"])
    yield {"vkeys": journal.verification_keys, "note": journal.checkpoint(), "old": 0, "proof": []}
    shutil.rmtree(folder)


class Real(Net):
    """A net whose nodes keep real checkpoints."""

    def keeper(self, site):
        return Checkpoints(self.folder / site, "test/qorridor", ("london", "hayes"), None)


async def ask(net, call, body, method="POST"):
    client, text = (
        net.clients["london"]["hayes"]._bulk,
        body if isinstance(body, bytes) else json.dumps(body).encode(),
    )
    stores = [net.stores[site].incarnation for site in ("london", "hayes")]
    text = text.replace(json.dumps(HERE).encode(), json.dumps(stores).encode())
    return await client.request(method, f"/q/v1/{call}", text, headers={INCARNATION: stores[0]})


def test_calls_of_a_neighbour_that_do_not_fit_are_refused_with_a_code_and_journalled(organisation, folder):
    async def main():
        async with Net(organisation, folder, PAIR) as net:
            await net.fill()
            answer = await ask(net, "bind", BIND)
            assert (answer.status, json.loads(answer.body)["code"]) == (409, "Q-KEY-023")
            events = [event for site, event in net.events if site == "hayes"]
            assert [(event.kind, event.subject) for event in events] == [("kme.refused", "london")]

    run(main())


@pytest.mark.parametrize(
    ("call", "body", "status"),
    [("bind", b"rubbish", 400), ("nothing", b"{}", 400), ("", b"{}", 400), ("bind", {}, 400),
     ("supply", SUPPLY | {"path": ["hayes", "nowhere"]}, 409), ("void", VOID | {"cause": "\ud800"}, 400),
     ("bind", BIND | {"link": "\ud800"}, 400), ("bind", BIND | {"link": "ä\u0000"}, 409),
     ("supply", SUPPLY | {"path": ["slough", "hayes"]}, 409), ("supply", SUPPLY | {"path": ["london", "hayes"]}, 409),
     ("supply", SUPPLY | {"path": ["hayes", "london"]}, 409), ("supply", SUPPLY | {"size_bits": 0}, 400),
     ("supply", SUPPLY | {"size_bits": 257}, 400), ("supply", SUPPLY | {"path": ["hayes", "slough", "hayes"]}, 400),
     ("checkpoint", {}, 400), ("checkpoint", {"vkeys": [1], "note": "x"}, 400), ("roll", {}, 200),
     ("relay", HOP | {"association": ASSOCIATION | {"path": ["london", "hayes", "london", "hayes"]}}, 400)],
)  # fmt: skip
def test_odd_calls_get_an_answer(organisation, folder, call, body, status):
    async def main():
        async with Real(organisation, folder, PAIR) as net:
            answer = await ask(net, call, body)
            assert answer.status == status
            assert status == 200 or json.loads(answer.body)["code"]
            assert (await ask(net, "supply", SUPPLY)).status == 200

    run(main())


@pytest.mark.parametrize("told", [{}, {INCARNATION: ""}, {INCARNATION: "g" * 32}, {INCARNATION: "0" * 33}])
def test_a_call_that_does_not_say_which_store_it_comes_from_is_refused(organisation, folder, told):
    async def main():
        async with Net(organisation, folder, PAIR) as net:
            client = net.clients["london"]["hayes"]._bulk
            answer = await client.request("POST", "/q/v1/hello", b"{}", headers=told)
            assert answer.status == 400
            assert answer.headers[INCARNATION] == net.stores["hayes"].incarnation
            assert (await ask(net, "hello", {})).status == 200

    run(main())


def test_other_methods_and_paths_are_not_served(organisation, folder):
    async def main():
        async with Net(organisation, folder, PAIR) as net:
            assert (await ask(net, "supply", b"", "GET")).status == 404
            client = net.clients["london"]["hayes"]._bulk
            assert (await client.request("POST", "/api/v1/keys/b/enc_keys", b"{}")).status == 404

    run(main())


def test_a_roll_over_message_arrives_with_corridor_sender_and_group(organisation, folder):
    async def main():
        async with Net(organisation, folder, PAIR) as net:
            peer = net.clients["london"]["hayes"]
            assert peer.control_group() == ""
            assert await peer.control("thames", b"\x01\x02") == b"thames london X25519MLKEM768 \x01\x02"
            assert peer.control_group() == "X25519MLKEM768"
            assert await peer.held_checkpoint() == ""
            await peer.keep_checkpoint({"note": "x"})
            assert net.checkpoints == [("london", b'{"note":"x"}')]
            assert await peer.held_checkpoint() == '{"note":"x"}'

    run(main())


def test_a_link_end_with_a_valid_certificate_of_its_kind_is_no_node(organisation, folder):
    """The issuer of nodes would never sign this; the listener looks at the name all the same."""
    forged = organisation.forged("node", ["spiffe://test-bank/operator/mallory"])

    async def main():
        async with Net(organisation, folder, PAIR) as net:
            context = contexts.mutual_client(forged.credentials("ecdsa-p256"), forged.trust("node"))
            client = http.Client(lambda: tls.connect("127.0.0.1", net.ports["hayes"], context))
            with pytest.raises(OutsideError):
                await client.request("POST", "/q/v1/supply", json.dumps(SUPPLY).encode())
            await until(lambda: net.events)
            assert net.events[0][1].kind == "auth.refused"
            client.close()

    run(main())


def test_the_answers_of_a_neighbour_become_errors_with_its_code(organisation, folder):
    async def main():
        async with Net(organisation, folder, PAIR) as net:
            peer = net.clients["london"]["hayes"]
            with pytest.raises(KeySupplyError) as error:
                await peer.supply(("hayes", "nowhere"), 256, sold=False)
            assert error.value.code == "Q-RELAY-001"
            with pytest.raises(OutsideError) as error:
                await peer.bind("london-hayes", Association("", ("b",), 256, ("london", "hayes")), [], TXID)
            assert error.value.code == "Q-KME-044"

    run(main())


leaves = (
    st.none()
    | st.booleans()
    | st.integers(-5, 2**70)
    | st.text(max_size=6)
    | st.sampled_from(["A" * 24, TXID, "london", "hayes"])
)
sites = st.lists(st.sampled_from(["london", "hayes", "slough", "nowhere"]), max_size=4)
anything = (
    leaves
    | sites
    | st.lists(leaves, max_size=2)
    | st.dictionaries(st.sampled_from(["key_id", "path", "x"]), leaves)
)


@st.composite
def calls(draw, known):
    call = draw(st.sampled_from(sorted(known)))
    body = dict(known[call])
    for name in draw(st.lists(st.sampled_from(sorted(body) or ["x"]), max_size=2)):
        body[name] = draw(anything)
    if isinstance(body.get("association"), dict) and draw(st.booleans()):
        body["association"] = body["association"] | {
            draw(st.sampled_from(sorted(ASSOCIATION))): draw(anything)
        }
    return call, draw(st.just(body) | st.binary(max_size=30))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_a_neighbour_sends_gets_an_answer_and_the_bits_are_conserved(
    organisation, folder, note, data
):
    """Only typed answers: an exception of any other kind would end the connection and fail the run."""
    known = CALLS | {"hello": {}, "checkpoint": note, "held": {}, "roll/thames": {}, "nothing": {}}
    told = data.draw(st.lists(calls(known), min_size=1, max_size=12))

    async def main():
        async with Real(organisation, tempfile.mkdtemp(dir=folder), PAIR) as net:
            await net.fill()
            before = (await net.counts())["hayes"]
            for call, body in told:
                assert (await ask(net, call, body)).status in {200, 400, 409, 503}
            assert (await net.counts())["hayes"] == before

    run(main())
