# ruff: noqa: E501
"""Every mistake of an estate file is reported at once, with its line, in our own words."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qorridor.estate.locate import Lines
from qorridor.estate.read import EstateMistakes, _validate, parse
from qorridor.estate.references import slips

TEXT = (Path(__file__).parents[2] / "examples/meridian/estate.toml").read_text()


def line_of(part, text):
    return text[: text.index(part)].count("\n") + 1


def changed(old, new):
    assert old in TEXT, old
    return TEXT.replace(old, new, 1)


def complaints(text):
    with pytest.raises(EstateMistakes) as caught:
        parse(text, "estate.toml")
    return [complaint.text("estate.toml") for complaint in caught.value.complaints]


def test_the_example_estate_loads():
    estate = parse(TEXT)
    assert estate.organisation == "Meridian Bank"
    assert estate.flows["core-replication"].origin == "london"
    assert estate.fibres["london-hayes"].length == 27.4
    assert estate.fibres["london-hayes"].loss == 6.9
    assert estate.policy.timing.down_factor == 0.8
    assert len(estate.digest) == 64


def test_a_slip_in_a_name_is_answered_with_the_nearest_name():
    text = changed('carries = ["genomes", "telemetry"]', 'carries = ["genome", "telemetry"]')
    line = line_of('carries = ["genome",', text)
    assert complaints(text) == [
        f'estate.toml:{line}: flow.research-share.carries: no data class "genome"; did you mean "genomes"?'
    ]


CASES = [
    ("schema = 1", "schema = true", "schema: this is not a whole number; write schema = 1"),
    ("schema = 1", "schema = " + "1" * 5000, "this whole number does not fit into 64 bits; write a number of fewer digits"),
    ("schema = 1", "schema = 0x" + "f" * 6000, "schema: this whole number does not fit into 64 bits"),
    ("channels = 8", "channels = 9223372036854775808", "fibre.hayes-slough.coexists.channels: this whole number does not fit"),
    ('reserve = "24 hours"', 'reserve = "1e300 years"', "corridor.thames.reserve: "),
    ('reserve = "24 hours"', 'reserve = "101 years"', "corridor.thames.reserve: 101 years is above 100 years"),
    ('keep_secret = "15 years"', 'keep_secret = "1001 years"', "data.settlement.keep_secret: 1001 years is above 1000 years"),
    ('rate = "10 Gbit/s"', 'rate = "1e30 Gbit/s"', "flow.core-replication.rate: "),
    ('targets = ["10.20.0.0/22:443,8443"]', 'targets = ["10.20.0.0/99:443"]', '"10.20.0.0/99:443" is no scan target'),
    ('targets = ["10.20.0.0/22:443,8443"]', 'targets = ["[:::::]:443"]', '"[:::::]:443" is no scan target'),
    ("at = [51.5136, -0.0890]", "at = [nan, -0.0890]", "site.london.at: nan is no finite number"),
    ("at = [51.5136, -0.0890]", "at = [51.5136, -inf]", "site.london.at: -inf is no finite number"),
    ('organisation = "Meridian Bank"', 'organisation = "Meridian\\u0000Bank"', "organisation: the name holds a control character"),
    ('length = "27.4 km"', "length = 27.4", 'fibre.london-hayes.length: 27.4 has no unit; write for example "27.4 km"'),
    ('length = "27.4 km"', 'length = "-3 km"', "fibre.london-hayes.length: -3 km is outside 0 to 100000 km"),
    ('length = "27.4 km"', 'length = "0 km"', "fibre.london-hayes.length: 0 km is below"),
    ('length = "27.4 km"', 'length = "27.4 dB"', 'fibre.london-hayes.length: "dB" is no unit of this quantity'),
    ('length = "27.4 km"', 'lenght = "27.4 km"', 'fibre.london-hayes.lenght: no key "lenght" is known here; did you mean "length"?'),
    ('length = "27.4 km"', "", 'fibre.london-hayes.length: "length" is missing; add for example length = "27.4 km"'),
    ('loss = "6.9 dB" ', 'loss = "-6.9 dB" ', "fibre.london-hayes.loss: -6.9 dB is outside"),
    ("dark = true", 'dark = "yes"', "fibre.london-hayes.dark: this is not true or false"),
    ('fallback = "pqc"', 'fallback = "traditional"', "policy.fallback: a fallback to traditional algorithms is refused"),
    ('fallback = "pqc"', 'fallback = "pcq"', 'policy.fallback: "pcq" is none of the values known here; did you mean "pqc"?'),
    ("[policy]", "[polisy]", 'polisy: no key "polisy" is known here; did you mean "policy"?'),
    ("schema = 1", "schema = 2", "schema: schema 2 is unknown to this version; write schema = 1"),
    ("at = [51.5136, -0.0890]", "at = [151.5, -0.0890]", "site.london.at: 151.5 is above 90"),
    ("at = [51.5136, -0.0890]", "at = [51.5]", "site.london.at:"),
    ('driver = "tls-tunnel"', 'driver = "tls-tunel"', 'no driver "tls-tunel" is known; did you mean "tls-tunnel"?'),
    ('{ driver = "simulator", preset = "demo-1ghz" }', '{ preset = "demo-1ghz" }', '"driver" is missing'),
    ('preset = "demo-1ghz"', 'preset = "metre"', 'corridor.thames.link.london-hayes.preset: "metre" is none of the values known here; did you mean "metro"?'),
    ('scanner = "tls"', 'scanner = "tsl"', 'no scanner "tsl" is known; did you mean "tls"?'),
    ('"10.20.0.0/22:443,8443"', '"10.20.0.0/22:443,84430"', "is no scan target"),
    ('window = "22:00-05:00"', 'window = "22-5"', 'scan.london-servers.window: "22-5" is no time window'),
    ('listen = "127.0.0.1:9400"', 'listen = "127.0.0.1"', "is no address; write host:port"),
    ('forward = "127.0.0.1:5432"', 'forward = "127.0.0.1:0"', "is no address; write host:port"),
    ('between = ["london", "hayes"]', 'between = ["london", "haye"]', 'fibre.london-hayes.between: no site "haye"; did you mean "hayes"?'),
    ('between = ["london", "hayes"]', 'between = ["london", "london"]', 'both ends are "london"'),
    ('from = "london"', 'from = "londn"', 'flow.core-replication.from: no site "londn"; did you mean "london"?'),
    ('to = "slough"', 'to = "london"', "the flow ends where it begins"),
    ('flow = "core-replication"', 'flow = "core"', 'corridor.thames.flow: no flow "core"'),
    ('path = ["london", "hayes", "slough"]', 'path = ["london", "slough"]', 'no fibre joins "london" and "slough"; add a table [fibre.london-slough]'),
    ('path = ["london", "hayes", "slough"]', 'path = ["london", "hayes"]', 'the path joins "london" and "hayes", its flow "london" and "slough"'),
    ('path = ["london", "hayes", "slough"]', 'path = ["london", "hayes", "london", "slough"]', "the path visits a site twice"),
    ("trusted_node =", "#", '"hayes" would relay keys in clear but is no trusted node'),
    ("link.hayes-slough =", "#", 'the hop from "hayes" to "slough" has no link'),
    ("link.hayes-slough =", "link.hayes-sloug =", 'link "hayes-sloug" is no fibre of this corridor\'s path; did you mean "hayes-slough"?'),
    ('site = "london", speaks', 'site = "paris", speaks', 'sae.router-london: no site "paris"'),
    ('may_pair_with = ["router-slough"]', 'may_pair_with = ["router-x"]', 'no SAE "router-x"'),
    ("router-london = {", "core-replication-london = {", "this name belongs to the end of a flow's own tunnel"),
    ('corridor = "thames"', 'corridor = "themes"', 'pilot.thames-q1.corridor: no corridor "themes"; did you mean "thames"?'),
    ("until = 2027-04-11", "until = 2026-04-11", "the pilot ends before it starts"),
    ("until = 2027-04-11", 'until = "April"', "pilot.thames-q1.runs.until: this is not a date such as 2027-01-11"),
    ("earliest = 2030", "earliest = 2040", "the three years do not rise"),
    ('rekey = "2 min"', 'rekey = "10 ms"', "flow.core-replication.rekey: 10 ms is below 1 s"),
    ("caged = true", "caged = true, guarded = true", 'site.hayes.trusted_node.guarded: no key "guarded" is known here'),
    ('"qkd + pqc + traditional"', '"qkd + traditional"', 'is no combiner; write "qkd + pqc + traditional"'),
    ("maturity = 3 ", "maturity = 9 ", "policy.maturity: 9 is above 5"),
    ("maturity = 3 ", "timing = { down_factor = 2.0, up_factor = 1.0 } ", "down_factor is not below up_factor"),
    ('root_key = "pkcs11:', 'root_key = "floppy:', "does not have the right form"),
    ("[site.london]", "[site.Lon_don]", '"Lon_don" is no name; use small letters, digits and hyphens'),
    ('node = "node.london.meridian.example"', 'node = "127.0.0.1:9400"', "so it would carry its own keys"),
    ('lease = "18_000 GBP/year"', 'lease = "18000"', "is no amount of money"),
    ("coexists = {", "dark = true\ncoexists = {", "a dark fibre carries no other traffic"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "words"), CASES, ids=[case[1][:40] or case[0][:40] for case in CASES])
def test_each_kind_of_mistake_is_named_with_line_cause_and_remedy(old, new, words):
    text = changed(old, new)
    found = complaints(text)
    assert any(words in complaint for complaint in found), found
    spoken = next(complaint for complaint in found if words in complaint)
    assert int(spoken.split(":")[1]) >= 1
    assert "; " in spoken
    assert "pydantic" not in spoken
    assert "Input should" not in spoken


def test_all_mistakes_are_reported_at_once_sorted_by_line():
    text = changed('length = "27.4 km"', "length = 27.4")
    text = text.replace('rekey = "1 hour"', "rekey = 3600").replace(
        'corridor = "thames"', 'corridor = "tames"'
    )
    found = complaints(text.replace('owner = "net-eng', 'ownr = "net-eng', 1))
    lines = [int(complaint.split(":")[1]) for complaint in found]
    assert len(found) == 4
    assert lines == sorted(lines)


def test_a_table_that_stands_twice_is_named_with_both_lines_beside_other_mistakes():
    text = changed("[site.slough]", "[site.london]")
    found = complaints(text)
    first, second = line_of("[site.london]", text), text.rindex("[site.london]")
    line = text[:second].count("\n") + 1
    assert (
        f"estate.toml:{line}: site.london: this table stands on line {first} already; rename one of them"
        in found[0]
    )
    assert any('no site "slough"' in complaint for complaint in found)


def test_a_key_that_stands_twice_is_named():
    assert (
        "this key stands on line"
        in complaints(changed('rekey = "2 min"', 'rekey = "2 min"\nrekey = "3 min"'))[0]
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            'organisation = "Meridian Bank"',
            'organisation = "Meridian',
            "does not end on its line; close the quotes",
        ),
        ("dark = true", "dark true", "a key needs `=` and a value"),
        ("dark = true", "dark = yes", "this is no TOML value"),
        ("[site.slough]", "[site.slough", "a table header is not closed"),
        ('rate = "10 Gbit/s"', "rate = 10 Gbit/s", "something stands after the value"),
    ],
)
def test_a_syntax_error_is_named_with_its_line(old, new, words):
    text = changed(old, new)
    (found,) = complaints(text)
    assert words in found
    assert found.startswith(f"estate.toml:{line_of(new, text)}:")


@pytest.mark.parametrize(
    "text", ["", "[[[[", "a = " + "[" * 5000, "\x00", '"""', "site = 1\nflow = []\n[data]\nx = 1"]
)
def test_a_file_that_is_no_estate_is_refused_in_words(text):
    assert complaints(text)


@given(st.integers(0, len(TEXT) - 1), st.integers(0, 60), st.text(max_size=12))
def test_any_change_of_the_text_gives_an_estate_or_complaints(start, length, other):
    text = TEXT[:start] + other + TEXT[start + length :]
    try:
        parse(text)
    except EstateMistakes as error:
        spoken = error.complaints
    else:
        return
    assert spoken
    assert all(c.line >= 1 and c.cause and c.remedy for c in spoken)


@given(st.recursive(st.integers() | st.text(max_size=5) | st.booleans() | st.floats(),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
                        ["from", "to", "path", "flow", "link", "between", "driver", "x", "carries", "protected_by"]), inner),
                    max_leaves=8), st.sampled_from(["site", "fibre", "flow", "corridor", "sae", "pilot", "data", "scan"]))  # fmt: skip
def test_values_of_any_type_in_any_table_are_refused_in_words(value, table):
    data = tomllib.loads(TEXT) | {table: {"london": value, "other": value}}
    _, found = _validate(data, Lines())
    assert all(complaint.cause and complaint.remedy for complaint in found)
    assert all(slip.cause and slip.remedy for slip in slips(data))
