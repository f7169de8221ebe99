"""SKIP (draft-cisco-skip-02) against real listeners: certificates, pre-shared keys, and abuse of both."""

import base64
import uuid

import pytest

from qorridor.base.errors import OutsideError
from tests.support.loop import run, until
from tests.support.skip import PSKS, Providers, get


@pytest.fixture
def providers(organisation, folder):
    """Runs `main(net)` against two filled key providers."""

    def play(main):
        async def body():
            async with Providers(organisation, folder) as net:
                await net.fill()
                return await main(net)

        return run(body())

    return play


def by(net, how):
    return {"certificate": (net.by_certificate, "a", "b"), "psk": (net.by_psk, "Alice", "Bob")}[how]


@pytest.mark.parametrize("how", ["certificate", "psk"])
def test_both_ends_get_the_same_key_once(providers, how):
    async def main(net):
        dial, near, far = by(net, how)
        alice, bob = await dial(near), await dial(far)
        status, headers, fresh = await get(alice, "/key?remoteSystemID=Bob")
        assert (status, headers["cache-control"], set(fresh)) == (200, "no-store", {"keyId", "key"})
        assert headers["qorridor-simulated"] == "true"
        assert (len(fresh["keyId"]), len(fresh["key"])) == (32, 64)
        path = f"/key/{fresh['keyId'].upper()}?remoteSystemID=Alice"
        assert (await get(bob, path))[::2] == (200, fresh)
        assert (await get(bob, path))[0] == 400
        assert (await get(alice, f"/key/{fresh['keyId']}?remoteSystemID=Bob"))[0] == 400

    providers(main)


def test_the_psk_listener_uses_the_post_quantum_group_and_sha_384(providers):
    async def main(net):
        peer = (await net.by_psk("Alice")).peer
        assert (peer.version, peer.cipher) == ("TLSv1.3", "TLS_AES_256_GCM_SHA384")
        assert peer.group == "X25519MLKEM768"
        assert peer.chain == ()

    providers(main)


@pytest.mark.parametrize("bits", [64, 128, 512, 1024])
def test_a_size_is_counted_in_bits(providers, bits):
    async def main(net):
        _, _, fresh = await get(await net.by_psk("Alice"), f"/key?size={bits}&remoteSystemID=Bob")
        assert len(fresh["key"]) == bits // 4

    providers(main)


def test_capabilities_name_the_callers_own_system_and_its_partners_only(providers):
    async def main(net):
        status, _, told = await get(await net.by_psk("Alice"), "/capabilities")
        assert status == 200
        assert (told["localSystemID"], told["remoteSystemID"]) == ("Alice", ["Bob", "e"])
        assert told["entropy"] is told["key"] is True
        assert len(told["algorithm"]) >= 16
        assert "SIMULATED" in told["algorithm"]

    providers(main)


def test_entropy_says_where_it_comes_from_and_differs_each_time(providers):
    async def main(net):
        alice = await net.by_psk("Alice")
        answers = [await get(alice, path) for path in ("/entropy", "/entropy", "/entropy?minentropy=512")]
        assert [(len(body["randomStr"]) * 4, body["minentropy"]) for _, _, body in answers] == [
            (256, 256), (256, 256), (512, 512),
        ]  # fmt: skip
        assert len({body["randomStr"] for _, _, body in answers}) == 3
        assert answers[0][1]["qorridor-entropy-source"] == "operating system csprng"

    providers(main)


def test_a_generator_that_fails_is_503(providers):
    async def main(net):
        class Broken:
            def draw(self, size):
                raise OSError("no generator")

        net.faces["london"]._entropy = Broken()
        assert (await get(await net.by_psk("Alice"), "/entropy"))[0] == 503

    providers(main)


def test_a_key_of_skip_is_collected_by_014_and_the_other_way_round(providers):
    async def main(net):
        alice = await net.by_psk("Alice")
        _, _, fresh = await get(alice, "/key?remoteSystemID=e")
        status, keys = await net.dec("e", "a", str(uuid.UUID(fresh["keyId"])))
        assert (status, base64.b64decode(keys[0]["key"]).hex()) == (200, fresh["key"])
        (key,) = await net.enc("e", "a")
        plain = key["key_ID"].replace("-", "")
        status, _, got = await get(alice, f"/key/{plain}?remoteSystemID=e")
        assert (status, got) == (200, {"keyId": plain, "key": base64.b64decode(key["key"]).hex()})

    providers(main)


# -- codes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/", "/keys", "/key/", "/key/a/b", "//key", "/key/../key", "/KEY", "/%6bey", "/capabilities/", "/entropy/1",
     "/key/%2e%2e/capabilities", "/api/v1/keys/b/status"],
)  # fmt: skip
def test_other_paths_are_404(providers, path):
    async def main(net):
        assert (await get(await net.by_psk("Alice"), f"{path}?remoteSystemID=Bob"))[0] == 404

    providers(main)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_other_methods_are_405_and_take_nothing(providers, method):
    async def main(net):
        alice = await net.by_psk("Alice")
        before = await net.counts()
        status, headers, _ = await get(alice, "/key?remoteSystemID=Bob", method, "Content-Length: 0")
        assert (status, headers["allow"]) == (405, "get")
        assert await net.counts() == before

    providers(main)


