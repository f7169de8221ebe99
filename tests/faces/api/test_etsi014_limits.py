"""What an SAE may ask for, against the real listener (D26, D30): 503 with Retry-After, journalled, others unharmed."""

import json
from dataclasses import replace

import pytest

from qorridor.run import admission
from qorridor.run.admission import CONNECTIONS, Limits
from tests.support import saes
from tests.support.loop import run, until
from tests.support.saes import Kmes

B = "/api/v1/keys/b"
A = "/api/v1/keys/a"
PAIR = {"london-hayes": ("london", "hayes")}


@pytest.fixture
def limited(organisation, folder, monkeypatch):
    """Runs `main(net)` against filled KMEs where "a" has `limits`."""

    def play(limits, main):
        monkeypatch.setitem(saes.SAES, "a", replace(saes.SAES["a"], limits=limits))

        async def body():
            async with Kmes(organisation, folder, PAIR) as net:
                await net.fill()
                return await main(net)

        return run(body())

    return play


async def told(net, site="london"):
    store = net.stores[site]
    return [
        json.loads(leaf)["body"] | {"sae": json.loads(leaf)["subject"]}
        for _, leaf in await store.events_after(0)
        if json.loads(leaf)["type"] == "kme.limited"
    ]


def test_too_many_requests_are_answered_503_with_a_time_and_told_once(limited):
    async def main(net):
        answers = [await net.ask("a", "GET", f"{B}/status") for _ in range(12)]
        late = [(headers, body) for status, headers, body in answers if status == 503]
        assert 5 <= len(late) <= 8
        assert all(int(headers["retry-after"]) >= 1 for headers, _ in late)
        assert json.loads(late[0][1]) == {"message": "too many requests"}
        status, _, _ = await net.ask("b", "GET", f"{A}/status")
        assert status == 200
        await until(lambda: True)
        assert [(one["limit"], one["sae"]) for one in await told(net)] == [("requests", "a")]

    limited(Limits(requests=2.0), main)


def test_a_quota_lets_no_more_keys_through_and_status_counts_after_it(limited, monkeypatch):
    monkeypatch.setattr(admission, "LEAST_KEY_BURST", 40.0)

    async def main(net):
        assert json.loads((await net.ask("a", "GET", f"{B}/status"))[2])["stored_key_count"] == 40
        for request in ({"number": 20}, {"number": 5, "size": 1024}):
            assert len(await net.enc(**request)) == request["number"]
        status, headers, body = await net.ask("a", "POST", f"{B}/enc_keys", {"number": 1})
        assert (status, json.loads(body)) == (503, {"message": "quota exceeded"})
        assert int(headers["retry-after"]) == pytest.approx(1000, abs=60)
        assert json.loads((await net.ask("a", "GET", f"{B}/status"))[2])["stored_key_count"] == 0
        assert [one["limit"] for one in await told(net)] == ["keys"]

    limited(Limits(keys=0.001), main)


def test_keys_that_were_not_delivered_cost_no_quota(limited):
    async def main(net):
        status, _, body = await net.ask("a", "POST", f"{B}/enc_keys", {"number": 128, "size": 1024})
        assert (status, json.loads(body)) == (503, {"message": "insufficient keys"})
        assert len(await net.enc(number=60)) == 60

    limited(Limits(keys=0.001), main)


def test_connections_beyond_the_most_are_closed_and_those_that_end_make_room(limited):
    async def main(net):
        streams = [await net.dial("a") for _ in range(CONNECTIONS)]
        await until(lambda: len(streams) == CONNECTIONS)
        surplus = await net.dial("a")
        assert await surplus.read() == b""
        assert [one["limit"] for one in await told(net)] == ["connections"]
        for stream in streams[:2]:
            stream.close()
        status = 0
        while status != 200:
            try:
                status, _, _ = await net.ask("a", "GET", f"{B}/status")
            except (ConnectionError, EOFError):
                net.connections.clear()
        for stream in streams[2:]:
            stream.close()

    limited(Limits(), main)
