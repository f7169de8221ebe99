"""ETSI GS QKD 014 V1.1.1 against the real listener: rows C1-C68 of the conformance contract, doubts D1-D30.

Each test names its row; the key managers behind it are joined over TLS.
"""

import asyncio
import base64
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qorridor.adapters.wire import contexts, tls
from qorridor.base.errors import OutsideError
from tests.support.loop import run, until
from tests.support.nodes import LINKS, block
from tests.support.saes import CAP, Kmes, read_answer

B = "/api/v1/keys/b"
A = "/api/v1/keys/a"
PAIR = {"london-hayes": ("london", "hayes")}
UNKNOWN = "00000000-0000-4000-8000-000000000000"
NOT_FOUND = {"message": "one or more keys specified are not found on KME"}


@pytest.fixture
def kmes(organisation, folder):
    """Runs `main(net)` against filled KMEs."""

    def play(main, links=PAIR):
        async def body():
            async with Kmes(organisation, folder, links) as net:
                await net.fill()
                return await main(net)

        return run(body())

    return play


async def stock(net):
    """What is there to give, at both ends."""
    counts = await net.counts()
    return {site: (c.available, c.reserved, c.bound, c.delivered) for site, c in counts.items()}


# -- status -----------------------------------------------------------------------------------


def test_status_holds_all_members_of_clause_6_1_c1_c2(kmes):
    async def main(net):
        status, headers, body = await net.ask("a", "GET", f"{B}/status")
        assert (status, headers["content-type"]) == (200, "application/json")
        told = json.loads(body)
        texts = {n: told[n] for n in ("source_KME_ID", "target_KME_ID", "master_SAE_ID", "slave_SAE_ID")}
        assert texts == {
            "source_KME_ID": "london", "target_KME_ID": "hayes", "master_SAE_ID": "a", "slave_SAE_ID": "b"
        }  # fmt: skip
        numbers = ("key_size", "stored_key_count", "max_key_count", "max_key_per_request", "max_key_size",
                   "min_key_size", "max_SAE_ID_count")  # fmt: skip
        assert all(type(told[name]) is int for name in numbers)
        assert told["min_key_size"] <= told["key_size"] <= told["max_key_size"]
        assert 0 <= told["stored_key_count"] <= told["max_key_count"] == CAP
        assert told["max_key_per_request"] >= 1
        assert told["status_extension"] == {"qorridor_simulated": True, "qorridor_quantum_safe": True}

    kmes(main)


def test_the_stock_falls_by_what_was_taken_c60_d26(kmes):
    async def main(net):
        before = json.loads((await net.ask("a", "GET", f"{B}/status"))[2])["stored_key_count"]
        await net.enc(number=5)
        after = json.loads((await net.ask("a", "GET", f"{B}/status"))[2])["stored_key_count"]
        assert before - after == 5

    kmes(main)


def test_an_sae_of_the_same_site_has_its_own_kme_as_target_d27(kmes):
    async def main(net):
        told = json.loads((await net.ask("a", "GET", "/api/v1/keys/d/status"))[2])
        assert told["source_KME_ID"] == told["target_KME_ID"] == "london"

    kmes(main)


@pytest.mark.parametrize("slave", ["b", "d"])
def test_status_of_a_kme_that_does_not_give_keys_yet_says_0_d26(kmes, slave):
    async def main(net):
        async def stored():
            return json.loads((await net.ask("a", "GET", f"/api/v1/keys/{slave}/status"))[2])[
                "stored_key_count"
            ]

        net.managers["london"].is_settled = lambda: False
        assert (await net.ask("a", "POST", f"/api/v1/keys/{slave}/enc_keys", {}))[0] == 503
        assert await stored() == 0
        net.managers["london"].is_settled = lambda: True
        assert await stored() > 0

    kmes(main)


def test_status_of_a_broken_path_says_that_nothing_is_deliverable(kmes):
    async def main(net):
        net.break_wire("hayes", "slough")
        net.break_wire("london", "hayes")
        status, _, body = await net.ask("a", "GET", "/api/v1/keys/s/status")
        assert (status, json.loads(body)["stored_key_count"]) == (200, 0)

    kmes(main, LINKS)