@pytest.mark.parametrize(
    "path",
    ["/key", "/key?remoteSystemID=", "/key?remoteSystemID=Bob&remoteSystemID=Bob", "/key?remoteSystemID=B*",
     "/key?remoteSystemID=%42%6f%2562", "/key?remoteSystemID=bob", "/key?remoteSystemID=b", "/key?remoteSystemID=%ff",
     "/key?remoteSystemID=Bob&size=0", "/key?remoteSystemID=Bob&size=100", "/key?remoteSystemID=Bob&size=1032",
     "/key?remoteSystemID=Bob&size=-8", "/key?remoteSystemID=Bob&size=%EF%BC%98", "/key?remoteSystemID=Bob&x=1",
     "/key?remoteSystemID=Alice", "/key?remoteSystemID=Nobody", "/key?remoteSystemID=" + "B" * 65,
     "/key/123?remoteSystemID=Bob", "/key/" + "0" * 32, "/key/" + "0" * 32 + "?remoteSystemID=Bob",
     "/key/" + "g" * 32 + "?remoteSystemID=Bob", "/entropy?minentropy=7", "/entropy?minentropy=4104",
     "/entropy?minentropy=999999999999", "/capabilities?x=1"],
)  # fmt: skip
def test_what_is_malformed_or_not_found_is_400_and_takes_nothing(providers, path):
    async def main(net):
        alice = await net.by_psk("Alice")
        before = await net.counts()
        status, headers, body = await get(alice, path)
        assert (status, headers["cache-control"], set(body)) == (400, "no-store", {"message"})
        assert await net.counts() == before

    providers(main)


def test_no_stock_is_500_with_a_time(organisation, folder):
    async def main():
        async with Providers(organisation, folder) as net:
            status, headers, _ = await get(await net.by_psk("Alice"), "/key?remoteSystemID=Bob")
            assert status == 500
            assert int(headers["retry-after"]) > 0

    run(main())


# -- abuse --------------------------------------------------------------------------------------


def test_no_other_holder_of_a_psk_gets_a_key_nor_spoils_it(providers):
    async def main(net):
        _, _, fresh = await get(await net.by_psk("Alice"), "/key?remoteSystemID=Bob")
        path = f"/key/{fresh['keyId']}?remoteSystemID="
        for thief, claims in (("Nobody", "Alice"), ("Mallory", "Bob"), ("Mallory", "Alice")):
            assert (await get(await net.by_psk(thief), path + claims))[0] == 400
        bob = await net.by_psk("Bob")
        assert (await get(bob, path + "Mallory"))[0] == 400
        assert (await get(bob, path + "Alice"))[2] == fresh

    providers(main)


@pytest.mark.parametrize(
    ("identity", "key"), [("Eve", b"x" * 32), ("Alice", b"x" * 32), ("Alice\0", PSKS["Alice"])]
)
def test_an_unknown_identity_and_a_wrong_key_are_refused_in_the_handshake_and_told(providers, identity, key):
    async def main(net):
        with pytest.raises(OutsideError):
            await get(await net.by_psk(identity, key, site="london"), "/capabilities")
        await until(lambda: any(str(address).startswith("127.0.0.1:") for address, _ in net.events))

    providers(main)


@pytest.mark.parametrize(("identity", "site"), [("Bob", "london"), ("e", "hayes")])
def test_an_sae_of_another_site_or_tongue_gets_401_and_is_journalled(providers, identity, site):
    async def main(net):
        assert (await get(await net.by_psk(identity, site=site), "/capabilities"))[0] == 401
        assert ("auth.refused", "skip") in [
            (event.kind, event.body.get("listener")) for at, event in net.events if at == site
        ]

    providers(main)


def test_a_certificate_opens_no_psk_listener_and_a_psk_no_other(providers):
    async def main(net):
        london = {name: net.skip_ports["london", name] for name in ("skip", "skip-psk")}
        net.skip_ports |= {("london", "skip"): london["skip-psk"], ("london", "skip-psk"): london["skip"]}
        for dial, name in ((net.by_certificate, "a"), (net.by_psk, "Alice")):
            with pytest.raises((OutsideError, ConnectionError)):
                await get(await dial(name), "/capabilities")

    providers(main)


def test_a_browser_and_an_oversized_request_are_refused(providers):
    async def main(net):
        assert (await get(await net.by_psk("Alice"), "/entropy", "GET", "Origin: https://x"))[0] == 403
        huge = "/key?remoteSystemID=" + "B" * 200_000
        assert (await get(await net.by_psk("Alice"), huge))[0] == 413

    providers(main)


def test_an_sae_that_speaks_skip_is_refused_by_014(providers):
    async def main(net):
        assert (await net.ask("a", "GET", "/api/v1/keys/b/status"))[0] == 401

    providers(main)
