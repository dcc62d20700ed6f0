"""How often dimensionalities lie at fractions: all of them in built shapes, as often as at random in random ones."""

import numpy as np

from experiments.feature_geometry.geometry import by_fraction, factor, geometry

PAIRS = np.array([[1.0, -1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0, 0.0]])


def test_antipodal_pairs_lie_at_one_half_and_a_missing_column_counts_for_nothing():
    population = geometry(np.stack([PAIRS, 1.1 * PAIRS]))
    assert [own.size for own in population.fractions] == [4, 4]
    assert by_fraction(population) == {"1": 0.0, "3/4": 0.0, "2/3": 0.0, "1/2": 1.0, "2/5": 0.0}
    np.testing.assert_allclose(population.per_dimension, [2.0, 2.0 * 1.21])
    found = factor([geometry(np.repeat(PAIRS[None], 400, axis=0))], block=1)
    assert found.share == 1.0
    assert found.low > 2


def test_random_directions_lie_there_no_more_often_than_at_random():
    W = np.random.default_rng(5).normal(size=(3000, 2, 5))
    found = factor([geometry(W)], block=1)
    assert 0.9 < found.factor < 1.1
    assert found.low < 1.05
    assert found.high > 0.95


def test_a_population_that_represents_nothing_or_is_not_finite_has_no_share():
    assert factor([geometry(0.1 * PAIRS[None])], block=1).share == 0.0
    assert len(geometry(np.stack([PAIRS, np.nan * PAIRS])).fractions) == 1
