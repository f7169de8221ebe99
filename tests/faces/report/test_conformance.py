"""The report as HTML: whole, without script, and everything from the wire escaped."""

from html.parser import HTMLParser

from qorridor.faces.report.conformance import as_json, html
from qorridor.prove.conformance.document import document
from qorridor.prove.conformance.table import BY_NAME
from qorridor.prove.conformance.verdicts import Exchange, Profile, Report, Result, Verdict

EVIL = "<script>alert('x')</script>\"'&"
VOID = {"meta"}


class Reader(HTMLParser):
    """Tags that were opened and not closed, and the names of all."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def made(verdict=Verdict.FAIL):
    seen = Exchange(EVIL, f"GET /{EVIL} HTTP/1.1\r\n\r\n", EVIL, EVIL)
    result = Result(BY_NAME["C17"], verdict, EVIL, (EVIL,), (seen,), 3)
    target = {"kme": EVIL, "source_KME_ID": EVIL, "certificate": {"subject": EVIL}, "tls": EVIL}
    return document(Report(Profile.ALL, target, "2026-12-01T00:00:00+00:00", "0", 1, 2, (result,)))


def test_nothing_from_the_wire_becomes_markup():
    page = html(made())
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert "script" not in reader.seen
    assert reader.text.count("alert('x')") >= 8
    assert "http:" not in page
    assert "https:" not in page


def test_a_failed_case_is_open_and_others_are_not():
    assert "<details open>" in html(made())
    assert "<details open>" not in html(made(Verdict.SKIP))
    assert "3 more exchanges are not shown" in html(made())


def test_the_json_ends_with_a_newline_and_is_the_document():
    import json

    assert as_json(made()).endswith("}\n")
    assert json.loads(as_json(made())) == made()