# -- Get key ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "count", "size"),
    [("", 1, 256), ("?number=3&size=512", 3, 512), ("?number=2", 2, 256), ("?size=64", 1, 64),
     ("?size=1024", 1, 1024)],
)  # fmt: skip
def test_get_key_by_get_fills_in_defaults_c4_c5_c6(kmes, query, count, size):
    async def main(net):
        status, _, body = await net.ask("a", "GET", f"{B}/enc_keys{query}")
        keys = json.loads(body)["keys"]
        assert (status, len(keys)) == (200, count)
        assert {len(base64.b64decode(key["key"], validate=True)) for key in keys} == {size // 8}

    kmes(main)


@pytest.mark.parametrize("body", [b"", {}, {"number": None, "size": None}, {"extension_mandatory": []}])
def test_an_empty_key_request_gives_one_key_of_the_default_size_c7_c8_d15_d19(kmes, body):
    async def main(net):
        status, _, answer = await net.ask("a", "POST", f"{B}/enc_keys", body)
        (key,) = json.loads(answer)["keys"]
        assert status == 200
        assert len(base64.b64decode(key["key"])) == 32

    kmes(main)


def test_simulated_key_says_so_in_the_container(kmes):
    async def main(net):
        _, _, body = await net.ask("a", "POST", f"{B}/enc_keys", {})
        assert json.loads(body)["key_container_extension"] == {"qorridor_simulated": True}

    kmes(main)


@pytest.mark.parametrize(
    "body",
    [
        {"number": 0}, {"number": -1}, {"number": 129}, {"size": 0}, {"size": -8}, {"size": 56}, {"size": 1032},
        {"number": "3"}, {"number": 3.0}, {"number": True}, {"size": 1e2}, {"number": 2**31},
        b'{"number":' + b"1" * 5000 + b"}", {"additional_slave_SAE_IDs": ["c"]}, [], b"[", b"null", b"{\xff}",
        b"[" * 30_000, '{"number":1}'.encode("utf-16"),
        b'{"number":1,"number":2}', b'{"number":NaN}', b'{"number":Infinity}', b'{"number":"\\ud800"}',
        {"extension_mandatory": "x"}, {"extension_mandatory": [1]},
    ],
)  # fmt: skip
def test_what_is_no_key_request_is_refused_with_error_json_and_takes_nothing_c11_c12_c14_c48_c51(kmes, body):
    async def main(net):
        before = await stock(net)
        status, _, answer = await net.ask("a", "POST", f"{B}/enc_keys", body)
        assert status == 400
        assert isinstance(json.loads(answer)["message"], str)
        assert await stock(net) == before

    kmes(main)


def test_a_size_of_no_whole_bytes_gets_the_text_of_the_standard_c13(kmes):
    async def main(net):
        status, _, body = await net.ask("a", "POST", f"{B}/enc_keys", {"size": 100})
        assert (status, json.loads(body)) == (400, {"message": "size shall be a multiple of 8"})

    kmes(main)


@pytest.mark.parametrize(
    "query",
    ["number=+3", "number=1_0", "number=%203", "number=\xef\xbc\x93", "number=", "number=1&number=2", "extra=1",
     "number=1;size=64", "number", "&", "number=-1", "number=0x1", "=1", '\\\x7f"=1', "size=256&"],
)  # fmt: skip
def test_odd_query_parameters_are_refused_with_valid_json_c15_d21(kmes, query):
    async def main(net):
        status, _, body = await net.ask("a", "GET", f"{B}/enc_keys?{query}")
        assert status == 400
        assert isinstance(json.loads(body)["message"], str)

    kmes(main)


def test_an_unknown_mandatory_extension_gets_the_text_of_the_standard_c44_c47(kmes):
    async def main(net):
        before = await stock(net)
        expected = (400, {"message": "not all extension_mandatory parameters are supported"})
        for value in ([{"acme_x": 1}], {"acme_x": 1}):
            request = {"extension_mandatory": value, "extension_optional": [{"acme_y": 1}]}
            status, _, body = await net.ask("a", "POST", f"{B}/enc_keys", request)
            assert (status, json.loads(body)) == expected
        assert await stock(net) == before

    kmes(main)


@pytest.mark.parametrize("extra", [{"extension_optional": [{"acme_y": 1}]}, {"vendor": {"x": [1]}}])
def test_optional_extensions_and_unknown_members_are_ignored_c46_d16_d28(kmes, extra):
    async def main(net):
        assert await net.enc(**extra)

    kmes(main)


@pytest.mark.parametrize("slave", ["b", "s"])
def test_more_keys_than_stocked_are_503_with_retry_after_and_take_nothing_c16_d4(organisation, folder, slave):
    async def main():
        async with Kmes(organisation, folder) as net:
            await net.fill(atoms=9)
            before = await stock(net)
            status, headers, body = await net.ask(
                "a", "POST", f"/api/v1/keys/{slave}/enc_keys", {"number": 100}
            )
            assert (status, json.loads(body)) == (503, {"message": "insufficient keys"})
            assert int(headers["retry-after"]) > 0
            assert await stock(net) == before

    run(main())


# -- Get key with key IDs ---------------------------------------------------------------------


def test_the_slave_gets_the_same_keys_in_the_order_it_asked_for_c17_c18_c20_d24(kmes):
    async def main(net):
        first, second = await net.enc(number=3), await net.enc(number=2, size=512)
        status, got = await net.dec("b", "a", *[key["key_ID"] for key in second])
        assert (status, got) == (200, second)
        wanted = first[::-1]
        assert await net.dec("b", "a", *[key["key_ID"] for key in wanted[:2]]) == (200, wanted[:2])
        status, _, body = await net.ask("b", "GET", f"{A}/dec_keys?key_ID={wanted[2]['key_ID']}")
        assert (status, json.loads(body)["keys"]) == (200, wanted[2:])

    kmes(main)


def test_a_key_is_gone_after_it_was_fetched_c19(kmes):
    async def main(net):
        (key,) = await net.enc()
        assert (await net.dec("b", "a", key["key_ID"]))[0] == 200
        status, body = await net.dec("b", "a", key["key_ID"])
        assert (status, json.loads(body)) == (400, NOT_FOUND)

    kmes(main)


def test_an_unknown_key_id_gets_the_text_of_the_standard_and_nothing_is_consumed_c21_c22(kmes):
    async def main(net):
        (key,) = await net.enc()
        for key_ids in ([UNKNOWN], [key["key_ID"], UNKNOWN]):
            status, body = await net.dec("b", "a", *key_ids)
            assert (status, json.loads(body)) == (400, NOT_FOUND)
        assert (await net.dec("b", "a", key["key_ID"])) == (200, [key])

    kmes(main)


@pytest.mark.parametrize(
    "body",
    [b"", {}, {"key_IDs": []}, {"key_IDs": None}, {"key_IDs": [UNKNOWN]}, {"key_IDs": {"key_ID": UNKNOWN}},
     {"key_IDs": [{"key_ID": UNKNOWN}] * 2}, {"key_IDs": [{"key_ID": f"{UNKNOWN[:-3]}{n:03}"} for n in range(129)]},
     {"key_IDs": [{}]}, {"key_IDs": [{"key_ID": 7}]}],
)  # fmt: skip
def test_key_ids_of_another_shape_are_refused_and_nothing_is_consumed_c23_c24_d22(kmes, body):
    async def main(net):
        (key,) = await net.enc()
        status, _, answer = await net.ask("b", "POST", f"{A}/dec_keys", body)
        assert status == 400
        assert json.loads(answer)["message"]
        assert (await net.dec("b", "a", key["key_ID"]))[0] == 200

    kmes(main)


def test_a_key_id_in_capitals_names_the_same_key_c25_d23(kmes):
    async def main(net):
        (key,) = await net.enc()
        assert await net.dec("b", "a", key["key_ID"].upper()) == (200, [key])

    kmes(main)


@pytest.mark.parametrize(
    "key_id",
    [f"{{{UNKNOWN}}}", f"urn:uuid:{UNKNOWN}", UNKNOWN.replace("-", ""), "../" + UNKNOWN, "a" * 10_000, "\0", "' OR 1=1--",
     "\ud800", f" {UNKNOWN}", UNKNOWN[:-1] + "०"],
)  # fmt: skip
def test_what_is_no_uuid_is_400_never_500_c26(kmes, key_id):
    async def main(net):
        status, body = await net.dec("b", "a", key_id)
        assert status == 400
        assert json.loads(body)["message"]

    kmes(main)


@pytest.mark.parametrize("who", ["c", "d"])
def test_an_outsider_gets_401_without_a_body_and_the_slave_its_key_c27(kmes, who):
    async def main(net):
        (key,) = await net.enc()
        status, body = await net.dec(who, "a", key["key_ID"])
        assert (status, body) == (401, b"")
        assert await net.dec("b", "a", key["key_ID"]) == (200, [key])

    kmes(main)


@pytest.mark.parametrize("slave", ["b", "d"])
def test_the_master_gets_401_for_its_own_key_and_the_slave_its_key_c28_d10(kmes, slave):
    async def main(net):
        (key,) = await net.enc(slave=slave)
        status, body = await net.dec("a", slave, key["key_ID"])
        assert (status, body) == (401, b"")
        status, body = await net.dec("a", "a", key["key_ID"])
        assert status in {400, 401}
        assert await net.dec(slave, "a", key["key_ID"]) == (200, [key])

    kmes(main)


def test_a_mixed_request_is_401_and_consumes_nothing_c29_c31_d11(kmes):
    async def main(net):
        (mine,), (theirs,) = await net.enc(slave="b"), await net.enc(slave="c")
        for key_ids in ([mine, theirs], [theirs, mine]):
            status, body = await net.dec("b", "a", *[key["key_ID"] for key in key_ids])
            assert (status, body) == (401, b"")
        status, _ = await net.dec("b", "a", UNKNOWN, theirs["key_ID"])
        assert status == 401
        assert (await net.dec("b", "a", mine["key_ID"]))[0] == 200
        assert (await net.dec("c", "a", theirs["key_ID"]))[0] == 200

    kmes(main)


def test_a_wrong_master_in_the_path_is_400_and_the_key_stays_c30_d12(kmes):
    async def main(net):
        (key,) = await net.enc()
        status, body = await net.dec("b", "d", key["key_ID"])
        assert (status, json.loads(body)) == (400, NOT_FOUND)
        assert await net.dec("b", "a", key["key_ID"]) == (200, [key])

    kmes(main)


# -- who is asking ----------------------------------------------------------------------------


def test_a_valid_certificate_that_no_row_names_gets_401_and_is_journalled_c34_d8(kmes):
    async def main(net):
        net.organisation.enrol("sae", "stranger")
        status, headers, body = await net.ask("stranger", "GET", f"{B}/status", site="london")
        assert (status, body, headers["content-length"]) == (401, b"", "0")
        assert headers["www-authenticate"]
        assert headers["connection"] == "close"
        events = [event for site, event in net.events if site == "london"]
        assert [event.kind for event in events] == ["auth.refused"]

    kmes(main)


def test_an_sae_of_another_site_gets_401(kmes):
    async def main(net):
        status, _, body = await net.ask("b", "GET", f"{A}/status", site="london")
        assert (status, body) == (401, b"")

    kmes(main)


def test_a_certificate_with_two_names_gets_401_c34(kmes):
    async def main(net):
        pki = net.organisation.forged("sae", ["spiffe://test-bank/sae/a", "spiffe://test-bank/sae/b"])
        context = contexts.mutual_client(pki.credentials("ecdsa-p256"), pki.trust("node"))
        stream = await tls.connect("127.0.0.1", net.kme_ports["london"], context)
        await stream.write(b"GET /api/v1/keys/b/status HTTP/1.1\r\nHost: kme\r\n\r\n")
        assert (await read_answer(stream))[0] == 401
        stream.close()

    kmes(main)


@pytest.mark.parametrize("kind", ["node", "operator", None])
def test_other_kinds_of_certificates_and_none_do_not_get_an_answer_c32_c33(kmes, kind):
    async def main(net):
        pki = net.organisation.enrol(kind or "sae", "a")
        context = contexts.mutual_client(pki.credentials("ecdsa-p256") if kind else None, pki.trust("node"))
        with pytest.raises((OutsideError, ConnectionError, asyncio.IncompleteReadError)):
            stream = await tls.connect("127.0.0.1", net.kme_ports["london"], context)
            await stream.write(b"GET /api/v1/keys/b/status HTTP/1.1\r\nHost: kme\r\n\r\n")
            await read_answer(stream)
        await until(lambda: any(isinstance(cause, str) for _, cause in net.events))

    kmes(main)


@pytest.mark.parametrize(
    "header",
    ["X-SAE-ID: a", "X-SSL-Client-S-DN: CN=a", "X-Forwarded-Client-Cert: URI=spiffe://test-bank/sae/a"],
)
def test_no_header_changes_who_is_asking_c35(kmes, header):
    async def main(net):
        (key,) = await net.enc(slave="b")
        body = {"key_IDs": [{"key_ID": key["key_ID"]}]}
        status, _, _ = await net.ask("c", "POST", f"{A}/dec_keys", body, header.replace("=a", "=b"))
        assert status == 401
        status, _, _ = await net.ask("stranger", "GET", f"{B}/status", b"", header, site="london")
        assert status == 401

    kmes(main)


@pytest.mark.parametrize("slave", ["nobody", "s", "c"])
def test_unknown_and_forbidden_partners_look_alike_c40_d9(kmes, slave):
    async def main(net):
        who = "a" if slave == "nobody" else "d"
        for method, path in (("GET", "status"), ("GET", "enc_keys"), ("POST", "enc_keys")):
            status, _, body = await net.ask(who, method, f"/api/v1/keys/{slave}/{path}")
            assert (status, body) == (401, b"")

    kmes(main)


@pytest.mark.parametrize("what", ["status", "enc_keys"])
def test_the_caller_cannot_be_its_own_slave_c41_d13(kmes, what):
    async def main(net):
        status, _, body = await net.ask("a", "GET", f"{A}/{what}")
        assert (status, json.loads(body)) == (400, {"message": "slave SAE shall differ from the calling SAE"})

    kmes(main)


def test_a_browser_is_refused_on_the_data_port_d20(kmes):
    async def main(net):
        status, _, _ = await net.ask("a", "GET", f"{B}/status", b"", "Origin: https://evil.example")
        assert status == 403

    kmes(main)


@pytest.mark.parametrize(
    "kind", ["application/json", "application/x-www-form-urlencoded", "text/plain; charset=latin-1"]
)
def test_any_content_type_is_read_as_json_c53_d20(kmes, kind):
    async def main(net):
        status, _, _ = await net.ask(
            "a", "POST", f"{B}/enc_keys", b'\xef\xbb\xbf{"number":1}', f"Content-Type: {kind}"
        )
        assert status == 200

    kmes(main)


# -- paths and methods ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/api/v1/keys/b%2Fstatus", "/api/v1/keys//status", f"{B}/status/", "/api/v1/keys/..%2fb/status",
     "//api/v1/keys/b/status",
     "http://kme/api/v1/keys/b/status", "/api/v1/keys/%62%2562/status", "/api/v1/keys/b%00/status", "/api/v1/keys/B/status",
     "/api/v1/keys/b+/status", "/api/v1/keys/b%20/status", "/api/v1/keys/%C3%A4/status",
     "/api/v1/keys/" + "b" * 65 + "/status",
     "/", "*"],
)  # fmt: skip
def test_no_other_spelling_reaches_another_sae_and_none_is_redirected_c42_c43(kmes, path):
    async def main(net):
        status, headers, _ = await net.ask("a", "GET", path)
        assert status in {400, 401, 404}
        assert "location" not in headers

    kmes(main)


