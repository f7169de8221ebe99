"""Rows of the conformance contract against real KMEs: limits, multicast, odd framing, a restart between two fetches."""

import json

import pytest

from tests.faces.api.test_etsi014 import PAIR, B, stock
from tests.support.loop import run
from tests.support.saes import Kmes, read_answer
from tests.support.world import Entropy


@pytest.fixture
def kmes(organisation, folder):
    """Runs `main(net)` against KMEs with large blocks."""

    def play(main, links=PAIR):
        async def body():
            async with Kmes(organisation, folder, links) as net:
                await net.fill(atoms=700)
                return await main(net)

        return run(body())

    return play


async def limits(net, slave):
    _, _, body = await net.ask("a", "GET", f"/api/v1/keys/{slave}/status")
    told = json.loads(body)
    return told["max_key_per_request"], told["min_key_size"], told["max_key_size"]


@pytest.mark.parametrize("slave", ["b", "s"])
def test_as_many_keys_as_status_allows_of_the_smallest_and_the_largest_size_c10(kmes, slave):
    async def main(net):
        number, smallest, largest = await limits(net, slave)
        for count, size in ((number, smallest), (number, largest), (1, smallest), (1, largest)):
            keys = await net.enc("a", slave, number=count, size=size)
            assert len({key["key_ID"] for key in keys}) == count
            status, fetched = await net.dec(slave, "a", *[key["key_ID"] for key in keys])
            assert (status, fetched) == (200, keys)
            await net.fill(atoms=700, sequences=(net_sequence(net), net_sequence(net)))

    kmes(main, None)


def net_sequence(net):
    """The next block of London's own."""
    net.sequence = getattr(net, "sequence", 1) + 2
    return net.sequence - (net.sequence - 3) // 2


@pytest.mark.parametrize("wanted", ["key_size", "qorridor_simulated", "qorridor_quantum_safe", "route_type"])
@pytest.mark.parametrize("value", [True, "never", 10**6])
def test_no_mandatory_extension_is_known_so_none_can_be_half_met_c45(kmes, wanted, value):
    """Status names what it has as plain members: as a demand every name is unsupported (text 2, not 3)."""

    async def main(net):
        before = await stock(net)
        status, _, body = await net.ask(
            "a", "POST", f"{B}/enc_keys", {"extension_mandatory": [{wanted: value}]}
        )
        assert (status, json.loads(body)["message"]) == (
            400, "not all extension_mandatory parameters are supported",
        )  # fmt: skip
        assert await stock(net) == before

    kmes(main)


def test_without_multicast_nobody_gets_a_key_for_several_slaves_c49(kmes):
    """`max_SAE_ID_count` is 0: the request is refused as a whole, no slave finds anything."""

    async def main(net):
        _, _, body = await net.ask("a", "GET", f"{B}/status")
        assert json.loads(body)["max_SAE_ID_count"] == 0
        before = await stock(net)
        status, _, body = await net.ask("a", "POST", f"{B}/enc_keys", {"additional_slave_SAE_IDs": ["c"]})
        assert status == 400
        assert "keys" not in json.loads(body)
        assert await stock(net) == before
        assert len(await net.enc(additional_slave_SAE_IDs=[])) == 1, "an empty list is none"

    kmes(main)


@pytest.mark.parametrize(
    "slaves",
    [["c"], ["c", "c"], ["a"], ["b"], ["nobody"], ["c", "s", "d"], [""], [None], [7], "", "c", {}, {"c": 1}, 0, False, True],
    ids=repr,
)  # fmt: skip
def test_no_list_of_further_slaves_takes_anything_c50_d14(kmes, slaves):
    async def main(net):
        before = await stock(net)
        status, _, body = await net.ask("a", "POST", f"{B}/enc_keys", {"additional_slave_SAE_IDs": slaves})
        assert status in {400, 401}
        assert status == 401 or json.loads(body)["message"]
        assert await stock(net) == before

    kmes(main)


def request(*headers, body=b""):
    head = "\r\n".join([f"POST {B}/enc_keys HTTP/1.1", *headers, "", ""])
    return head.encode("latin-1") + body


