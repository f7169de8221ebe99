"""An SAE and an operator of a run over real mutual TLS: own credentials, own site, nobody else's."""

import asyncio

import pytest

from qorridor.app.operators import Operator
from qorridor.app.sae import get_keys
from qorridor.app.watching import rounds
from qorridor.base.errors import EstateError, OutsideError, PolicyRefusal

from .played_run import played_run


@pytest.mark.requirement("A-35")
def test_an_operator_reads_each_node_and_tells_the_silent_one(tmp_path):
    async def scene():
        run = tmp_path / ("a-long-name-" * 8) / "thames"
        async with played_run(run):
            (run / "addresses.json").write_text(
                (run / "addresses.json").read_text().replace("{", '{"operator/hayes": "127.0.0.1:1",', 1)
            )
            async for statuses in rounds(run, once=True):
                assert statuses["london"]["links"]
                assert statuses["hayes"] is None
            async with Operator(run) as operator:
                assert operator.sites == ["hayes", "london"]

    asyncio.run(scene())


def test_an_sae_is_enrolled_once_and_asks_the_kme_of_its_own_site(tmp_path):
    async def scene():
        run = tmp_path / "thames"
        async with played_run(run) as asked:
            for _ in range(2):
                (key,) = await get_keys(run, "router-london", "router-slough")
                assert key.simulated
                assert len(key.key) == 32
            assert asked == [("router-london", "/api/v1/keys/router-slough/enc_keys")] * 2
            assert (run / "sae-router-london/pki/ecdsa-p256.key").stat().st_mode & 0o077 == 0
            assert not (run / "sae-router-london/ticket.json").exists()
            with pytest.raises(OutsideError) as caught:  # the KME of slough does not run
                await get_keys(run, "router-slough", "router-london")
            assert caught.value.code == "Q-KME-049"

    asyncio.run(scene())


@pytest.mark.parametrize(("name", "kind", "words"), [
    ("router-londn", EstateError, 'did you mean "router-london"?'), ("zzz", EstateError, "router-slough"),
    ("core-replication-london", PolicyRefusal, "own tunnel"),
])  # fmt: skip
def test_only_an_sae_of_the_estate_may_be_played(tmp_path, name, kind, words):
    async def scene():
        run = tmp_path / "thames"
        async with played_run(run) as asked:
            with pytest.raises(kind) as caught:
                await get_keys(run, name, "router-slough")
            assert words in str(caught.value)
            assert asked == []

    asyncio.run(scene())