def test_a_percent_encoded_segment_is_decoded_once(kmes):
    async def main(net):
        status, _, body = await net.ask("a", "GET", "/api/v1/keys/%62/status")
        assert (status, json.loads(body)["slave_SAE_ID"]) == (200, "b")

    kmes(main)


@pytest.mark.parametrize(
    "path", ["/api/v1/kme/key-pool", "/keys/exchange", "/internal/x", "/docs", "/openapi.json", "/metrics", "/debug",
     "/q/v1/bind"]
)  # fmt: skip
def test_nothing_else_is_served_to_saes_c63(kmes, path):
    async def main(net):
        for method in ("GET", "POST"):
            assert (await net.ask("a", method, path))[0] == 404

    kmes(main)


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_change_nothing_c3_c68(kmes, method):
    async def main(net):
        before = await stock(net)
        for what in ("status", "enc_keys", "dec_keys"):
            stream = await net.dial("a")
            await stream.write(f"{method} {B}/{what} HTTP/1.1\r\nHost: kme\r\n\r\n".encode())
            assert b" 405 " in await stream.read()
            stream.close()
        assert (await net.ask("a", "POST", f"{B}/status"))[0] == 405
        assert await stock(net) == before

    kmes(main)


# -- many at once, and rudeness ---------------------------------------------------------------