CHUNKED = b'8\r\n{"size":\r\n4\r\n256}\r\n0\r\n\r\n'


@pytest.mark.parametrize(
    ("data", "statuses"),
    [
        (request("Host: k", "Transfer-Encoding: chunked", body=CHUNKED), {200}),
        (request("Host: k", "Expect: 100-continue", "Content-Length: 2", body=b"{}"), {200}),
        (request("Host: k", "Expect: the-moon", "Content-Length: 2", body=b"{}"), {200, 400}),
        (request("Host: k", "Content-Length: 70000", body=b" " * 70000), {413}),
        (request("Host: k", "X-Long: " + "a" * 65536, "Content-Length: 0"), {413}),
        (request("Host: k", "Content-Length: 2", "Transfer-Encoding: chunked", body=CHUNKED), {400}),
        (request("Host: k", "Content-Length: 2", "Content-Length: 3", body=b"{}"), {400}),
        (request("Host: k", "Transfer-Encoding: chunked", body=b"zz\r\n"), {400}),
        (request("Host: k", "Transfer-Encoding: chunked", body=b"ffffffffffffffffff\r\n"), {400}),
    ],
    ids=["chunked", "expect", "odd expect", "body", "header", "CL+TE", "two CL", "bad chunk", "vast chunk"],
)  # fmt: skip
def test_odd_framing_gets_a_bounded_answer_and_the_next_connection_is_fine_c54(kmes, data, statuses):
    async def main(net):
        before = await stock(net)
        stream = await net.dial("a")
        await stream.write(data)
        status, _, body = await read_answer(stream)
        while status == 100:
            status, _, body = await read_answer(stream)
        assert status in statuses
        assert json.loads(body)
        stream.close()
        if status != 200:
            assert await stock(net) == before
        fresh = await net.dial("a")
        await fresh.write(request("Host: k", "Content-Length: 2", body=b"{}"))
        assert (await read_answer(fresh))[0] == 200
        fresh.close()

    kmes(main)


def test_a_client_that_waits_for_100_continue_is_told_to_go_on_c54(kmes):
    async def main(net):
        stream = await net.dial("a")
        await stream.write(request("Host: k", "Expect: 100-continue", "Content-Length: 2"))
        assert await stream.readexactly(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        await stream.write(b"{}")
        status, _, body = await read_answer(stream)
        assert status == 200
        assert len(json.loads(body)["keys"]) == 1
        stream.close()

    kmes(main)


@pytest.mark.parametrize("slave", ["b", "s"])
def test_after_a_restart_between_the_two_fetches_a_key_is_there_once_and_no_spent_one_comes_again_c66(
    kmes, slave
):
    async def main(net):
        site = {"b": "hayes", "s": "slough"}[slave]
        spent = (await net.enc("a", slave))[0]
        assert (await net.dec(slave, "a", spent["key_ID"]))[0] == 200
        waiting = (await net.enc("a", slave))[0]
        seen = {spent["key_ID"], waiting["key_ID"]}
        for restarted in (site, "london"):
            await restart(net, restarted)
        assert (await net.dec(slave, "a", spent["key_ID"]))[0] == 400, "delivered before"
        assert await net.dec(slave, "a", waiting["key_ID"]) == (200, [waiting])
        await restart(net, site)
        assert (await net.dec(slave, "a", waiting["key_ID"]))[0] == 400
        fresh = await net.enc("a", slave, number=20)
        assert not seen & {key["key_ID"] for key in fresh}
        assert not {spent["key"], waiting["key"]} & {key["key"] for key in fresh}

    kmes(main, None)


async def restart(net, site):
    """The KME of a site ends and comes back on its state; open connections are gone."""
    for stream in net.connections.values():
        stream.close()
    net.connections.clear()
    for clients in net.clients.values():
        for client in clients.values():
            client.close()
    await net.stores[site].close()
    await net.start(site)
    net.restarts = getattr(net, "restarts", 0) + 1
    net.managers[site]._entropy = Entropy(f"{site}/{net.restarts}")  # a real one never repeats itself
