"""A diagnosis names a set of causes, never rules out an attack that the samples cannot exclude, and only advises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qorridor.watch.diagnosis import Cause, Sample, Verdict, diagnose, read_sample

CALM = [Sample(True, "", 0.012, 0.005)] * 6


def block(qber=0.07, noise=0.005, cause="no-key"):
    return Sample(False, cause, qber, noise)


def record(m, n, state="ABORTED", cause="no-key"):
    return {"state": state, "abort_cause": cause, "m": {"key": None, "test": m}, "n": {"key": n, "test": n},
            "p": ["0.3", "0.45", "0.25"], "simulated": True}  # fmt: skip


def test_a_link_that_releases_its_blocks_has_no_verdict():
    assert diagnose("a", []) is None
    assert diagnose("a", [block(), *CALM]) is None


@pytest.mark.requirement("B-27")
def test_an_error_step_without_loss_suspects_interception_and_keeps_drift_in_the_set():
    verdict = diagnose("a", [*CALM, block(), block()])
    assert verdict.causes == (Cause.INTERCEPTION, Cause.DRIFT)
    assert verdict.evidence == ("QBER 1.2% → 7.0%", "loss and noise +0.0 dB", "in one step")
    assert (verdict.severity, verdict.aborted) == ("P1", 2)
    assert "realignment" in verdict.separated_by


@pytest.mark.requirement("B-27")
def test_no_detections_point_at_fibre_or_equipment():
    silent = Sample(False, "no-key")
    assert diagnose("a", [*CALM, silent]).causes == (Cause.FIBRE,)
    assert diagnose("a", [silent]).causes == (Cause.FIBRE,)


@pytest.mark.requirement("B-27")
def test_a_slow_rise_puts_drift_first_but_never_alone():
    rise = [Sample(True, "", 0.012 + 0.005 * step, 0.005) for step in range(7)]
    assert diagnose("a", [*CALM, *rise, block(0.045)]).causes == (Cause.DRIFT, Cause.INTERCEPTION)


def test_more_noise_per_click_is_loss_or_stray_light_and_does_not_exclude_interception():
    assert diagnose("a", [*CALM, block(0.05, 0.02)]).causes == (Cause.FIBRE, Cause.INTERCEPTION)


def test_failing_tags_are_treated_as_an_attack_on_the_classical_channel():
    verdict = diagnose("a", [*CALM, block(0.012, cause="auth-failure")])
    assert (verdict.causes, verdict.severity) == ((Cause.UNKNOWN,), "P1")


@pytest.mark.parametrize("samples", [[block()], [*CALM, block(0.012)], [Sample(False, "protocol")]])
def test_what_fits_nothing_is_unknown(samples):
    assert diagnose("a", samples).causes == (Cause.UNKNOWN,)


def test_a_sample_is_read_from_a_block_record():
    sample = read_sample(record([22888, 9209, 599], [320113, 121377, 1376]))
    assert not sample.released
    assert sample.qber == pytest.approx(0.0715, abs=1e-4)
    assert sample.noise == pytest.approx(0.00516, abs=1e-5)


def test_noise_is_counted_in_both_bases_for_few_pulses_are_spent_on_the_test():
    found = record([350, 700, 130], [24_000, 60_000, 240])
    found["n"]["key"] = [264_000, 660_000, 3_000]
    assert read_sample(found).noise == pytest.approx((3_240 / 0.25) / (288_000 / 0.3))


def test_a_link_with_one_decoy_shows_its_errors_and_no_noise_share():
    found = {**record([2200, 900], [32_000, 12_000]), "p": ["0.2", "0.8"]}
    sample = read_sample(found)
    assert (sample.qber, sample.noise) == (pytest.approx(0.06875), None)
    calm = [Sample(True, "", 0.018, None)] * 6
    verdict = diagnose("a", [*calm, sample])
    assert verdict.causes == (Cause.INTERCEPTION, Cause.DRIFT)
    assert "loss not observed" in verdict.evidence


@given(st.dictionaries(st.sampled_from(["n", "m", "p", "state", "qber_key", "abort_cause"]),
                       st.none() | st.text("a1.n", max_size=4) | st.lists(st.integers() | st.none(), max_size=4) | st.floats()))  # fmt: skip  # noqa: E501
def test_no_telemetry_breaks_the_reader(found):
    assert isinstance(read_sample(found), Sample)


@given(st.lists(st.builds(Sample, st.booleans(), st.sampled_from(["", "no-key", "auth-failure", "peer-aborted"]),
                          st.none() | st.floats(0, 0.5), st.none() | st.floats(0, 1))))  # fmt: skip
def test_every_history_has_a_verdict_or_none_and_errors_without_other_sign_keep_interception(samples):
    verdict = diagnose("a", samples)
    assert verdict is None or isinstance(verdict, Verdict)
    if verdict is not None:
        assert verdict.causes
        assert Cause.DRIFT not in verdict.causes or Cause.INTERCEPTION in verdict.causes