def test_many_requests_at_once_give_distinct_keys_that_are_all_there_at_once_c56_c59_c61(kmes):
    async def main(net):
        streams = [await net.dial("a") for _ in range(8)]

        async def fetch(stream, turns):
            made = []
            for _ in range(turns):
                await stream.write(f"GET {B}/enc_keys HTTP/1.1\r\nHost: kme\r\n\r\n".encode())
                status, _, body = await read_answer(stream)
                assert status == 200
                made += json.loads(body)["keys"]
            return made

        keys = [key for some in await asyncio.gather(*[fetch(s, 5) for s in streams]) for key in some]
        assert len({key["key_ID"] for key in keys}) == len({key["key"] for key in keys}) == 40
        assert len({key["key"][:10] for key in keys}) == 40
        assert await net.dec("b", "a", *[key["key_ID"] for key in keys]) == (200, keys)
        for stream in streams:
            stream.close()

    kmes(main)


def test_a_client_that_goes_away_after_asking_never_gets_a_key_twice_c65(kmes):
    async def main(net):
        keys = await net.enc(number=10)
        for key in keys:
            stream = await net.dial("b")
            await stream.write(
                f"GET {A}/dec_keys?key_ID={key['key_ID']} HTTP/1.1\r\nHost: kme\r\n\r\n".encode()
            )
            stream._pump._transport.abort()
        for key in keys:
            assert (await net.dec("b", "a", key["key_ID"]))[0] in {200, 400}
            assert (await net.dec("b", "a", key["key_ID"]))[0] == 400

    kmes(main)


