"""No byte of any key leaves a run: not in the evidence, not with -v, not in the HTML, whatever the KME does."""

import base64
import json

import pytest

from qorridor.faces.cli import conform as face
from qorridor.faces.report.conformance import as_json, html
from qorridor.prove.conformance.document import document
from tests.conform.playing import play
from tests.support.loop import run
from tests.support.reference_net import Certificates, ReferenceNet


def forms(value):
    """How a key would look if somebody let it out."""
    for part in {value[:8], value[:16], value[-8:]}:
        yield part.hex()
        yield part.hex().upper()
    plain = base64.b64encode(value).decode()
    yield plain.rstrip("=")
    yield plain[:16]
    yield base64.urlsafe_b64encode(value).decode().rstrip("=")
    yield json.dumps(plain).strip('"')


@pytest.fixture(scope="module")
def certificates():
    return Certificates()


@pytest.mark.parametrize(
    "mutant",
    ["", "open-pool", "echoes-key", "base64url", "unpadded", "shifts-keys", "stack-trace", "keys-in-html"],
)
def test_no_key_stands_in_any_form_of_a_report(certificates, mutant):
    async def main():
        async with ReferenceNet(certificates, mutant) as net:
            report = await play(net.parties(), hooks=net.hooks())
            return report, [key.value for key in net.pool.keys.values()]

    report, keys = run(main())
    assert len(keys) > 100
    made = document(report)
    shown = "\n".join([as_json(made), html(made), face._text(report, with_evidence=True), repr(report)])
    assert "HMAC:" in shown
    for value in keys:
        for form in forms(value):
            assert form not in shown, mutant


def test_equal_keys_have_equal_digests_in_one_report_and_others_in_the_next(certificates):
    async def main():
        async with ReferenceNet(certificates) as net:
            return [await play(net.parties(), cases=_only("C17")) for _ in range(2)]

    first, second = run(main())
    given, fetched = (_digests(exchange.received) for exchange in first.results[0].evidence[-2:])
    assert len(set(given)) == 3
    assert sorted(given) == sorted(fetched)
    assert not set(given) & {
        digest for seen in second.results[0].evidence for digest in _digests(seen.received)
    }


def _only(name):
    from qorridor.prove.conformance.table import BY_NAME

    return [BY_NAME[name]]


def _digests(text):
    body = json.loads(text.partition("\r\n\r\n")[2])
    return [key["key"] for key in body.get("keys", [])]


def test_evidence_holds_request_answer_and_what_tls_negotiated(certificates):
    async def main():
        async with ReferenceNet(certificates, "html-on-bad-json") as net:
            return await play(net.parties(), cases=_only("C51a"))

    report = run(main())
    (result,) = report.results
    last = result.evidence[-1]
    assert last.sent.startswith("POST /api/v1/keys/b/enc_keys HTTP/1.1")
    assert "number=1&size=256" in last.sent
    assert "<html>Bad Request</html>" in last.received
    page = html(document(report))
    assert "&lt;html&gt;Bad Request" in page
    assert "<html>Bad" not in page
    assert last.tls == "TLSv1.3 x25519"
    assert last.party.startswith("A (a) at 127.0.0.1:")


def test_a_long_case_shows_its_first_and_last_exchanges_and_counts_the_rest(certificates):
    async def main():
        async with ReferenceNet(certificates) as net:
            return await play(net.parties(), cases=_only("C59"))

    (result,) = run(main()).results
    assert len(result.evidence) == 12
    assert result.unshown == 1 + 2 * 20 - 12
