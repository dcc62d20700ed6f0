import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from slt.models.superposition import kgons
from slt.records.phases import PhaseFacts
from slt.transitions import free_energy


def fact(name, loss, llc, log_prior=0.0, multiplicity=1):
    return PhaseFacts(name, name, loss, llc, multiplicity, log_prior, "test")


def gap(a, b, level, n):
    """F_b - F_a by the formula, written out independently."""
    d = (b.loss - a.loss) * n + (b.llc - a.llc) * np.log(n)
    if a.multiplicity != b.multiplicity:
        d = d - (b.multiplicity - a.multiplicity) * np.log(np.log(n))
    return d + (a.log_prior - b.log_prior if level == "prior" else 0.0)


def kgon_facts():
    return {
        p.name: PhaseFacts(p.name, p.family, p.loss, p.llc, p.multiplicity, p.log_prior, p.source)
        for p in kgons.phases(6)
    }


def test_five_to_six_in_superposition():
    """Chen et al. 2023: 601 with the prior term, 445 without."""
    facts = kgon_facts()
    assert free_energy.crossing(facts["5"], facts["6"], "prior").n == pytest.approx(601.0, abs=0.05)
    assert free_energy.crossing(facts["5"], facts["6"], "leading").n == pytest.approx(445, abs=0.5)


def test_what_is_not_known_is_named():
    facts = kgon_facts()
    nothing = free_energy.crossing(facts["4++"], facts["5"], "leading")
    assert nothing.n is None
    assert nothing.why == "unknown learning coefficient: 4++"
    a, b = fact("a", 1.0, 0.5, math.nan), fact("b", 0.99, 1.0)
    assert free_energy.crossing(a, b, "prior").why == "unknown prior density: a"
    assert free_energy.crossing(a, b, "leading").n is not None
    with pytest.raises(ValueError, match="leading, prior"):
        free_energy.crossing(a, b, "posterior")


@pytest.mark.parametrize("difference", [0.0058, 0.0059])
def test_two_bumps(difference):
    """Prior N(0, 1), the narrow well at w = 11: the jump lies between n = 10,000 and 11,000."""
    wide, narrow = fact("wide", difference, 0.5, 0.0), fact("narrow", 0.0, 0.5, -(11**2) / 2)
    n = free_energy.crossing(wide, narrow, "prior").n
    assert n == pytest.approx(60.5 / difference, rel=1e-9)
    assert 10_000 < n < 11_000
    leading = free_energy.crossing(wide, narrow, "leading")
    assert leading.n is None
    assert free_energy.always_preferred(leading)


def test_equal_losses_are_decided_by_lambda():
    blunt, sharp = fact("blunt", 0.3, 0.25, -10.0), fact("sharp", 0.1 + 0.2, 0.5, -7.0)  # 0.3 up to rounding
    assert free_energy.crossing(sharp, blunt, "prior").n == pytest.approx(math.exp(3 / 0.25))
    back = free_energy.crossing(blunt, sharp, "prior")
    assert back.n is None
    assert "equal loss and higher lambda" in back.why


def test_equal_losses_and_lambdas_are_decided_by_multiplicity():
    plain, twofold = fact("plain", 0.3, 0.5, 0.0, 1), fact("twofold", 0.3, 0.5, -1.0, 2)
    n = free_energy.crossing(plain, twofold, "prior").n
    assert math.log(math.log(n)) == pytest.approx(1.0)
    assert "neither takes over" in free_energy.crossing(plain, plain, "prior").why


def test_higher_loss_never_takes_over_for_good():
    low, high = fact("low", 0.1, 3.0), fact("high", 0.2, 1.0)
    assert "small n only" in free_energy.crossing(low, high, "leading").why
    assert "never takes over" in free_energy.crossing(low, fact("worse", 0.2, 4.0), "leading").why


def test_of_two_crossings_the_later_is_returned():
    """gap = -0.01 n + log n - 0.5 is zero near 1.7 and near 600; the second is when b takes over."""
    a, b = fact("a", 0.01, 1.0, 0.0), fact("b", 0.0, 2.0, 0.5)
    found = free_energy.crossing(a, b, "prior")
    sample_sizes = np.geomspace(1, 1e4, 200_001)
    changes = sample_sizes[1:][np.diff(np.sign(gap(a, b, "prior", sample_sizes))) != 0]
    assert len(changes) == 2
    assert found.n == pytest.approx(changes[-1], rel=1e-4)


def test_a_crossing_out_of_reach_is_no_crossing():
    a, b = fact("a", 0.3, 0.5), fact("b", 0.3, 0.4999, -1000.0)
    assert "beyond" in free_energy.crossing(a, b, "prior").why


@given(
    st.floats(1e-6, 1.0),
    st.floats(-10, 10),
    st.floats(-50, 50),
    st.integers(1, 3),
    st.integers(1, 3),
)
def test_beyond_the_crossing_the_target_wins_for_ever(d_loss, d_llc, d_prior, m_a, m_b):
    """Against a scan of the formula: the last change to the target is the one found, or there is none."""
    assume(abs(d_llc) > 1e-3 and abs(d_prior) > 1e-3)
    a, b = fact("a", 1.0, 11.0, 0.0, m_a), fact("b", 1.0 - d_loss, 11.0 + d_llc, d_prior, m_b)
    found = free_energy.crossing(a, b, "prior")
    sample_sizes = np.geomspace(1 if m_a == m_b else math.e, 1e10, 20_001)
    behind = gap(a, b, "prior", sample_sizes) > 0
    if found.n is None:
        assert free_energy.always_preferred(found)
        assert not behind[1:].any()
        return
    assert gap(a, b, "prior", found.n * 0.999999) > gap(a, b, "prior", found.n * 1.000001)
    assert not behind[sample_sizes > found.n * 1.000001].any()
    assert gap(a, b, "prior", found.n) == pytest.approx(0, abs=1e-6 * (1 + d_loss * found.n))


def test_of_two_takeovers_the_one_that_lasts_is_returned():
    """gap = -1e-5 n + log(n) / 2 - 2 log log n + 0.3 falls through zero near n = 10, rises, and falls again."""
    a, b = fact("a", 1e-5, 1.0, 0.0, 1), fact("b", 0.0, 1.5, -0.3, 3)
    sample_sizes = np.geomspace(math.e, 1e8, 200_001)
    signs = np.sign(gap(a, b, "prior", sample_sizes))
    falls = sample_sizes[1:][np.diff(signs) < 0]
    assert len(falls) == 2
    assert free_energy.crossing(a, b, "prior").n == pytest.approx(falls[-1], rel=1e-3)