def test_half_sent_requests_do_not_stop_another_sae_c64(kmes):
    async def main(net):
        slow = [await net.dial("d") for _ in range(20)]
        for stream in slow:
            await stream.write(b"GET /api/v1/keys/a/sta")
        assert (await net.ask("a", "GET", f"{B}/status"))[0] == 200
        for stream in slow:
            stream.close()

    kmes(main)


def test_with_the_far_kme_down_the_answer_is_503_in_bounded_time_c67(kmes):
    async def main(net):
        net.break_wire("london", "hayes")
        status, headers, _ = await net.ask("a", "POST", f"{B}/enc_keys", {})
        assert status == 503
        assert "retry-after" in headers
        counts = (await net.counts())["london"]
        assert counts.reserved == counts.bound == 0

    kmes(main)


def test_no_answer_and_no_record_shows_the_bytes_of_a_key_but_its_delivery_c52(kmes):
    async def main(net):
        (key,) = await net.enc()
        raw = base64.b64decode(key["key"])
        for body in ({"key_IDs": [{"key_ID": key["key_ID"]}, {"key_ID": UNKNOWN}]}, {"key_IDs": [key]}):
            _, _, answer = await net.ask("c", "POST", f"{A}/dec_keys", body)
            assert key["key"].encode() not in answer
        for site in net.stores:
            leaves = b"".join(leaf for _, leaf in await net.stores[site].events_after(0))
            for form in (raw, raw.hex().encode(), key["key"].encode()):
                assert form not in leaves

    kmes(main)


