"""Which sample sizes are trusted: repeats that agree are, populations stuck in different phases are not."""

import numpy as np
import pytest

from slt.posterior.diagnostics import trusted, untrusted, without
from slt.records.base import OK
from slt.records.phases import Occupancy
from slt.records.posterior import Ladder

NS = np.array([10, 20, 30])
DATASETS, REPEATS, DRAWS = 3, 4, 400


def ladder(status=OK, memory=0.2):
    shape = (DATASETS, len(NS), REPEATS)
    empty = np.zeros((*shape, DRAWS))
    statuses = np.full(shape, OK, dtype="<U40")
    statuses[:, 2] = status
    correlation = np.full(shape, 0.2)
    correlation[:, 1] = memory
    return Ladder(NS, {"w": empty}, empty, empty, np.zeros(shape), {"correlation": correlation}, statuses)


def occupancy(share):
    """`share` (dataset, n, repeat) of the first of two phases."""
    both = np.stack([share, 1 - share], axis=-1)
    shape = share.shape
    return Occupancy(
        sample_sizes=NS,
        share=both,
        free_energy=np.zeros(shape),
        visits=np.nan_to_num(both * DRAWS).astype(int),
        switches=np.full(shape, -1),
        loss=np.zeros(both.shape),
        loss_variance=np.zeros(both.shape),
        floor=np.asarray(1 / DRAWS),
    )


def binomial(p, effective, seed=0):
    shares = np.random.default_rng(seed).binomial(effective, p, (DATASETS, len(NS), REPEATS)) / effective
    return occupancy(shares)


@pytest.mark.parametrize("seed", range(20))
def test_populations_of_forty_effective_draws_that_agree_are_trusted(seed):
    assert untrusted(ladder(), binomial(0.5, 40, seed)) == {}


def test_repeats_that_are_each_in_one_phase_are_not_trusted_whatever_their_mean():
    share = np.full((DATASETS, len(NS), REPEATS), 0.5)
    share[:, 1] = [0.0, 0.0, 1.0, 1.0]
    found = untrusted(ladder(), occupancy(share))
    assert set(found) == {20}
    assert "repeats disagree" in found[20]


def test_data_sets_may_differ():
    share = np.broadcast_to(np.array([0.0, 0.5, 1.0])[:, None, None], (DATASETS, len(NS), REPEATS))
    assert untrusted(ladder(), occupancy(share)) == {}


def test_moves_that_decorrelate_nothing_and_posteriors_that_failed_are_not_trusted():
    found = untrusted(ladder(status="degenerate: only 3 distinct ancestors", memory=0.95), binomial(0.5, 200))
    assert set(found) == {20, 30}
    assert "decorrelate" in found[20]
    assert "12 of 12 posteriors failed" in found[30]


def test_a_repeat_that_failed_does_not_hide_the_others():
    share = np.full((DATASETS, len(NS), REPEATS), 0.5)
    share[0, 1, 0] = np.nan
    share[1:, 1] = [0.0, 0.0, 1.0, 1.0]
    assert set(untrusted(ladder(), occupancy(share))) == {20}


def test_one_repeat_of_every_data_set_that_failed_does_not_hide_that_the_others_disagree():
    share = np.full((DATASETS, len(NS), REPEATS), 0.5)
    share[:, 1] = [0.0, 1.0, 0.0, np.nan]
    assert set(untrusted(ladder(), occupancy(share))) == {20}


def test_a_comparison_rests_on_the_sample_sizes_that_are_left():
    whole = binomial(0.5, 40)
    left = trusted(whole, {20: "why"})
    assert left.sample_sizes.tolist() == [10, 30]
    np.testing.assert_array_equal(left.share, whole.share[:, [0, 2]])
    np.testing.assert_array_equal(left.visits, whole.visits[:, [0, 2]])
    assert trusted(whole, dict.fromkeys(NS.tolist(), "why")) is None


def test_what_is_not_trusted_is_missing_and_the_rest_is_as_it_was():
    whole = binomial(0.5, 40)
    left = without(whole, {20: "why"})
    assert np.isnan(left.share[:, 1]).all()
    assert np.isnan(left.free_energy[:, 1]).all()
    np.testing.assert_array_equal(left.share[:, [0, 2]], whole.share[:, [0, 2]])
