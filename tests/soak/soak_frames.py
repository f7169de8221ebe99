"""The frame error rate of both engines, by as many frames as the rate that is claimed needs."""

import os

import numpy as np
import pytest

from qorridor.app.bench_distill import BATCH, exchange
from qorridor.distill import cascade, ldpc

SEED = int(os.environ.get("SOAK_SEED", "1"))
FRAMES = int(float(os.environ.get("SOAK_FRAMES", "3e4")))


@pytest.mark.parametrize("profile", cascade.PROFILES.values(), ids=cascade.PROFILES)
def test_cascade_fails_on_at_most_one_frame_of_ten_thousand(profile):
    rng, failed, done = np.random.default_rng(SEED), 0, 0
    while done < FRAMES:
        wrong, ends = exchange(BATCH * cascade.FRAME, 0.02, rng, profile)
        missed = np.setxor1d(np.flatnonzero(wrong), ends[1].result.errors)
        failed += len(np.unique(missed // cascade.FRAME))
        done += BATCH
        if done % (100 * BATCH) == 0:
            print(f"cascade {profile.name}: {done} frames, {failed} failed")
    print(f"seed {SEED}: cascade {profile.name}: {failed} of {done} frames failed")
    assert failed <= 1e-4 * done


def test_what_both_messages_of_ldpc_leave_to_cascade_is_rare():
    rng, plan = np.random.default_rng(SEED), ldpc.make_plan(ldpc.FRAME, 0.02)
    words, failed, told_more, frames = ldpc.tag_words(bytes(16), plan), 0, 0, FRAMES // 30
    for _ in range(frames):
        wrong = (rng.random(plan.size) < 0.02).view(np.uint8)
        known = ldpc.parities(wrong, plan, words)  # linear: those of the differences
        found = ldpc.decode(plan, plan.size, known.first(plan))
        if found is None or (found != wrong).any():
            told_more += 1
            found = ldpc.decode(plan, plan.size, known.first(plan), known.more(plan))
        failed += found is None or bool((found != wrong).any())
    print(f"seed {SEED}: ldpc: {told_more} of {frames} frames were told more, {failed} failed")
    assert failed <= 0.005 * frames