segments = st.sampled_from(["b", "a", "c", "%62", "%2e%2e", "", "nobody", "b%2F", "ä"]) | st.text(max_size=6)
paths = st.builds("/api/v1/keys/{}/{}".format, segments, st.sampled_from(["status", "enc_keys", "dec_keys", "x"])) | st.text(
    max_size=20
).map("/{}".format)  # fmt: skip
queries = st.sampled_from(["", "?number=1", "?size=256&number=2", "?size=7",
    f"?key_ID={UNKNOWN}", "?x", "?number=9999999999"]) | (
    st.text(max_size=10).map("?{}".format)
)  # fmt: skip
values = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2000)
    | st.floats()
    | st.text(max_size=8)
    | st.just([])
    | st.just([{}])
)
members = st.sampled_from(
    [
        "number",
        "size",
        "key_IDs",
        "additional_slave_SAE_IDs",
        "extension_mandatory",
        "extension_optional",
        "x",
    ]
)
bodies = st.dictionaries(members, values, max_size=3).map(lambda v: json.dumps(v).encode()) | st.binary(
    max_size=40
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from("ad"), st.sampled_from(["GET", "POST", "PUT"]), paths, queries, bodies),
        min_size=1, max_size=6,
    )
)  # fmt: skip
def test_the_whole_request_grammar_gets_an_allowed_answer_and_the_bits_are_conserved(request, asked):
    organisation = request.getfixturevalue("organisation")
    folder = Path(tempfile.mkdtemp(dir=request.getfixturevalue("folder")))

    async def main():
        async with Kmes(organisation, folder, PAIR) as net:
            for site in ("london", "hayes"):
                await net.managers[site].ingest(block("london-hayes", 1, 20))
            total = {site: counts.ingested for site, counts in (await net.counts()).items()}
            for sae, method, path, query, body in asked:
                target = (path + query).encode("utf-8").decode("latin-1")
                if set(target) & set(" \r\n\t\x00\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0"):
                    continue
                status, headers, answer = await net.ask(sae, method, target, body)
                assert status in {200, 400, 401, 404, 405, 413, 503}, (status, target, body)
                if headers.get("content-type") == "application/json" and answer:
                    json.loads(answer)
            for site, counts in (await net.counts()).items():
                assert counts.ingested == total[site]
                assert counts.reserved == 0

    run(main())
