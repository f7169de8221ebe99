"""Any link that the validator accepts."""

from dataclasses import replace

from hypothesis import strategies as st

from qorridor.photonics.parameters import Direction, LinkParameters, LitChannel

unit = lambda high: st.floats(0.0, high, allow_subnormal=False)


@st.composite
def links(draw):
    mus = sorted(draw(st.lists(unit(5.0), min_size=2, max_size=3, unique=True)), reverse=True)
    share = draw(st.floats(0.05, 0.9))
    probabilities = (share, *[(1 - share) / (len(mus) - 1)] * (len(mus) - 1))
    lit = draw(st.lists(st.builds(LitChannel, st.floats(-60, 20), st.sampled_from(Direction)), max_size=2))
    return LinkParameters(
        name="any", clock=1e9, length=draw(unit(400.0)), attenuation=draw(unit(1.0)),
        extra_loss=draw(unit(100.0)), efficiency=draw(st.floats(1e-3, 1.0)), receiver_loss=draw(unit(10.0)),
        dark=draw(unit(0.5)), misalignment=draw(unit(0.5)), intensities=tuple(mus), probabilities=probabilities,
        afterpulse=draw(unit(0.5)), dead_time=draw(unit(1e-5)), basis_factor=draw(unit(1.0)),
        key_basis=draw(st.floats(0.01, 0.99)), reconciliation=draw(st.floats(1.0, 2.0)), lit=tuple(lit),
    )  # fmt: skip


def of_a_proof(link):
    """The same link with intensities that its proof takes."""
    first, *rest = link.intensities
    fitting = (max(first, 0.05), max(first, 0.05) / 4, 1e-4)[: 1 + len(rest)]
    return replace(link, intensities=fitting)
